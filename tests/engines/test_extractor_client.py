"""Texts for spaCy that wait together go together; each caller gets its own answer or its own error."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from aegis_assets.engines.client import EngineClient
from aegis_assets.engines.extractor_client import MOST, ExtractorClient
from aegis_assets.engines.service.wire import ExtractAnswer, encode_error
from aegis_assets.errors import EngineFailed, EngineUnavailable
from aegis_assets.model.extraction import Extraction, Schema
from tests.engines.scripted_server import Scripted
from tests.engines.test_client import server  # noqa: F401  a fixture

Results = list[Extraction | BaseException]


def named(body: dict[str, Any]) -> tuple[int, object]:
    """Each text is the name of its only entity; with 'bad' among them the model breaks."""
    if "bad" in body["texts"]:
        status, fields = encode_error(EngineFailed("The model stopped."))
        return status, fields
    found = [{"mentions": [{"name": text, "type": "Thing", "start": 0, "end": len(text)}]} for text in body["texts"]]
    return 200, {"fingerprint": "f", "extractions": found}


async def all_of(client: ExtractorClient, texts: list[str]) -> Results:
    return await asyncio.gather(*(client.extract(text, Schema()) for text in texts), return_exceptions=True)


def names(results: Results) -> list[str]:
    return [one.mentions[0].name if isinstance(one, Extraction) else type(one).__name__ for one in results]


def test_texts_that_wait_together_share_requests(server: Scripted) -> None:  # noqa: F811
    server.script = [named]
    texts = [f"text {number}" for number in range(5 * MOST)]
    assert names(asyncio.run(all_of(ExtractorClient(EngineClient(server.address)), texts))) == texts
    assert [len(body["texts"]) for _, _, body in server.seen] == [MOST] * 5


def test_schemas_do_not_share_a_request(server: Scripted) -> None:  # noqa: F811
    server.script = [named]
    client, other = ExtractorClient(EngineClient(server.address)), Schema(entity_types=("Planet",))

    async def both() -> None:
        await asyncio.gather(client.extract("a", Schema()), client.extract("b", other), client.extract("c", Schema()))

    asyncio.run(both())
    assert sorted(body["texts"] for _, _, body in server.seen) == [["a", "c"], ["b"]]


def test_a_text_that_breaks_the_model_fails_alone(server: Scripted) -> None:  # noqa: F811
    server.script = [named]
    results = asyncio.run(all_of(ExtractorClient(EngineClient(server.address)), ["one", "bad", "two"]))
    assert names(results) == ["one", "EngineFailed", "two"]


def test_too_few_answers_are_nobodys(server: Scripted) -> None:  # noqa: F811
    server.script = [(200, {"fingerprint": "f", "extractions": []})]
    results = asyncio.run(all_of(ExtractorClient(EngineClient(server.address)), ["one", "two"]))
    assert names(results) == ["EngineFailed", "EngineFailed"]


def test_a_server_that_is_away_is_not_asked_for_each_text(server: Scripted) -> None:  # noqa: F811
    server.script = [encode_error(EngineUnavailable("Away.", retryable=False))]
    results = asyncio.run(all_of(ExtractorClient(EngineClient(server.address)), ["one", "two", "three"]))
    assert names(results) == ["EngineUnavailable"] * 3
    assert len(server.seen) == 1


def test_whoever_gave_up_is_not_asked_for_and_the_others_are(server: Scripted) -> None:  # noqa: F811
    server.script = [named]
    client = ExtractorClient(EngineClient(server.address))

    async def first_gives_up() -> Results:
        first, *others = [asyncio.create_task(client.extract(text, Schema())) for text in ("one", "two", "three")]
        await asyncio.sleep(0)  # all wait, nothing is sent
        first.cancel()
        return await asyncio.gather(first, *others, return_exceptions=True)

    assert names(asyncio.run(first_gives_up())) == ["CancelledError", "two", "three"]
    assert [body["texts"] for _, _, body in server.seen] == [["two", "three"]]


class Instant(EngineClient):
    """Answers in the same step of the event loop."""

    async def post(self, path: str, body: Any, answer: Any, seconds: float = 0.0) -> Any:
        return ExtractAnswer.model_validate(named(body.model_dump())[1])


def test_a_text_that_comes_as_the_last_answer_is_given_is_sent_too() -> None:
    client = ExtractorClient(Instant("http://127.0.0.1:1"))

    async def late() -> Extraction:
        await asyncio.sleep(0)
        return await client.extract("late", Schema())

    async def both() -> Results:
        early = asyncio.create_task(client.extract("early", Schema()))
        return await asyncio.wait_for(asyncio.gather(early, late()), 5)

    assert names(asyncio.run(both())) == ["early", "late"]


def test_a_loop_that_ended_in_the_middle_leaves_nothing_to_the_next(server: Scripted) -> None:  # noqa: F811
    server.script = ["hang", named]
    client = ExtractorClient(EngineClient(server.address))

    async def left() -> None:
        asyncio.create_task(client.extract("one", Schema()))  # noqa: RUF006  it is to be lost
        while not server.seen:
            await asyncio.sleep(0.01)

    asyncio.run(left())
    assert names(asyncio.run(all_of(client, ["two"]))) == ["two"]


@pytest.mark.parametrize("text", ["\ud800 lone", "plain"])
def test_what_cannot_be_written_as_json_is_sent_all_the_same(server: Scripted, text: str) -> None:  # noqa: F811
    server.script = [named]
    assert len(names(asyncio.run(all_of(ExtractorClient(EngineClient(server.address)), [text])))[0]) == len(text)
