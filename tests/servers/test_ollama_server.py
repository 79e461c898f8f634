"""What we rely on in Ollama, on a real one: streaming, schemas, slots, cancelling, and how it refuses. Doubles imitate this."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import ollama
import pytest

from aegis_assets.engines.chosen import extractor
from aegis_assets.engines.client import EngineClient
from aegis_assets.errors import AegisError, Misconfigured
from aegis_assets.settings import Settings
from tests import services
from tests.ollama_service import MODEL, start_ollama
from tests.server_skips import skipped_if_unavailable

pytestmark = [pytest.mark.slow, pytest.mark.ollama]
SHORT = {"num_predict": 40, "temperature": 0, "num_ctx": 1024}
SCHEMA = {
    "type": "object",
    "properties": {"colour": {"enum": ["red", "blue"]}},
    "required": ["colour"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def server(session_folder: Path, pytestconfig: pytest.Config) -> Iterator[tuple[str, str]]:
    """Address and model."""
    if url := os.environ.get("AEGIS_TEST_OLLAMA_URL"):
        yield url, os.environ.get("AEGIS_TEST_OLLAMA_MODEL", MODEL)
        return

    def start(directory: Path) -> services.Started:
        process, address = start_ollama(directory)
        return services.Started({"address": address}, (process.pid,), signal.SIGTERM)

    with skipped_if_unavailable("Ollama", pytestconfig), services.shared(session_folder, "ollama", start) as values:
        yield values["address"], MODEL


def question(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def test_an_answer_follows_the_schema_and_comes_in_pieces(server: tuple[str, str]) -> None:
    address, model = server
    client = ollama.Client(address, trust_env=False, timeout=300)
    pieces = list(client.chat(model, question("A colour, as JSON."), stream=True, format=SCHEMA, options=SHORT))
    assert len(pieces) > 2
    assert json.loads("".join(piece.message.content or "" for piece in pieces))["colour"] in ("red", "blue")
    assert pieces[-1].done
    assert pieces[-1].eval_count


def test_a_closed_stream_frees_the_slot_for_the_next_in_the_queue(server: tuple[str, str]) -> None:
    address, model = server
    client = ollama.Client(address, trust_env=False, timeout=300)
    endless = client.chat(model, question("Count to a million."), stream=True, options={**SHORT, "num_predict": 100_000})
    next(iter(endless))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.chat, model, question("Hello."), options={**SHORT, "num_predict": 2})
        endless.close()
        assert waiting.result(timeout=200).done


def test_a_prompt_longer_than_the_context_is_refused_and_not_cut(server: tuple[str, str]) -> None:
    address, model = server
    body = {
        "model": model,
        "messages": question("word " * 1200),
        "stream": False,
        "truncate": False,
        "shift": False,
        "options": SHORT,
    }
    answer = httpx.post(f"{address}/api/chat", json=body, timeout=300, trust_env=False)
    if answer.status_code == httpx.codes.OK:
        pytest.skip("this version cuts the prompt whatever is asked: the count before the request is what protects from it")
    assert answer.status_code == httpx.codes.BAD_REQUEST
    assert "context" in answer.text


def check(address: str, model: str) -> None:
    settings = Settings(extractor="ollama", ollama_url=address, ollama_model=model, ollama_num_ctx=4096)  # type: ignore[call-arg]
    asyncio.run(extractor(settings, EngineClient("http://127.0.0.1:9")).check())


def test_our_check_passes_and_names_a_missing_model(server: tuple[str, str]) -> None:
    address, model = server
    check(address, model)
    with pytest.raises(Misconfigured, match="ollama pull nothing:1b"):
        check(address, "nothing:1b")
    with pytest.raises(AegisError, match="AEGIS_OLLAMA_URL"):
        check("http://127.0.0.1:9", model)
