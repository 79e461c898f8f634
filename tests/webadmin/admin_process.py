"""The admin as a process of its own, started by the command that the stack runs."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from aegis_assets.embedded.parts import parts
from aegis_assets.settings import ROOT, load
from tests.services import free_ports

START_SECONDS = 60.0


@dataclass(frozen=True)
class AdminProcess:
    """client: of somebody who has not logged in."""

    pid: int
    port: int
    client: httpx.Client


@contextmanager
def started(**settings: str) -> Iterator[AdminProcess]:
    """Start the admin with these settings on top of this process's environment."""
    port = free_ports(1)[0]
    settings |= {"AEGIS_ADMIN_PORT": str(port)}
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        admin = next(part for part in parts(load(), load()) if part.name == "admin")
        environment, address = dict(os.environ), load().admin_address
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
    with subprocess.Popen(
        admin.command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            deadline = time.monotonic() + START_SECONDS
            while not admin.ready():
                assert process.poll() is None, "the admin ended"
                assert time.monotonic() < deadline, "the admin does not answer"
                time.sleep(0.1)
            with httpx.Client(base_url=address, trust_env=False, timeout=30, verify=False) as client:
                yield AdminProcess(process.pid, port, client)
        finally:
            process.terminate()
