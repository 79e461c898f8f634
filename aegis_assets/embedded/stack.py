"""AEGIS_HOME and the settings -> the running stack, its end, and its state.

A stack that fails to start is stopped again: half a stack holds ports and answers some questions, which is worse than none. One
that ran already is left as it is.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from aegis_assets.embedded import bootstrap, parts, ports, postgres, postgres_place, secrets_file
from aegis_assets.embedded.parts import Part
from aegis_assets.embedded.supervision import Running, Supervisor
from aegis_assets.errors import AegisError, Misconfigured
from aegis_assets.perimeter import require_protected_admin
from aegis_assets.settings import Settings, home, load

Say = Callable[[str], None]
ALIVE = ("RUNNING", "STARTING")
UNSTEADY, RECENTLY = 3, 600.0  # ends of one part, the last so many seconds ago
OWN = frozenset(
    "stack.env stack.lock admin-password postgres.place bucket dagster graph inbox logs postgres run scratch vectors".split()  # noqa: SIM905
)
MARKS = frozenset({"stack.env", "stack.lock"})


class PartFailed(AegisError):
    kind = "part_failed"


@dataclass(frozen=True)
class Row:
    """One line of the table. memory: bytes, with children.

    state: 'running', 'starting', 'unsteady' (it ends again and again), 'elsewhere', or supervisord's word.
    """

    name: str
    state: str
    pid: int | None
    seconds: float
    address: str
    memory: int
    reason: str = ""


def up(say: Say) -> Settings:
    """Start what does not run; say each part as it begins to answer. Returns what runs. Raises AegisError with what to do."""
    own, place = secrets_file.chosen(), home()
    with _alone(place, make=True):
        supervisor = Supervisor(place)
        if supervisor.answers():
            return _repair(supervisor, own, say)
        _sweep(supervisor, say)
        try:
            return _start(supervisor, own, say)
        except BaseException:
            supervisor.stop()
            raise


def down(say: Say) -> None:
    """Stop everything that belongs to this home. The data stays."""
    place = home()
    with _alone(place) as there:
        if not there or not _stop(Supervisor(place), say):
            say("Nothing runs.")


def status() -> list[Row]:
    """One row per part; empty if nothing runs. Raises PartFailed where supervisord alone is gone."""
    place = home()
    supervisor = Supervisor(place)
    if not supervisor.answers():
        if left := supervisor.left() + _postgres_runs(place):
            raise PartFailed(
                f"supervisord is gone, and {left} processes of the stack run on without it: "
                "`make up` takes over, `make down` stops them."
            )
        return []
    now = _now(place)
    running = {one.name: one for one in supervisor.programs()}
    known = parts.parts(Settings.model_construct(), now)  # nothing set: all parts that there are
    with ThreadPoolExecutor(len(known)) as pool:
        rows = pool.map(lambda part: row(part, running.get(part.name), supervisor), known)
    elsewhere = {"postgres": now.postgres_url.get_secret_value(), "graph": now.graph_address, "engine": now.engine_address}
    return [
        row if row.state != "elsewhere" else Row(row.name, "elsewhere", None, 0, elsewhere.get(row.name, "-").rsplit("@", 1)[-1], 0)
        for row in rows
    ]


def clean(say: Say) -> None:
    """Stop the stack and delete AEGIS_HOME, and what lives outside it because root's home is closed."""
    place = home()
    if place.exists() and not (place / "stack.env").exists():
        raise Misconfigured(f"{place} does not look like an AEGIS_HOME: it holds no stack.env. Delete it by hand.")
    with _alone(place) as there:
        if not there:
            say("Nothing runs.")
            return
        _stop(Supervisor(place), say)
        postgres_place.forget(place)
        shutil.rmtree(place)
        say(f"{place} is deleted.")


def _start(supervisor: Supervisor, own: Settings, say: Say) -> Settings:
    place = supervisor.home
    variables = secrets_file.write(place, own)
    now = _now(place)
    require_protected_admin(now)
    group = parts.parts(own, now)
    if found := ports.complaints(port for part in group for port in part.ports):
        raise Misconfigured("\n".join(found))
    environment = variables | {
        "DAGSTER_HOME": str(bootstrap.dagster_home(place)),
        "AEGIS_CODE_HOST": now.code_host,
        "AEGIS_CODE_PORT": str(now.code_port),
        "AEGIS_PARALLEL_DOCUMENTS": str(now.parallel_documents),
    }
    supervisor.start(group, environment)
    _bring_up(supervisor, group, say, lambda: bootstrap.prepare(now, environment, say))
    return now


def _bring_up(supervisor: Supervisor, group: tuple[Part, ...], say: Say, prepare: Callable[[], None]) -> None:
    """The stores and engines first, then the tables, then who needs them. Independent parts load side by side."""
    stores = [part for part in group if part.name in ("postgres", "graph", "engine")]
    rest = {part.name: part for part in group if part not in stores}
    for part in stores:
        supervisor.launch(part.name)
    for part in stores[:1]:
        if part.name == "postgres":
            _wait(supervisor, part, say)
    prepare()
    supervisor.launch("code")
    supervisor.launch("admin")
    _wait(supervisor, rest["code"], say)
    supervisor.launch("webserver")
    _wait(supervisor, rest["webserver"], say)
    supervisor.launch("daemon")
    if "worker" in rest:
        supervisor.launch("worker")
    for part in (*stores, *(rest[name] for name in ("admin", "daemon", "worker") if name in rest)):
        if part.name != "postgres":
            _wait(supervisor, part, say)


