"""Functions called in a child process that cannot hang, eat the machine or take the server down.

Children are forked from a template process that has imported the heavy modules and has never started a thread (multiprocessing's
fork server), so a child costs milliseconds and not the seconds of importing docling. Limits are watched from outside: a parser
inside a C loop runs no Python that could look at a clock, and RLIMIT_AS cannot tell torch's reservations from memory that is used.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import connection, forkserver, get_context
from pathlib import Path
from threading import Event, Lock
from typing import Any, Final

from aegis_assets.engines.family import family, tree_mb
from aegis_assets.engines.sandbox_files import dump_error, load_error, read_answer, read_request, write_answer, write_request
from aegis_assets.errors import AegisError, EngineFailed, LimitExceeded, public
from aegis_assets.logs import configure, logger
from aegis_assets.outages import STANDSTILL_SECONDS

WATCH_SECONDS: Final = 0.15
FILE_MB: Final = 2048  # a child that writes for ever meets this before the disk is full
MB: Final = 2**20
PR_SET_PDEATHSIG: Final = 1
OWN: Final = (__name__, "multiprocessing.popen_forkserver")  # what every child needs first; importing it took a child 15 ms of CPU

Json = dict[str, Any]


@dataclass(frozen=True)
class Limits:
    """The limits of one call. The settings' names are part of the sentence that a person reads."""

    seconds: float
    memory_mb: int
    seconds_setting: str = "AEGIS_PARSE_TIMEOUT"
    memory_setting: str = "AEGIS_PARSE_MEMORY_MB"


@dataclass(frozen=True)
class Outcome:
    """The result of a call. peak_mb: the most that the child and its descendants held at once, as seen every WATCH_SECONDS."""

    result: Json
    seconds: float
    peak_mb: float


class Cancelled(Exception):
    """The caller does not want the result any more. The child is gone."""


class Sandbox:
    """One template process, any number of children. Thread-safe."""

    def __init__(self, preload: Sequence[str] = ()) -> None:
        """Name the modules that the template imports. They must not start threads."""
        self._context = get_context("forkserver")
        self._context.set_forkserver_preload([*preload, *OWN, "aegis_assets.engines.frozen"])
        self._lock = Lock()

    def start(self) -> None:
        """Let the template import, in the background."""
        with self._lock:
            forkserver.ensure_running()

    def child(self) -> Child:
        """Return a new child that takes any number of calls, one after another."""
        return Child(self)

    def run(self, job: str, payload: Mapping[str, object], folder: Path, limits: Limits, subject: str, cancelled: Event) -> Outcome:
        """Make one call in a child of its own."""
        with self.child() as child:
            return child.call(job, payload, folder, limits, subject, cancelled)

    def launch(self, target: Callable[[connection.Connection], None]) -> tuple[Any, connection.Connection]:
        """Start a process that runs target with its end of a pipe, and return both."""
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=target, args=(theirs,), daemon=True)
        with self._lock:
            process.start()
        theirs.close()
        return process, ours

    def exit_code(self, process: Any) -> int:
        """Return how a process ended. Under the lock: starting one polls all others, and two readers of one exit code lose it."""
        with self._lock:
            process.join(5)
            return process.exitcode if process.exitcode is not None else -signal.SIGKILL


