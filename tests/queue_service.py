"""Debian's Redis and workers of ours as processes of a test or a benchmark, each worker in a process group that can be killed."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import redis

from aegis_assets.settings import ROOT
from aegis_assets.stores.broker import Broker
from tests.services import free_ports

REDIS = shutil.which("redis-server")
ALL = "run=1,docling=1,enrich=1,gpu=1,ollama=1"
READY_SECONDS = 90.0
PASSWORD = secrets.token_hex(16)


@contextmanager
def broker(directory: Path, port: int = 0) -> Iterator[str]:
    """Its address, password included; which came to it by its standard input."""
    assert REDIS, "Debian's redis-server is needed: apt-get install redis-server"
    port = port or free_ports(1)[0]
    server = subprocess.Popen([REDIS, "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd=directory, text=True)
    assert server.stdin is not None
    server.stdin.write(f'port {port}\nbind 127.0.0.1\nrequirepass {PASSWORD}\nsave ""\n')
    server.stdin.close()
    try:
        url = f"redis://:{PASSWORD}@127.0.0.1:{port}/0"
        deadline = time.monotonic() + 60
        while True:
            try:
                redis.Redis.from_url(url).ping()
                break
            except redis.ConnectionError:
                if server.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
        yield url
    finally:
        server.terminate()
        server.wait(10)


@dataclass(frozen=True)
class Worker:
    """What a machine of workers is to the others: it answers, or it is gone from one moment to the next."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def group(self) -> int:
        return self.process.pid

    def kill(self) -> None:
        """All of its processes at once, with no chance to say anything."""
        with suppress(ProcessLookupError):
            os.killpg(self.group, signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()


@contextmanager
def workers(count: int, directory: Path, url: str, environment: Mapping[str, str], queues: str = ALL) -> Iterator[list[Worker]]:
    """Started together, and ready. environment: what names the stores and the broker."""
    found = [start_worker(directory / f"worker-{number}.log", environment, queues) for number in range(count)]
    try:
        wait_for(found, url)
        yield found
    finally:
        for worker in found:
            worker.stop()


def start_worker(log: Path, environment: Mapping[str, str], queues: str = ALL) -> Worker:
    with log.open("ab") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "aegis_assets.embedded.worker", queues],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    return Worker(process, log)


def wait_for(found: list[Worker], url: str) -> None:
    """Until each takes from all of its queues; or why not."""
    deadline = time.monotonic() + READY_SECONDS
    while True:
        served = Broker(url).queues()
        if served and all(len(names) == len(found) for names in served.values()):
            return
        for worker in found:
            if worker.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"a worker is not ready ({served}): {worker.log.read_text()[-2000:]}")
