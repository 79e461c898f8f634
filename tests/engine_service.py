"""Starts the real engine server for a test, on a free port, and waits until it is ready or says why not."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[1]
READY_SECONDS = 240.0  # eight on an idle machine; tests may run beside much else


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def start_engine_server(
    home: Path, env: Mapping[str, str] | None = None, *, wait: bool = True
) -> tuple[subprocess.Popen[bytes], str, str]:
    """The process, its address and its token. env: settings on top of this process's environment. The log is <home>/engine.log.

    Whoever calls ends the process: terminate() takes all of its children along.
    """
    env = {"AEGIS_ENGINE_TOKEN": secrets.token_hex(16), **(env or {})}
    port = int(env.get("AEGIS_ENGINE_PORT", "0")) or free_port()
    home.mkdir(parents=True, exist_ok=True)
    with (home / "engine.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "aegis_assets.engines.server"],
            cwd=ROOT,
            env={**os.environ, "AEGIS_HOME": str(home), **env, "AEGIS_ENGINE_PORT": str(port)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    address = f"http://127.0.0.1:{port}"
    if wait:
        try:
            wait_until_ready(process, address, home / "engine.log")
        except BaseException:
            process.kill()
            process.wait()
            raise
    return process, address, env["AEGIS_ENGINE_TOKEN"]


def wait_until_ready(process: subprocess.Popen[bytes], address: str, log: Path, seconds: float = READY_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    health = "no answer"
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AssertionError(f"The engine server ended with {process.returncode}:\n{log.read_text()[-4000:]}")
        try:
            response = httpx.get(f"{address}/health", timeout=5.0, trust_env=False)
            if response.status_code == httpx.codes.OK:
                return
            health = response.text
        except httpx.HTTPError as error:
            health = type(error).__name__
        time.sleep(0.2)
    raise AssertionError(f"The engine server is not ready after {seconds:.0f} s ({health}):\n{log.read_text()[-4000:]}")


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
