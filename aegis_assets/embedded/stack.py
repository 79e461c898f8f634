"""AEGIS_HOME and the settings -> the running stack, its end, and its state.

A stack that fails to start is stopped again: half a stack holds ports and answers some questions, which is worse than none. One
that ran already is left as it is.
"""

from __future__ import annotations

import fcntl
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from aegis_assets.embedded import bootstrap, parts, ports, postgres, postgres_place, secrets_file
from aegis_assets.embedded.parts import Part
from aegis_assets.embedded.supervision import Running, Supervisor
from aegis_assets.errors import AegisError, Misconfigured
from aegis_assets.settings import Settings, home, load

Say = Callable[[str], None]
ALIVE = ("RUNNING", "STARTING")


class PartFailed(AegisError):
    kind = "part_failed"


@dataclass(frozen=True)
class Row:
    """One line of the table. state: 'running', 'starting', 'elsewhere', or supervisord's word. memory: bytes, with children."""

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
    _make_home(place)
    with _alone(place):
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
    if not place.exists():
        say("Nothing runs.")
        return
    with _alone(place):
        supervisor = Supervisor(place)
        if supervisor.answers():
            supervisor.stop()
            _stop_postgres(place)
            say("The stack is stopped.")
        elif not _sweep(supervisor, say):
            say("Nothing runs.")


def status() -> list[Row]:
    """One row per part; empty if nothing runs."""
    place = home()
    supervisor = Supervisor(place)
    if not supervisor.answers():
        return []
    now = _now(place)
    running = {one.name: one for one in supervisor.programs()}
    known = parts.parts(Settings.model_construct(), now)  # nothing set: all parts that there are
    with ThreadPoolExecutor(len(known)) as pool:
        rows = pool.map(lambda part: _row(part, running.get(part.name), supervisor), known)
    elsewhere = {"postgres": now.postgres_url.get_secret_value(), "graph": now.graph_address, "engine": now.engine_address}
    return [
        row if row.state != "elsewhere" else Row(row.name, "elsewhere", None, 0, elsewhere[row.name].rsplit("@", 1)[-1], 0)
        for row in rows
    ]


def clean(say: Say) -> None:
    """Stop the stack and delete AEGIS_HOME, and what lives outside it because root's home is closed."""
    place = home()
    down(say)
    if place.exists():
        if not (place / "stack.env").exists():
            raise Misconfigured(f"{place} does not look like an AEGIS_HOME: it holds no stack.env. Delete it by hand.")
        postgres_place.forget(place)
        shutil.rmtree(place)
        say(f"{place} is deleted.")


def _start(supervisor: Supervisor, own: Settings, say: Say) -> Settings:
    place = supervisor.home
    variables = secrets_file.write(place, own)
    now = _now(place)
    group = parts.parts(own, now)
    if found := ports.complaints(port for part in group for port in part.ports):
        raise Misconfigured("\n".join(found))
    environment = variables | {
        "DAGSTER_HOME": str(bootstrap.dagster_home(place, now.parallel_documents)),
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
    for part in (*stores, rest["admin"], rest["daemon"]):
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


def _row(part: Part, one: Running | None, supervisor: Supervisor) -> Row:
    if one is None:
        return Row(part.name, "elsewhere", None, 0, "", 0)
    if one.state in ALIVE:
        state = "running" if part.ready() else "starting"
        return Row(part.name, state, one.pid, one.since, part.address, _memory(one.pid))
    reason = one.said or postgres.last_words(supervisor.logs / f"{part.name}.log")
    return Row(part.name, one.state.lower(), None, 0, part.address, 0, reason)


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


def _stop_postgres(place: Path) -> bool:
    if not (place / "postgres").exists() and not (place / "postgres.place").exists():
        return False
    server = postgres.of_home(place, 0)
    if not server.running():
        return False
    server.stop()
    return True


def _make_home(place: Path) -> None:
    """Closed to others, save that under root PostgreSQL's account must pass through to its own directory; so what holds documents
    is closed by itself."""
    place.mkdir(parents=True, exist_ok=True)
    place.chmod(0o711 if postgres_place.account() else 0o700)
    for name in ("bucket", "inbox", "vectors", "dagster", "logs"):
        (place / name).mkdir(exist_ok=True)
        (place / name).chmod(0o700)


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """Two of `up` and `down` at the same moment act one after the other."""
    with (place / "stack.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
