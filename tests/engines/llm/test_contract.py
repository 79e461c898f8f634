"""What a conversation promises, whichever server it is with: the doubles, and llama.cpp's real server with a small model."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Literal

import httpx
import pytest
from pydantic import BaseModel, ConfigDict

from aegis_assets.engines.llm.client import Message
from aegis_assets.engines.llm.conversation import Conversation, Tally
from aegis_assets.engines.llm.faults import CutShort, PromptTooLong
from aegis_assets.engines.llm.patience import Limits
from tests.doubles.ollama import OllamaDouble
from tests.doubles.openai_server import OpenAiDouble
from tests.engines.llm.asked import conversation, openai_conversation
from tests.engines.llm.test_waiting import Recorder
from tests.engines.test_sandbox import until
from tests.llamacpp_service import MODEL

VERDICT = {
    "type": "object",
    "properties": {"verdict": {"type": "string", "enum": ["yes", "no"]}},
    "required": ["verdict"],
    "additionalProperties": False,
}
STORY = {
    "type": "object",
    "properties": {"description": {"type": "string", "minLength": 3000}},
    "required": ["description"],
    "additionalProperties": False,
}
PATIENT = Limits(first_token=120, gap=120, answer=120)


class Verdict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    verdict: Literal["yes", "no"]


class Served:
    """A server with one slot. busy: how many requests it works on now."""

    def __init__(self, kind: str, url: str, double: OllamaDouble | OpenAiDouble | None) -> None:
        self.kind, self.url, self.double = kind, url, double

    def talk(self, **options: int) -> Conversation:
        if isinstance(self.double, OllamaDouble):
            sizes = {"num_ctx": options.get("context", 8192), "num_predict": options.get("max_tokens", 256)}
            return conversation(self.double, PATIENT, **sizes)
        model = MODEL if self.kind == "llama.cpp" else "test-model"
        return openai_conversation(self.url, PATIENT, model=model, **{"max_tokens": 256, **options})

    def busy(self) -> int:
        if self.double is not None:
            return int(self.double.stats()["in_flight"])
        slots = httpx.get(f"{self.url}/slots", trust_env=False, timeout=30).raise_for_status().json()
        return sum(slot["is_processing"] for slot in slots)


@pytest.fixture(params=["ollama", "openai", "llama.cpp"])
def served(request: pytest.FixtureRequest) -> Iterator[Served]:
    if request.param == "llama.cpp":
        yield Served(request.param, request.getfixturevalue("llamacpp_server"), None)
    elif request.param == "ollama":
        with OllamaDouble(slots=1, latency="constant:0.2") as ollama:
            yield Served(request.param, ollama.url, ollama)
    else:
        with OpenAiDouble(slots=1, latency="constant:0.2") as openai:
            yield Served(request.param, openai.url, openai)


def asked(talk: Conversation, text: str = "Is water wet?", permit: Recorder | None = None, **how: object) -> Verdict:
    return asyncio.run(ask(talk, text, permit))


async def ask(talk: Conversation, text: str, permit: Recorder | None = None, tally: Tally | None = None) -> Verdict:
    messages = [Message("system", "Answer with JSON."), Message("user", text)]
    slot = (permit or Recorder()).slot
    async with talk.client.connected() as connection:
        return await talk.insist(connection, messages, VERDICT, Verdict, tally or Tally(), slot)


def test_an_answer_has_the_schemas_shape_and_is_streamed(served: Served) -> None:
    permit = Recorder()
    assert asked(served.talk(), permit=permit).verdict in ("yes", "no")
    assert permit.told == ["first token", "finished"]


def test_the_server_is_there_and_has_the_model(served: Served) -> None:
    asyncio.run(served.talk().check())


def test_tokens_are_counted(served: Served) -> None:
    tally = Tally()
    asyncio.run(ask(served.talk(), "Is water wet?", tally=tally))
    assert tally.calls == 1
    assert tally.prompt_tokens > 5
    assert tally.completion_tokens > 1


def test_an_answer_that_hits_the_token_limit_is_known_as_cut_short(served: Served) -> None:
    with pytest.raises(CutShort):
        asked(served.talk(max_tokens=2))


def test_a_prompt_longer_than_the_context_is_not_sent(served: Served) -> None:
    permit = Recorder()
    with pytest.raises(PromptTooLong):
        asked(served.talk(context=600), "word " * 2000, permit)
    assert permit.told == []


def test_a_cancelled_request_stops_the_server(served: Served) -> None:
    if served.double is not None:
        served.double.fault("endless")

    async def cancelled() -> None:
        permit = Recorder()
        talk = served.talk(max_tokens=1500)
        messages = [Message("system", "Tell a very long story as JSON."), Message("user", "About the sea.")]
        async with talk.client.connected() as connection:
            task = asyncio.create_task(talk.insist(connection, messages, STORY, Verdict, Tally(), permit.slot))
            while "first token" not in permit.told:
                assert not task.done()
                await asyncio.sleep(0.02)
            assert served.busy() == 1
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(cancelled())
    until(lambda: served.busy() == 0)


def test_eight_at_once_with_one_slot_are_all_answered_none_aborted_none_repeated(served: Served) -> None:
    permit, tally = Recorder(), Tally()

    async def together() -> list[Verdict]:
        return await asyncio.gather(*(ask(served.talk(), f"Is {n} even?", permit, tally) for n in range(8)))

    assert len(asyncio.run(together())) == 8
    assert tally.calls == 8
    assert sorted(permit.told) == ["finished"] * 8 + ["first token"] * 8
    assert permit.most_held == 8
