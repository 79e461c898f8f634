"""What the tests of language models rely on in llama.cpp's server: OpenAI's protocol, schemas, slots and cancelling."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import openai

from tests.llamacpp_service import CONTEXT, MODEL
from tests.waiting import until

LONG = "Count from one to a thousand in words."


def client(address: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0, timeout=120)


def busy_slots(address: str) -> list[dict[str, Any]]:
    slots: list[dict[str, Any]] = httpx.get(f"{address}/slots", trust_env=False, timeout=30).json()
    return [slot for slot in slots if slot["is_processing"]]


def test_an_answer_follows_the_schema_and_comes_in_pieces(llamacpp_server: str) -> None:
    schema = {
        "type": "object",
        "properties": {"colours": {"type": "array", "minItems": 2, "maxItems": 2, "items": {"enum": ["red", "blue"]}}},
        "required": ["colours"],
        "additionalProperties": False,
    }
    pieces = [
        chunk.choices[0].delta.content or ""
        for chunk in client(llamacpp_server).chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": "Two colours."}],
            response_format={"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}},
            max_tokens=100,
            temperature=0,
            stream=True,
        )
        if chunk.choices
    ]
    assert len(pieces) > 5
    assert len(json.loads("".join(pieces))["colours"]) == 2


def test_one_slot_serves_one_answer_at_a_time_and_a_closed_stream_frees_it(llamacpp_server: str) -> None:
    until(lambda: not busy_slots(llamacpp_server))
    stream = client(llamacpp_server).chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": LONG}],
        max_tokens=CONTEXT // 2,
        stream=True,
        extra_body={"ignore_eos": True},
    )
    next(iter(stream))
    assert len(busy_slots(llamacpp_server)) == 1
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(
            client(llamacpp_server).chat.completions.create,
            model=MODEL,
            messages=[{"role": "user", "content": "Hello."}],
            max_tokens=3,
        )
        assert len(busy_slots(llamacpp_server)) == 1
        stream.close()
        assert waiting.result(timeout=60).usage is not None
    until(lambda: not busy_slots(llamacpp_server), 30)


def test_texts_are_embedded_with_one_size(llamacpp_server: str) -> None:
    answer = client(llamacpp_server).embeddings.create(
        model=MODEL, input=["a text", "another, longer text"], encoding_format="float"
    )
    assert [len(item.embedding) for item in answer.data] == [576, 576]


def test_what_it_has_and_what_a_slot_can_take_is_said(llamacpp_server: str) -> None:
    (model,) = client(llamacpp_server).models.list().data
    assert model.id == MODEL
    assert (
        httpx.get(f"{llamacpp_server}/props", trust_env=False, timeout=30).json()["default_generation_settings"]["n_ctx"] == CONTEXT
    )
