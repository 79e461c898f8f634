"""A stack's processes -> CPU seconds and peak memory by part, with those that lived only for a moment.

Read from /proc several times a second. A process that died between two readings is not lost: its parent's account of reaped
children has it. A process whose parent died first (a forkserver's steps) is reaped by nobody of ours, and is counted as last seen.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

TICK: Final = os.sysconf("SC_CLK_TCK")
YOUNG_LOOKS: Final = 4  # a process seen between fork and exec still has its parent's command line
PAGE_KB: Final = os.sysconf("SC_PAGE_SIZE") // 1024
Key = tuple[int, int]  # pid and start time: pids are reused


@dataclass(frozen=True)
class Usage:
    """seconds, cpu: by part. peak_mb: of the largest single process of the part. total_peak_mb: of all together, shared pages
    counted once per process. foreign_cpu: seconds that processes outside the stack and the doubles took of the machine meanwhile;
    a measurement in which it is large says little."""

    wall: float
    cpu: dict[str, float]
    peak_mb: dict[str, float]
    total_peak_mb: float
    foreign_cpu: float

    @property
    def cpu_total(self) -> float:
        return sum(self.cpu.values())

    def as_json(self) -> dict[str, object]:
        return {
            "wall_s": round(self.wall, 3),
            "cpu_s": {name: round(value, 3) for name, value in sorted(self.cpu.items())},
            "peak_mb": {name: round(value, 1) for name, value in sorted(self.peak_mb.items())},
            "total_peak_mb": round(self.total_peak_mb, 1),
            "foreign_cpu_s": round(self.foreign_cpu, 3),
        }


@dataclass
class _Seen:
    part: str
    parent: int
    own: float = 0.0
    reaped: float = 0.0
    rss_mb: float = 0.0
    peak_mb: float = 0.0
    alive: bool = True
    looks: int = 0


@dataclass
class Watch:
    """Between `start` and `stop`, all processes that carry `mark` in their environment, and their children.

    named: pid -> part of those whose part is known (supervisord's programs, doubles). Others belong to the nearest known ancestor,
    save those of Dagster's runs ('runs').
    """

    mark: tuple[str, str]
    named: Mapping[int, str]
    every: float = 0.25
    _seen: dict[Key, _Seen] = field(default_factory=dict)
    _strangers: set[int] = field(default_factory=set)
    _base: dict[Key, tuple[float, float]] = field(default_factory=dict)

    def start(self) -> Watch:
        self._end = threading.Event()
        self._began, self._machine = time.monotonic(), _machine_cpu()
        self._total_peak = 0.0
        self._look()
        self._base = {key: (one.own, one.reaped) for key, one in self._seen.items()}
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> Usage:
        self._end.set()
        self._thread.join()
        self._look()
        wall, machine = time.monotonic() - self._began, _machine_cpu() - self._machine
        cpu = self._cpu()
        peak: dict[str, float] = {}
        for one in self._seen.values():
            peak[one.part] = max(peak.get(one.part, 0.0), one.peak_mb)
        return Usage(wall, cpu, peak, self._total_peak, max(0.0, machine - sum(cpu.values())))

    def _run(self) -> None:
        while not self._end.wait(self.every):
            self._look()

    def _look(self) -> None:
        for one in self._seen.values():
            one.alive = False
        by_pid: dict[int, _Seen] = {}
        fresh: list[tuple[Key, int, float, float]] = []
        running = {int(name) for name in os.listdir("/proc") if name.isdigit()}
        self._strangers &= running
        for pid in running - self._strangers:
            if (stat := _stat(pid)) is None:
                continue
            key, parent, own, reaped = stat
            if (known := self._seen.get(key)) is not None:
                known.own, known.reaped, known.alive = own, reaped, True
                known.rss_mb, known.peak_mb = _memory(key[0], known)
                known.looks += 1
                if known.looks <= YOUNG_LOOKS and key[0] not in self.named:
                    known.part = _kind(_read(key[0], "cmdline"), known.part)
                by_pid[key[0]] = known
            else:
                fresh.append((key, parent, own, reaped))
        for key, parent, own, reaped in sorted(fresh, key=lambda one: one[0][1]):  # parents before their children
            part = self._part(key[0], by_pid.get(parent))
            if part is None:
                self._strangers.add(key[0])
                continue
            one = self._seen[key] = _Seen(part, parent, own, reaped)
            one.rss_mb, one.peak_mb = _memory(key[0], one)
            by_pid[key[0]] = one
        self._total_peak = max(self._total_peak, sum(one.rss_mb for one in by_pid.values()))

    def _part(self, pid: int, parent: _Seen | None) -> str | None:
        if (name := self.named.get(pid)) is not None:
            return name
        if parent is None and f"{self.mark[0]}={self.mark[1]}".encode() not in _read(pid, "environ").split(b"\0"):
            return None
        return _kind(_read(pid, "cmdline"), parent.part if parent is not None else "other")

    def _cpu(self) -> dict[str, float]:
        """Own time of all that were seen, and of each parent's reaped children what was not seen of them."""
        cpu: dict[str, float] = {}
        dead: dict[int, float] = {}
        for key, one in self._seen.items():
            base = self._base.get(key, (0.0, 0.0))
            cpu[one.part] = cpu.get(one.part, 0.0) + one.own - base[0]
            if not one.alive:
                dead[one.parent] = dead.get(one.parent, 0.0) + one.own - base[0] + one.reaped - base[1]
        for key, one in self._seen.items():
            reaped = one.reaped - self._base.get(key, (0.0, 0.0))[1]
            part = "runs" if one.part == "code" else one.part  # what the code server forks and reaps are run workers
            cpu[part] = cpu.get(part, 0.0) + max(0.0, reaped - dead.get(key[0], 0.0))
        return cpu


def _kind(command: bytes, parent: str) -> str:
    """Run workers are forked from a process that the daemon keeps; where they are spawned, the code server or a worker does it.
    The engine server forks its parsers in the same way, and they are its own."""
    spawned = parent == "code" and b"spawn_main" in command
    if parent != "engine" and (spawned or any(word in command for word in (b"forkserver", b"execute_run", b"execute_step"))):
        return "runs"
    return parent


def _stat(pid: int) -> tuple[Key, int, float, float] | None:
    content = _read(pid, "stat")
    if not content:
        return None
    fields = content[content.rindex(b")") + 2 :].split()
    own, reaped = int(fields[11]) + int(fields[12]), int(fields[13]) + int(fields[14])
    return (pid, int(fields[19])), int(fields[1]), own / TICK, reaped / TICK


def _memory(pid: int, before: _Seen) -> tuple[float, float]:
    """Resident megabytes now, and the most that were seen: the kernel's own peak would hold what a fork had from its parent."""
    fields = _read(pid, "statm").split()
    rss = int(fields[1]) * PAGE_KB / 1024 if len(fields) > 1 else 0.0
    return rss, max(before.peak_mb, rss)


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def _machine_cpu() -> float:
    """Seconds that all cores have worked."""
    words = Path("/proc/stat").read_text().splitlines()[0].split()[1:8]
    user, nice, system, _idle, _wait, irq, soft = map(int, words)
    return (user + nice + system + irq + soft) / TICK
