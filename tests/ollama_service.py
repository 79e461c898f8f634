"""A real Ollama for tests: one that AEGIS_TEST_OLLAMA_URL names, or a binary of this machine, started on a free port.

The model is the one of llama.cpp's tests, so that nothing is pulled from a model registry. `build_ollama` compiles a binary with
Go, which takes minutes: `make test-servers ARGS=--build-ollama` asks for it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import httpx

from tests.download_cache import ServerUnavailable, cache_directory, cached
from tests.llamacpp_service import model_file
from tests.services import free_ports

MODEL = "smollm2:135m"
MODULE = "github.com/ollama/ollama@v0.9.6"  # newer ones lack llama.cpp's sources in the module
BUILT = "ollama-0.9.6"
BUILD_SECONDS = 3600.0
START_SECONDS = 120.0


def binary() -> str:
    built = cache_directory() / BUILT / "ollama"
    found = str(built) if built.exists() else shutil.which("ollama")
    if found is None:
        raise ServerUnavailable(
            "there is no `ollama` binary, and AEGIS_TEST_OLLAMA_URL is not set. With Go: make test-servers ARGS=--build-ollama"
        )
    return found


def build_ollama() -> Path:
    """Return the binary, compiled if it is not in the cache. A plain Go build has no AVX: slow, which no protocol minds."""
    go = shutil.which("go")
    if go is None:
        raise ServerUnavailable("Go is not installed, which builds it.")

    def build(directory: Path) -> None:
        environment = {**os.environ, "GOBIN": str(directory), "CGO_ENABLED": "1"}
        done = subprocess.run(
            [go, "install", MODULE], env=environment, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False
        )
        if done.returncode:
            raise ServerUnavailable(f"`go install {MODULE}` failed: {done.stderr.strip()[-500:]}")

    return cached(BUILT, build) / "ollama"


def start_ollama(home: Path, settings: Mapping[str, str] | None = None) -> tuple[subprocess.Popen[bytes], str]:
    """Return the process and its address, with MODEL in it. settings: its OLLAMA_... variables. The caller stops the process."""
    command, model = binary(), model_file()
    address = f"http://127.0.0.1:{free_ports(1)[0]}"
    home.mkdir(parents=True, exist_ok=True)
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "OLLAMA_HOST": address, "OLLAMA_MODELS": str(home / "models")}
    environment |= settings or {}
    with (home / "ollama.log").open("ab") as log:
        process = subprocess.Popen([command, "serve"], env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        _wait(process, address)
        (home / "Modelfile").write_text(f"FROM {model}\n")
        create = [command, "create", MODEL, "-f", str(home / "Modelfile")]
        subprocess.run(create, env=environment, capture_output=True, timeout=START_SECONDS, check=True)
    except BaseException:
        process.kill()
        process.wait(10)
        raise
    return process, address


def _wait(process: subprocess.Popen[bytes], address: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            httpx.get(f"{address}/api/version", timeout=5.0, trust_env=False).raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("Ollama did not start")
