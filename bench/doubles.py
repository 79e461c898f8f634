"""The engines of set cost as processes of their own, so that their work is not counted as the benchmark's or the platform's."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from aegis_assets.settings import ROOT
from tests.doubles.ollama_answers import same_words
from tests.services import free_ports

SECONDS: Final = 30.0


@dataclass(frozen=True)
class Double:
    url: str
    pid: int

    def get(self, path: str) -> Any:
        return httpx.get(f"{self.url}{path}", timeout=SECONDS, trust_env=False).raise_for_status().json()

    def post(self, path: str, **values: object) -> None:
        httpx.post(f"{self.url}{path}", json=values, timeout=SECONDS, trust_env=False).raise_for_status()


@dataclass(frozen=True)
class Doubles:
    """bucket: where the stack keeps its bucket, which the engine double reads and writes as the real engine server does."""

    engine: Double
    ollama: Double
    bucket: Path

    def environment(self) -> dict[str, str]:
        """What makes a stack use them."""
        return {
            "AEGIS_BUCKET_URL": self.bucket.as_uri(),
            "AEGIS_ENGINE_URL": self.engine.url,
            "AEGIS_OLLAMA_URL": self.ollama.url,
            "AEGIS_OLLAMA_MODEL": "double",
            "AEGIS_VISION_MODEL": "double",
            "AEGIS_EXTRACTOR": "ollama",
        }

    def pids(self) -> dict[int, str]:
        return {self.engine.pid: "engine double", self.ollama.pid: "ollama double"}

    def set(self, costs: Mapping[str, float], behaviour: Mapping[str, Any]) -> None:
        """costs: of tests.doubles.engine.Costs. behaviour: of tests.doubles.ollama_model.Behaviour. Starts new accounts too."""
        self.engine.post("/control/costs", **costs)
        httpx.delete(f"{self.engine.url}/control/calls", timeout=SECONDS, trust_env=False).raise_for_status()
        self.ollama.post("/control/configure", **behaviour)
        self.ollama.post("/control/reset")

    def engine_calls(self) -> list[dict[str, Any]]:
        """call, what, and the seconds of `time.monotonic()` of arrival, start and end, in the order of arrival."""
        return [call for call in self.engine.get("/control/calls") if "ended" in call]

    def llm_calls(self) -> list[dict[str, Any]]:
        """text_hash, picture, arrived, granted, finished of every answered request."""
        return [
            {
                "text_hash": hashlib.sha256(same_words(one["text"]).encode()).hexdigest(),
                "picture": any(message.get("images") for message in one["messages"]),
                **{name: one[name] for name in ("arrived", "granted", "finished")},
            }
            for one in self.ollama.get("/control/requests")
            if one["outcome"] == "answered"
        ]


@contextmanager
def doubles() -> Iterator[Doubles]:
    """Both, at zero cost until `set`."""
    with ExitStack() as stack:
        bucket = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="aegis-bench-bucket-")))
        engine = stack.enter_context(_started("tests.doubles.engine", "/health", "--bucket", str(bucket)))
        ollama = stack.enter_context(
            _started("tests.doubles.ollama", "/api/version", "--latency", "constant:0", "--model", "double")
        )
        yield Doubles(engine, ollama, bucket)


@contextmanager
def _started(module: str, path: str, *words: str) -> Iterator[Double]:
    port = free_ports(1)[0]
    process = subprocess.Popen(
        [sys.executable, "-m", module, "--port", str(port), *words],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        double = Double(f"http://127.0.0.1:{port}", process.pid)
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                double.get(path)
                break
            except httpx.ConnectError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{module} did not start") from None
                time.sleep(0.05)
        yield double
    finally:
        process.terminate()
        process.wait(10)
