"""The double keeps the promises that tests and benchmarks build on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import ollama
import pytest

from tests.doubles.ollama import OllamaDouble
from tests.doubles.ollama_answers import extraction, latency
from tests.doubles.ollama_slots import Slots


@pytest.fixture
def double() -> Iterator[OllamaDouble]:
    with OllamaDouble(slots=2) as double:
        yield double


def ask(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def test_a_slot_is_never_idle_while_a_request_waits() -> None:
    """Counted by hand on a clock that only the test moves: 2 slots; a works 0-10, b 0-4, c waits from 1 and works 4-9."""
    now = 0.0

    async def scenario() -> dict[str, float | int]:
        nonlocal now
        slots = Slots(2, 8, clock=lambda: now)
        a, b, c = slots.hold(), slots.hold(), slots.hold()
        await a.__aenter__()
        await b.__aenter__()
        now = 1.0
        third = asyncio.create_task(c.__aenter__())
        await asyncio.sleep(0)
        now = 4.0
        await b.__aexit__(None, None, None)
        await third
        now = 9.0
        await c.__aexit__(None, None, None)
        now = 10.0
        await a.__aexit__(None, None, None)
        now = 50.0
        return slots.account()

    account = asyncio.run(scenario())
    assert account["busy_slot_seconds"] == 19.0
    assert account["idle_slot_seconds"] == 1.0, "slot two from 9 to 10, and nothing after the last end"
    assert account["queue_seconds"] == 3.0
    assert (account["span_seconds"], account["max_concurrency"], account["max_waiting"]) == (10.0, 2, 1)


def test_a_waiting_request_that_is_cancelled_takes_no_slot() -> None:
    async def scenario() -> tuple[int, int]:
        slots = Slots(1, 8)
        async with slots.hold():
            waiter = asyncio.create_task(slots.hold().__aenter__())
            await asyncio.sleep(0)
            waiter.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await waiter
        async with slots.hold():
            return slots.busy, int(slots.account()["waiting"])

    assert asyncio.run(scenario()) == (1, 0)


def test_requests_beyond_the_queue_are_refused(double: OllamaDouble) -> None:
    double.configure(slots=1, max_queue=1)
    double.fault("slow", seconds=0.5)

    async def flood() -> list[object]:
        client = ollama.AsyncClient(double.url)
        return await asyncio.gather(*(client.chat("m", ask(f"T{n}")) for n in range(5)), return_exceptions=True)

    answers = asyncio.run(flood())
    refused = [answer for answer in answers if isinstance(answer, ollama.ResponseError) and answer.status_code == 503]
    assert len(refused) == 3
    assert double.stats()["refused_503"] == 3


def test_a_long_prompt_is_cut_in_silence_unless_truncate_is_false(double: OllamaDouble) -> None:
    body = {"model": "m", "messages": ask("Word " * 500), "stream": False, "options": {"num_ctx": 100}}
    cut = httpx.post(f"{double.url}/api/chat", json=body)
    assert (cut.status_code, cut.json()["prompt_eval_count"]) == (200, 100)
    refused = httpx.post(f"{double.url}/api/chat", json={**body, "truncate": False})
    assert (refused.status_code, "context length" in refused.json()["error"]) == (400, True)
    assert double.stats()["cut_prompts"] == 1


def test_another_context_size_reloads_the_model(double: OllamaDouble) -> None:
    client = ollama.Client(double.url)
    for size in (1024, 1024, 2048, 1024):
        client.chat("m", ask("Hello"), options={"num_ctx": size})
    assert double.stats()["loads"] == 3
    assert client.ps().models[0].context_length == 1024


def test_streamed_and_whole_answers_say_the_same(double: OllamaDouble) -> None:
    client = ollama.Client(double.url)
    schema = {"properties": {"entities": {}, "relations": {}}}
    whole = client.chat("m", ask("Neo4j stores Graphs for Ada Lovelace."), format=schema)
    parts = list(client.chat("m", ask("Neo4j stores Graphs for Ada Lovelace."), format=schema, stream=True))
    assert "".join(part.message.content or "" for part in parts) == whole.message.content
    assert parts[-1].done
    assert parts[-1].eval_count == whole.eval_count


def test_a_closed_connection_stops_the_work(double: OllamaDouble) -> None:
    double.fault("never")
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{double.url}/api/chat", json={"model": "m", "messages": ask("x"), "stream": False}, timeout=0.3)
    deadline = time.monotonic() + 60
    while double.stats()["cancelled"] == 0 and time.monotonic() < deadline:
        time.sleep(0.02)
    stats = double.stats()
    assert (stats["cancelled"], stats["in_flight"]) == (1, 0)


def test_a_fault_can_be_aimed_at_one_text_for_a_number_of_times(double: OllamaDouble) -> None:
    double.fault("500", match="poison", times=1)
    client = ollama.Client(double.url)
    client.chat("m", ask("harmless"))
    with pytest.raises(ollama.ResponseError):
        client.chat("m", ask("poison here"))
    client.chat("m", ask("poison here"))
    assert double.stats()["faulted"] == {"500": 1}


def test_latency_is_the_texts_own_and_repeats_with_the_seed() -> None:
    first = [latency("lognormal:0.5:0.6", 7, f"text {n}") for n in range(200)]
    assert first == [latency("lognormal:0.5:0.6", 7, f"text {n}") for n in range(200)]
    assert first != [latency("lognormal:0.5:0.6", 8, f"text {n}") for n in range(200)]
    assert 0.4 < sorted(first)[100] < 0.62
    assert all(0.1 <= latency("uniform:0.1:0.2", 1, str(n)) <= 0.2 for n in range(50))


def test_the_same_text_always_gives_the_same_graph() -> None:
    text = "# Storage\nThe Neo4j server stores Graphs. GPT-4 reads PDFs from Paris Labs. However, It fails."
    found = extraction(text, {})
    assert found == extraction(text, {})
    assert {entity["name"] for entity in found["entities"]} >= {"Neo4j", "Graphs", "GPT-4", "PDFs", "Paris Labs"}
    assert ("Neo4j", "SERVER_STORES", "Graphs") in {(r["source"], r["type"], r["target"]) for r in found["relations"]}


def test_it_runs_as_a_program() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tests.doubles.ollama", "--port", str(port), "--latency", "constant:0", "--model", "qwen3:32b"]
    process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                version = httpx.get(f"http://127.0.0.1:{port}/api/version").json()["version"]
                break
            except httpx.ConnectError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        assert version
        assert ollama.Client(f"http://127.0.0.1:{port}").list().models[0].model == "qwen3:32b"
        assert ollama.Client(f"http://127.0.0.1:{port}").generate("qwen3:32b", "Hello").response
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(10)


def test_a_picture_may_take_another_time_than_a_text(double: OllamaDouble) -> None:
    double.configure(latency="constant:0", vision_latency="constant:1")
    client = ollama.Client(double.url)
    started = time.monotonic()
    client.chat("m", ask("Hello"))
    text = time.monotonic() - started
    client.chat("m", [{"role": "user", "content": "What is this?", "images": ["aGVsbG8="]}])
    assert text < 1 <= time.monotonic() - started - text
