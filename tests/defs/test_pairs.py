"""A collection whose language model is asked about two neighbouring chunks at once: fewer requests, and everything at its place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from aegis_assets.model.document import State
from tests.defs.conftest import Bench
from tests.doubles.ollama import OllamaDouble

CHAPTERS = 6  # a chunk each


def book(**changed: str) -> bytes:
    """changed: other first sentences, as third="..."."""
    first = {n: f"Ada Lovelace read Letter{n}. Grace Hopper wrote Report{n}." for n in range(1, CHAPTERS + 1)}
    first |= {int(name.removeprefix("chapter")): sentence for name, sentence in changed.items()}
    filler = "The engine turned its wheels and carried its tens. " * 12
    return "\n\n".join(f"# Chapter {n}\n\n{sentence} {filler}" for n, sentence in first.items()).encode()


@pytest.fixture
def ollama(environment: pytest.MonkeyPatch) -> Iterator[OllamaDouble]:
    with OllamaDouble(slots=4) as double:
        environment.setenv("AEGIS_OLLAMA_URL", double.url)
        yield double


def in_pairs(bench: Bench, pairs: bool = True) -> None:
    with bench.platform.ledger.connection() as connection:  # type: ignore[attr-defined]
        connection.execute("UPDATE aegis_collection SET pairs = %s", (pairs,))


def select(bench: Bench, query: str, document: UUID) -> list[tuple[Any, ...]]:
    with bench.platform.ledger.connection() as connection:  # type: ignore[attr-defined]
        return [tuple(row.values()) for row in connection.execute(query, {"document": document})]


def evidence(bench: Bench, document: UUID) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Mentions and relations with what stands at their places."""
    mentions = select(
        bench,
        'SELECT c.text_hash, m.name, m.start, m."end", substr(c.text, m.start + 1, m."end" - m.start) AS stands'
        " FROM aegis_mention m JOIN aegis_chunk c ON c.id = m.chunk_id WHERE c.document_id = %(document)s ORDER BY 1, 3",
        document,
    )
    relations = select(
        bench,
        'SELECT c.text_hash, s.name AS source, r.type, t.name AS target, substr(c.text, r.start + 1, r."end" - r.start) AS says'
        " FROM aegis_relation r JOIN aegis_chunk c ON c.id = r.chunk_id JOIN aegis_entity s ON s.id = r.source_id"
        " JOIN aegis_entity t ON t.id = r.target_id WHERE c.document_id = %(document)s ORDER BY 1, 2, 3, 4",
        document,
    )
    return mentions, relations


def test_two_chunks_are_one_request_and_give_what_each_alone_gives(ollama: OllamaDouble, bench: Bench) -> None:
    document = bench.register("book.md", book())
    in_pairs(bench)
    bench.materialize(document)
    first = bench.result(document)
    assert first["state"] == State.SUCCEEDED, first
    assert first["work"] == {"parsed_windows": 1, "embedded_chunks": 6, "extracted_chunks": 6, "llm_calls": 3}
    assert [[f"Chapter {n}" in str(asked) for n in (1, 3, 5)] for asked in ollama.requests()].count([False] * 3) == 0
    assert len(ollama.requests()) == 3
    assert bench.agree(document)
    together = evidence(bench, document)
    assert all(name == stands for _, name, _, _, stands in together[0])
    assert {row[4][:12] for row in together[1]} == {"Ada Lovelace", "Grace Hopper"}

    longer = bench.register("longer.md", book() + b"\n\n# Chapter 7\n\nMary Somerville taught Ada Lovelace.")
    bench.materialize(longer)
    assert bench.result(longer)["work"] == {"parsed_windows": 1, "embedded_chunks": 7, "extracted_chunks": 1, "llm_calls": 1}

    in_pairs(bench, False)
    ollama.reset()
    bench.materialize(document)
    assert bench.result(document)["work"]["llm_calls"] == len(ollama.requests()) == 6, "the setting is part of the fingerprint"  # type: ignore[index]
    assert evidence(bench, document) == together
    assert bench.agree(document)


def test_a_revision_asks_only_for_the_pair_of_the_chunk_that_changed(ollama: OllamaDouble, bench: Bench) -> None:
    document = bench.register("book.md", book())
    in_pairs(bench)
    bench.materialize(document)
    before = {row for row in evidence(bench, document)[0] if row[1] == "Report3"}

    ollama.reset()
    bench.register("book.md", book(chapter4="Mary Somerville taught Ada Lovelace."))
    bench.materialize(document)
    result = bench.result(document)
    assert result["state"] == State.SUCCEEDED, result
    assert result["work"] == {"parsed_windows": 1, "embedded_chunks": 1, "extracted_chunks": 1, "llm_calls": 1}
    (asked,) = ollama.requests()
    assert all(words in str(asked) for words in ("Chapter 3", "Mary Somerville"))
    mentions, relations = evidence(bench, document)
    assert {row for row in mentions if row[1] == "Report3"} == before, "its neighbour keeps what it had"
    assert not [row for row in mentions if row[1] == "Report4"]
    assert [row[1:4] for row in relations if "Somerville" in row[1]] == [("Mary Somerville", "TAUGHT", "Ada Lovelace")]
    assert bench.agree(document)

    ollama.reset()
    bench.register("book.md", book(chapter4="Mary Somerville taught Ada Lovelace.").partition(b"# Chapter 2")[2])
    bench.materialize(document)
    result = bench.result(document)
    assert result["state"] == State.SUCCEEDED, result
    assert len(ollama.requests()) <= 1, "chunks whose neighbour is gone stay valid; only the first one has a new text"
    assert bench.agree(document)


def test_chunks_that_failed_together_are_asked_about_alone(ollama: OllamaDouble, bench: Bench) -> None:
    ollama.fault("junk", match="Chapter 3")
    document = bench.register("book.md", book())
    in_pairs(bench)
    bench.materialize(document)
    first = bench.result(document)
    assert first["state"] == State.PARTIAL
    assert len(first["failures"]) == 2, "the neighbour is missing as well"  # type: ignore[arg-type]
    assert bench.agree(document)

    ollama.reset()
    ollama.fault("junk", match="Chapter 3")
    bench.materialize(document)
    second = bench.result(document)
    assert len(second["failures"]) == 1, "only the one that no answer comes to"  # type: ignore[arg-type]
    ollama.reset()
    bench.materialize(document)
    third = bench.result(document)
    assert third["state"] == State.SUCCEEDED, third
    assert third["work"] == {"parsed_windows": 0, "embedded_chunks": 0, "extracted_chunks": 1, "llm_calls": 1}
    assert bench.agree(document)


def test_an_extractor_of_the_engine_server_is_asked_for_each_chunk(bench: Bench) -> None:
    """And the setting changes nothing of its results."""
    document = bench.register("book.md", book())
    bench.materialize(document)
    alone = evidence(bench, document)
    in_pairs(bench)
    bench.materialize(document)
    assert bench.result(document)["work"]["extracted_chunks"] == 0  # type: ignore[index]
    assert evidence(bench, document) == alone
