"""AEGIS_HOME -> its supervisord: started, asked over its Unix socket, stopped, and whatever it left behind swept up.

What belongs to a stack is known by AEGIS_STACK_HOME in a process's environment, which children inherit: a supervisord that was
killed leaves parts and Dagster's run workers behind, in sessions of their own, that no process tree connects any more.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
import xmlrpc.client
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil
from supervisor.xmlrpc import Faults

from aegis_assets.embedded import supervisor_conf
from aegis_assets.embedded.parts import Part
from aegis_assets.errors import Internal, Misconfigured

MARK: Final = "AEGIS_STACK_HOME"
# The system's limit is 107: supervisord binds a temporary name longer by its pid, multiprocessing one below `temporary`.
LONGEST_SOCKET: Final = 85
SECONDS: Final = 15.0
KERNEL: Final = 2  # kthreadd, the parent of the kernel's threads
ENDED: Final = re.compile(r" exited: (?P<part>\S+) \((?P<how>[^;)]+)")


@dataclass(frozen=True)
class Running:
    """state: supervisord's word. since: seconds, 0 unless it runs. said: why the command could not be run at all.

    ends: how often it has ended by itself since the stack was started, how it last did, and how many seconds ago.
    """

    name: str
    state: str
    pid: int
    since: float
    said: str
    ends: int = 0
    ended: str = ""
    ago: float = 0.0


def unrunnable(row: dict[str, Any]) -> str:
    """Why the command could not be run at all. supervisord says in the same place of one that ran that it ended early."""
    said = str(row["spawnerr"])
    return "" if said.startswith("Exited too quickly") else said


@dataclass(frozen=True)
class Supervisor:
    home: Path

    @property
    def run(self) -> Path:
        return self.home / "run"

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def socket(self) -> Path:
        """In the home, or in a directory of ours with a short name where the home's is too long for a Unix socket."""
        path = self.run / "supervisor.sock"
        if len(os.fsencode(path)) <= LONGEST_SOCKET:
            return path
        name = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:12]
        return Path(f"/tmp/aegis-{os.geteuid()}-{name}") / "supervisor.sock"

    @property
    def temporary(self) -> Path:
        """The parts' TMPDIR: a part that is killed leaves files, which go when the stack is stopped."""
        return self.socket.parent / "tmp"

    @property
    def configuration(self) -> Path:
        return self.run / "supervisord.conf"

    def answers(self) -> bool:
        with suppress(OSError, xmlrpc.client.Error, http.client.HTTPException):
            self._call("getState")
            return True
        return False

    def start(self, parts: Iterable[Part], environment: dict[str, str]) -> None:
        """In the background, until it answers; the parts are launched one by one. environment: theirs, on top of this process's."""
        for directory in (self.run, self.logs, self.socket.parent):
            directory.mkdir(mode=0o700, exist_ok=True)
        if not self._private():
            raise Misconfigured(f"{self.socket.parent} is not a directory of this account alone; remove it, or move AEGIS_HOME.")
        self.temporary.mkdir(mode=0o700, exist_ok=True)
        self.configuration.touch(mode=0o600)
        relative = (self.run.relative_to(self.home), self.logs.relative_to(self.home))
        self.configuration.write_text(supervisor_conf.configuration(parts, *relative, self.socket))
        command = [sys.executable, "-m", "supervisor.supervisord", "--nodaemon", "--configuration", str(self.configuration)]
        early = self.logs / "supervisord.early.log"  # what it says before its own log is open
        with early.open("w") as log:
            variables = inherited(environment | {MARK: str(self.home), "TMPDIR": str(self.temporary)})
            process = subprocess.Popen(
                command, cwd=self.home, env=variables, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + 60
        while not self.answers():
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                raise Internal(f"supervisord did not start: {early.read_text(errors='replace').strip()[-400:]}")
            time.sleep(0.05)

    def _private(self) -> bool:
        """Whether the socket's directory is of this account alone: below /tmp somebody else may have made it, or a link."""
        try:
            mode = self.socket.parent.lstat()
        except FileNotFoundError:
            return False
        return stat.S_ISDIR(mode.st_mode) and mode.st_uid == os.geteuid() and not mode.st_mode & 0o077

    def programs(self) -> tuple[Running, ...]:
        """In the order of starting."""
        priority = {row["name"]: row["group_prio"] for row in self._call("getAllConfigInfo")}
        found = sorted(self._call("getAllProcessInfo"), key=lambda row: priority[row["name"]])
        ends = self._ends()
        return tuple(
            Running(
                row["name"],
                row["statename"],
                row["pid"],
                max(0, row["now"] - row["start"]) if row["pid"] else 0,
                unrunnable(row),
                len(ends[row["name"]]),
                ends[row["name"]][-1] if ends[row["name"]] else "",
                max(0, row["now"] - row["stop"]) if row["stop"] else 0,
            )
            for row in found
        )

    def _ends(self) -> dict[str, list[str]]:
        """By part, how it ended each time since supervisord was started; supervisord itself only remembers that it runs again."""
        found: dict[str, list[str]] = defaultdict(list)
        with suppress(FileNotFoundError):
            for line in (self.logs / "supervisord.log").read_text(errors="replace").splitlines():
                if "supervisord started with pid" in line:
                    found.clear()
                elif match := ENDED.search(line):
                    found[match["part"]].append(match["how"])
        return found

    def launch(self, name: str) -> None:
        """Start a part without waiting for it; one that starts or runs already is left alone, and so is one that has ended again
        before supervisord answers: its state tells of it. Raises Internal."""
        try:
            self._call("startProcess", name, False)
        except xmlrpc.client.Fault as fault:
            ran = fault.faultCode == Faults.SPAWN_ERROR and not unrunnable(self._call("getProcessInfo", name))
            if fault.faultCode != Faults.ALREADY_STARTED and not ran:
                raise Internal(f"{name} cannot be started ({fault.faultString}): install anew, or see {self.logs}.") from fault

    def stop(self, time_out: float = 120.0) -> None:
        """All parts in the reverse order of starting, then itself, then whatever is left."""
        daemon = self._pid()
        with suppress(OSError, xmlrpc.client.Error, http.client.HTTPException):
            self._call("shutdown")
            deadline = time.monotonic() + time_out
            while daemon and psutil.pid_exists(daemon) and not _zombie(daemon) and time.monotonic() < deadline:
                time.sleep(0.1)
        self.sweep()

    def sweep(self) -> int:
        """End every process of this home's stack and remove what supervisord left; returns how many there were."""
        left = self._marked()
        for word, seconds in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0)):
            for process in left:
                with suppress(psutil.Error):
                    process.send_signal(word)
            left_now = psutil.wait_procs([process for process in left if not _zombie(process.pid)], timeout=seconds)[1]
            if not left_now:
                break
        if self._private():
            shutil.rmtree(self.temporary, ignore_errors=True)
            self.socket.unlink(missing_ok=True)
        for path in (self.run / "supervisord.pid", self.configuration):
            path.unlink(missing_ok=True)
        for directory in {self.run, self.socket.parent}:
            with suppress(OSError):
                directory.rmdir()
        return len(left)

    def left(self) -> int:
        """How many processes of this home's stack there are, with supervisord or without."""
        return len(self._marked())

    def _marked(self) -> list[psutil.Process]:
        """Without this process and those that started it."""
        own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if process.pid not in own and _environment(process).get(MARK) == str(self.home):
                    found.append(process)
        return found

    def _pid(self) -> int | None:
        with suppress(OSError, ValueError):
            return int((self.run / "supervisord.pid").read_text())
        return None

    def _call(self, method: str, *arguments: object) -> Any:
        with xmlrpc.client.ServerProxy("http://localhost", transport=_UnixTransport(self.socket)) as server:
            return getattr(server.supervisor, method)(*arguments)


class _UnixTransport(xmlrpc.client.Transport):
    """supervisor's own has no time-out."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        return _UnixConnection(self._path)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(SECONDS)
        self.sock.connect(str(self._path))


def inherited(environment: dict[str, str]) -> dict[str, str]:
    """For a child: this process's environment, passed on unread, with these on top."""
    return {**os.environ, **environment}


def _environment(process: psutil.Process) -> dict[str, str]:
    """For an instant of its execve a process shows neither environment nor command. Raises psutil.Error.

    A thread of the kernel never has either; PostgreSQL's processes write their titles over the environment.
    """
    deadline = time.monotonic() + 1.0
    while not (found := process.environ()) and not process.cmdline():
        if process.ppid() in (0, KERNEL) or _zombie(process.pid) or time.monotonic() > deadline:
            break
        time.sleep(0.01)
    return found


def _zombie(pid: int) -> bool:
    """Ended, but not yet reaped by whoever started it."""
    with suppress(psutil.Error):
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    return True