class Child:
    """A child process and its pipe. observe: called every WATCH_SECONDS while it works."""

    observe: Callable[[], None] | None = None

    def __init__(self, sandbox: Sandbox) -> None:
        self.calls = 0
        self._sandbox = sandbox
        self._process, self._pipe = sandbox.launch(serve)
        self._born_mb = tree_mb(self.pid)

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        return int(self._process.pid)

    @property
    def closed(self) -> bool:
        """Return whether it was killed from here: nobody may ask more of it, its pid may be another's."""
        return self._pipe.closed

    def grown_mb(self) -> float:
        """Return by how much the memory of it and all it started has grown since it was forked."""
        return tree_mb(self.pid) - self._born_mb

    def alive(self) -> bool:
        return not connection.wait([self._process.sentinel], timeout=0)

    def call(
        self, job: str, payload: Mapping[str, object], folder: Path, limits: Limits, subject: str, cancelled: Event
    ) -> Outcome:
        """Run `job` ('package.module:function', dict -> dict). folder: for the call's own files.

        subject begins the sentence of a failure. Raise what the job raises, LimitExceeded, EngineFailed when the child dies, and
        Cancelled. The child is dead after anything but a result or an error of the job.
        """
        self.calls += 1
        write_request(folder, job, payload)
        started = time.monotonic()
        try:
            self._pipe.send_bytes(os.fsencode(folder))
            peak = self._watch(limits, subject, cancelled)
            answer = read_answer(folder, subject)
        except (BrokenPipeError, ConnectionResetError):
            raise self._explain_death(subject) from None
        except BaseException:
            self.kill()
            raise
        if "error" in answer:
            raise load_error(answer["error"])
        return Outcome(answer["result"], time.monotonic() - started, peak)

    def _watch(self, limits: Limits, subject: str, cancelled: Event) -> float:
        """Wait until the child has answered, and return its peak.

        Time in which this process stood still is no time of the child's: it stood still too, or is done.
        """
        peak, taken, looked = 0.0, 0.0, time.monotonic()
        while True:
            ready = connection.wait([self._pipe, self._process.sentinel], timeout=WATCH_SECONDS)
            if self.observe is not None:
                self.observe()
            used = tree_mb(self.pid)
            peak = max(peak, used)
            if self._pipe in ready and os.read(self._pipe.fileno(), 1):
                return peak
            if ready:
                raise self._explain_death(subject)
            if cancelled.is_set():
                raise Cancelled
            taken += min(time.monotonic() - looked, STANDSTILL_SECONDS)
            looked = time.monotonic()
            if taken > limits.seconds:
                raise LimitExceeded(f"{subject} took longer than {limits.seconds:g} s and was stopped ({limits.seconds_setting}).")
            if used > limits.memory_mb:
                raise LimitExceeded(f"{subject} needed more than {limits.memory_mb} MB and was stopped ({limits.memory_setting}).")

    def _explain_death(self, subject: str) -> AegisError:
        """Return the error that tells why a child ended without an answer."""
        code = self._sandbox.exit_code(self._process)
        self.kill()
        if code == -signal.SIGKILL:
            return LimitExceeded(f"{subject} was killed by the system, most likely because memory ran out.", retryable=True)
        if code == -signal.SIGXFSZ:
            return LimitExceeded(f"{subject} wrote more than {FILE_MB} MB into one file and was stopped.")
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return EngineFailed(f"{subject} made the parser crash ({name}).", retryable=False)

    def kill(self) -> None:
        """Kill the child and all it started."""
        if not self._pipe.closed:
            members = family(self.pid) if self.alive() else []
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)  # also what a child that crashed has left
            for member in members:
                with suppress(ProcessLookupError):
                    os.kill(member, signal.SIGKILL)
            self._pipe.close()
            self._sandbox.exit_code(self._process)


def die_with_parent() -> None:
    """SIGKILL this process when its parent ends, however it ends."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() == 1:  # it ended before the line above
        os._exit(1)


# In the child


def serve(pipe: connection.Connection) -> None:
    """Take calls until the pipe closes. One byte says that answer.json is complete."""
    os.setpgid(0, 0)
    die_with_parent()
    # The template ends when nobody holds the other end of this pipe, and hands it to each child, which may hang: then neither would
    # end with the server. No public name leads to it.
    os.close(forkserver._forkserver._forkserver_alive_fd)  # type: ignore[attr-defined]
    _confine()
    configure()
    while True:
        try:
            folder = Path(os.fsdecode(pipe.recv_bytes(4096)))
        except (EOFError, OSError):
            os._exit(0)
        write_answer(folder, _perform(folder))
        os.write(pipe.fileno(), b"1")


def _confine() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_MB * MB, FILE_MB * MB))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")  # should memory run out, this process goes first
    os.nice(5)
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # C libraries print document text


def _perform(folder: Path) -> Json:
    job, payload = read_request(folder)
    # Whoever owns the folder deletes it, also when this child is killed in the middle.
    tempfile.tempdir = os.environ["TMPDIR"] = str(folder)
    module, _, name = job.partition(":")
    try:
        return {"result": getattr(importlib.import_module(module), name)(payload)}
    except Exception as error:  # noqa: BLE001  the border of the child: every error becomes a sentence
        if not isinstance(error, AegisError):
            logger(__name__).error("child_failed", job=job, error=type(error).__name__, frames=frames(error))
        return {"error": dump_error(public(error))}


def frames(error: BaseException) -> list[str]:
    """Return where an error happened, for the log. Not its message: it may hold document text."""
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)][-12:]