def _repair(supervisor: Supervisor, own: Settings, say: Say) -> Settings:
    """A stack that runs: start again what gave up, and wait until all of it answers."""
    now = _now(supervisor.home)
    states = {one.name: one.state for one in supervisor.programs()}
    group = [part for part in parts.parts(Settings.model_construct(), now) if part.name in states]
    broken = [part for part in group if states[part.name] not in ALIVE]
    for part in broken:
        supervisor.launch(part.name)
    for part in group:
        _wait(supervisor, part, say if part in broken else lambda _: None)
    say("Already running." if not broken else "Running again.")
    if any(getattr(own, name) != getattr(now, name) for name in secrets_file.PORTS if name in own.model_fields_set):
        say("The ports have changed since the stack was started; `make down` and `make up` apply them.")
    return now


def _wait(supervisor: Supervisor, part: Part, say: Say) -> None:
    deadline, began = time.monotonic() + part.patience, time.monotonic()
    log = supervisor.logs / f"{part.name}.log"
    while True:
        state = next(one for one in supervisor.programs() if one.name == part.name).state
        # Dagster shows the last daemon's heartbeats for half an hour: a part without a port must also outlive its first seconds.
        if part.ready() and (part.ports or state == "RUNNING"):
            break
        if state == "FATAL":
            raise PartFailed(f"{part.name} does not start: {postgres.last_words(log)} (all of it: {log})")
        if time.monotonic() > deadline:
            raise PartFailed(
                f"{part.name} does not answer after {part.patience:.0f} s: {postgres.last_words(log)} (all of it: {log})"
            )
        time.sleep(0.2)
    say(f"  {part.name:<10} {part.address:<34} {time.monotonic() - began:5.1f} s")


def row(part: Part, one: Running | None, supervisor: Supervisor) -> Row:
    if one is None:
        return Row(part.name, "elsewhere", None, 0, "", 0)
    log = supervisor.logs / f"{part.name}.log"
    if one.state not in ALIVE:
        ended = f"it ended ({one.ended}): {postgres.last_words(log)} (all of it: {log})" if one.ends else ""
        return Row(part.name, one.state.lower(), None, 0, part.address, 0, one.said or ended)
    recently = one.ends > 0 and one.ago < RECENTLY
    state = "unsteady" if recently and one.ends >= UNSTEADY else "running" if part.ready() else "starting"
    times = "once" if one.ends == 1 else f"{one.ends} times"
    words = f"{postgres.last_words(log)} (all of it: {log})" if state == "unsteady" else f"its log: {log}"
    reason = f"it ended {times} since `make up`, last {one.ago:.0f} s ago ({one.ended}): {words}" if recently else ""
    return Row(part.name, state, one.pid, one.since, part.address, _memory(one.pid), reason)


def _memory(pid: int) -> int:
    """Resident bytes of the process and its children; what they share is counted once."""
    own = shared = 0
    try:
        top = psutil.Process(pid)
        for process in (top, *top.children(recursive=True)):
            used = process.memory_info()
            own += used.rss - used.shared
            shared = max(shared, used.shared)
    except psutil.Error:
        pass
    return own + shared


def _now(place: Path) -> Settings:
    """With the ports that the stack was started with, whatever the environment has come to say since."""
    return load().model_copy(update={"home": place} | secrets_file.ports(place))


def _sweep(supervisor: Supervisor, say: Say) -> bool:
    """Whether something was left of a stack that was killed."""
    left = supervisor.sweep()
    stopped = _stop_postgres(supervisor.home)
    if left or stopped:
        say("Stopped what an earlier stack had left behind.")
    return bool(left or stopped)


def _stop(supervisor: Supervisor, say: Say) -> bool:
    """Whether there was anything to stop."""
    if not supervisor.answers():
        return _sweep(supervisor, say)
    supervisor.stop()
    _stop_postgres(supervisor.home)
    say("The stack is stopped.")
    return True


def _postgres_runs(place: Path) -> bool:
    prepared = (place / "postgres").exists() or (place / "postgres.place").exists()
    return prepared and postgres.of_home(place, 0).running()


def _stop_postgres(place: Path) -> bool:
    if not _postgres_runs(place):
        return False
    postgres.of_home(place, 0).stop()
    return True


def _make_home(place: Path) -> None:
    """Closed to others, save that under root PostgreSQL's account must pass through to its own directory; so what holds documents
    is closed by itself."""
    place.mkdir(parents=True, exist_ok=True)
    names = {child.name for child in place.iterdir()}
    if not names <= OWN and not names & MARKS:  # `logs` or `run` beside other things are anybody's
        raise Misconfigured(f"AEGIS_HOME is {place}, which holds other files: name a directory that is empty or not there yet.")
    place.chmod(0o711 if postgres_place.account() else 0o700)
    for name in ("bucket", "inbox", "vectors", "dagster", "logs"):
        (place / name).mkdir(exist_ok=True)
        (place / name).chmod(0o700)


def _is_still(file: IO[str], path: Path) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    return False


@contextmanager
def _alone(place: Path, *, make: bool = False) -> Iterator[bool]:
    """Two of `up`, `down` and `clean` at the same moment act one after the other. False: there is no such home.

    `clean` deletes the lock's file too, so a lock counts only while its file is the home's.
    """
    while True:
        if make:
            _make_home(place)
        try:
            file = (place / "stack.lock").open("w")
        except FileNotFoundError:
            if make:
                continue
            yield False
            return
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if _is_still(file, place / "stack.lock"):
                yield True
                return
