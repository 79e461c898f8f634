"""A real ArcadeDB for tests: the product's own command line, on free ports, in the caller's directory."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from aegis_assets.embedded import arcadedb
from tests.services import free_ports


def start_arcadedb(
    home: Path, ports: tuple[int, int] | None = None, heap_mb: int = arcadedb.HEAP_MB
) -> tuple[subprocess.Popen[bytes], str, str]:
    """Process, Bolt address and password of `root`. ports: Bolt and HTTP, free ones by default. The caller stops the process."""
    bolt, http = ports or free_ports(2)
    command = arcadedb.command(home, bolt, http, heap_mb)
    secret = arcadedb.password(home)
    with (home / "server.out").open("ab") as log:
        process = subprocess.Popen(command, cwd=home, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not arcadedb.ready(bolt, secret):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise RuntimeError((home / "server.out").read_text(errors="replace")[-2000:])
        time.sleep(0.1)
    return process, f"bolt://127.0.0.1:{bolt}", secret


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)
