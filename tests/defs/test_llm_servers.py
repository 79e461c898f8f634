"""A document through the job with a language model behind one slot and eight requests at once: none aborted, none repeated."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from aegis_assets.model.document import State
from tests.defs.conftest import COLLECTION, Bench
from tests.doubles.ollama import OllamaDouble
from tests.doubles.openai_server import OpenAiDouble
from tests.llamacpp_service import MODEL

SCALE = 0.01  # of the measured case: answers of 60 s, 180 s for each, 60 s between tokens
BUSY = 2.0  # seconds for which other tests may hold a process up; less than the queue takes, which no limit may count
SHORT = 'Answer: {"entities": [], "relations": []}'  # or the small model runs on until its tokens are used up


def book(chapters: int) -> bytes:
    filler = "The engine turned its wheels and carried its tens. " * 12
    return "\n\n".join(f"# Chapter {n}\n\nAda Lovelace met Charles Babbage {n} times. {filler}" for n in range(chapters)).encode()


@pytest.fixture
def eight_at_once(environment: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    environment.setenv("AEGIS_OLLAMA_MAX_CONCURRENT", "8")
    environment.setenv("AEGIS_OLLAMA_LIMIT", "fixed")
    environment.setenv("AEGIS_PARALLEL_CHUNKS_PER_DOC", "8")
    return environment


@pytest.fixture(params=["ollama", "openai"])
def one_slot(request: pytest.FixtureRequest, eight_at_once: pytest.MonkeyPatch) -> Iterator[OllamaDouble | OpenAiDouble]:
    """A double at 60 s an answer, and the default limits; both scaled."""
    behaviour = {"slots": 1, "latency": f"constant:{60 * SCALE}"}
    with ExitStack() as stack:
        double: OllamaDouble | OpenAiDouble
        if request.param == "ollama":
            double = stack.enter_context(OllamaDouble(**behaviour))
            eight_at_once.setenv("AEGIS_OLLAMA_URL", double.url)
        else:
            double = stack.enter_context(OpenAiDouble(**behaviour))
            eight_at_once.setenv("AEGIS_LLM_URL", double.url)
            eight_at_once.setenv("AEGIS_LLM_MODEL", "test-model")
        eight_at_once.setenv("AEGIS_OLLAMA_TIMEOUT", str(180 * SCALE + BUSY))
        eight_at_once.setenv("AEGIS_LLM_TOKEN_GAP", str(60 * SCALE + BUSY))
        eight_at_once.setenv("AEGIS_LLM_FIRST_TOKEN_TIMEOUT", str(1800 * SCALE))
        yield double


def test_a_document_succeeds_on_one_slot(one_slot: OllamaDouble | OpenAiDouble, bench: Bench) -> None:
    document = bench.register("book.md", book(12))
    bench.materialize(document)
    result, stats = bench.result(document), one_slot.stats()
    assert result["state"] == State.SUCCEEDED, result
    assert stats["max_waiting"] == 7, "eight were sent at once, and one was worked on"
    assert (stats["received"], stats["answered"], stats["cancelled"]) == (12, 12, 0)
    assert bench.agree(document)


@pytest.fixture
def llamacpp(eight_at_once: pytest.MonkeyPatch, llamacpp_server: str) -> str:
    eight_at_once.setenv("AEGIS_LLM_URL", llamacpp_server)
    eight_at_once.setenv("AEGIS_LLM_MODEL", MODEL)
    eight_at_once.setenv("AEGIS_LLM_MAX_TOKENS", "400")
    return llamacpp_server


@pytest.mark.slow  # a minute on two cores; on the doubles the same takes seconds
def test_a_document_succeeds_on_one_slot_of_llamacpps_real_server(llamacpp: str, bench: Bench) -> None:
    with bench.platform.ledger.connection() as connection:  # type: ignore[attr-defined]
        document = bench.register("real.md", b"\n\n".join(f"# Part {n}\n\nAda met Charles {n} times.".encode() for n in range(4)))
        connection.execute("UPDATE aegis_collection SET prompt = %s WHERE name = %s", (SHORT, COLLECTION))
    bench.materialize(document)
    result = bench.result(document)
    assert result["state"] == State.SUCCEEDED, result
    assert result["work"]["llm_calls"] == result["chunks"], "one request each"  # type: ignore[index]
