"""The double answers other graph builders in their own formats, and takes as long for a passage whoever asks."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from tests.doubles.ollama import OllamaDouble
from tests.doubles.ollama_peers import asked

PASSAGE = "Ada designs Engine."
LIGHTRAG = f"---Task---\nExtract.\n\n---Input Text---\n```\n{PASSAGE}\n```\n\n---Output---\n"
GLEANING = "---Task---\nBased on the last extraction task, identify and extract any missed or incorrectly formatted entities.\n"
SUMMARY = "Your task is to synthesize a list of descriptions.\n---Input---\nEntity Name: Ada\n\nDescription List:\n"
NEO4J = (
    'Return JSON: {"nodes": [], "relationships": [{"start_node_id": "0", "end_node_id": "1"}]}\n'
    f"Examples:\n\n\nInput text:\n\n{PASSAGE}\n"
)


def ask(double: OllamaDouble, *contents: str) -> str:
    messages = [{"role": "user", "content": content} for content in contents]
    body = {"model": "m", "messages": messages, "stream": False}
    reply = httpx.post(f"{double.url}/api/chat", json=body, trust_env=False).raise_for_status().json()
    return str(reply["message"]["content"])


@pytest.fixture(scope="module")
def double() -> Iterator[OllamaDouble]:
    with OllamaDouble() as double:
        yield double


def test_lightrag_gets_its_rows(double: OllamaDouble) -> None:
    rows = ask(double, LIGHTRAG).splitlines()
    assert rows[0].split("<|#|>")[:2] == ["entity", "Ada"]
    assert rows[2].split("<|#|>")[:4] == ["relation", "Ada", "Engine", "designs"]
    assert rows[-1] == "<|COMPLETE|>"


def test_gleaning_finds_nothing_more_and_a_summary_is_prose(double: OllamaDouble) -> None:
    assert ask(double, LIGHTRAG, GLEANING) == "<|COMPLETE|>"
    assert ask(double, SUMMARY) == "Ada is described in several passages."


def test_neo4j_graphrag_gets_nodes_that_its_relationships_name(double: OllamaDouble) -> None:
    graph = json.loads(ask(double, NEO4J))
    assert [node["properties"]["name"] for node in graph["nodes"]] == ["Ada", "Engine"]
    [relation] = graph["relationships"]
    assert (relation["start_node_id"], relation["type"], relation["end_node_id"]) == ("0", "DESIGNS", "1")


def test_the_passage_alone_decides_the_latency() -> None:
    passages = {question.passage for text in (LIGHTRAG, NEO4J) if (question := asked([{"role": "user", "content": text}]))}
    assert passages == {PASSAGE}
    assert asked([{"role": "user", "content": "anything else"}]) is None
