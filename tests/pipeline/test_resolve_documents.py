"""resolve on documents with chunks and mentions: five orders, two at once, and nothing that is compared twice."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations, product
from types import SimpleNamespace
from typing import Any, Final
from uuid import UUID

import pytest

from aegis_assets.model import ids
from aegis_assets.model.ledger import Extracted
from aegis_assets.pipeline import resolve
from aegis_assets.pipeline.blocking import MAX_BLOCK
from aegis_assets.pipeline.decide import joined
from aegis_assets.pipeline.flow.resolve import resolve_documents
from aegis_assets.pipeline.matching import EntityName, MergeDecision
from aegis_assets.stores.ledger import Ledger, deciding
from aegis_assets.stores.ledger.evidence import regroup
from tests.doubles.name_embedder import NameEmbedder
from tests.stores.ledger.build import EXTRACT, RUN, collection, enriched, extraction, planned, publish, running

KIND: Final = "term"
# Pairs of names that are one by the token "system" alone, and those that are one by something else as well.
BY_SYSTEM: Final = (("configuration system", "configurations system"), ("operating system", "operational system"))
OTHERWISE: Final = (
    ("system of Paris", "Paris system"),
    ("database system", "data base system"),
    ("graph data system", "graph data storage system"),
)
BY_PERSON: Final = ("verification system", "settlement system")
ANGLES: Final = {"operating system": 4.0, "operational system": 4.1, "graph data system": 5.0, "graph data storage system": 5.1}
NAMES: Final = 300


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    opened = Ledger(ledger_url)
    yield opened
    opened.close()


def corpus() -> list[str]:
    """Names that all have the token "system"."""
    special = [name for pair in (*BY_SYSTEM, *OTHERWISE, BY_PERSON) for name in pair]
    syllables = ("bak", "dor", "fim", "gul", "hep", "jat", "lov")
    filling = ["".join(word) + " system" for word in product(syllables, repeat=3)]
    return [*special, *filling[: NAMES - len(special)]]


def entity(name: str) -> UUID:
    return ids.entity_id(collection(), name)


def mentioning(ledger: Ledger, file: str, names: Sequence[str], content: str = "") -> UUID:
    """A document as it is before resolve."""
    document = running(ledger, file, content or file)
    generation = planned(ledger, document, "key", content=content or file)
    (window,) = ledger.windows(generation.id)
    (chunk,) = enriched(ledger, window.id, [f"text of {content or file}"])
    ledger.save_extractions(document, RUN, EXTRACT, [Extracted(chunk, extraction(*names, kind=KIND), seconds=0.1)])
    return document


def resolved(ledger: Ledger, document: UUID, embedder: NameEmbedder) -> None:
    """resolve, and what publish does with the names."""
    platform: Any = SimpleNamespace(ledger=ledger, embedder=embedder)
    resolve_documents(platform, [document], RUN)
    assert ledger.open_failures([document]) == {document: []}
    with ledger.transaction() as connection:
        regroup(connection, collection(), list(ledger.names_of(collection(), [document], "")))


def rows(ledger: Ledger, query: str) -> list[dict[str, Any]]:
    with ledger.connection() as connection:
        return connection.execute(query).fetchall()  # type: ignore[arg-type]


def groups(ledger: Ledger) -> dict[str, UUID]:
    return {row["name"]: row["canonical_id"] for row in rows(ledger, "SELECT name, canonical_id FROM aegis_entity")}


def join_by_person(ledger: Ledger) -> None:
    """As soon as both names are there."""
    pair = joined(*map(entity, BY_PERSON))
    with ledger.transaction() as connection:
        deciding._save(connection, collection(), [pair])
        regroup(connection, collection(), pair.key)


def ingest(ledger: Ledger, order: list[str], at_once: int) -> dict[str, UUID]:
    """Documents of 25 names each, `at_once` of them resolved at the same time."""
    documents = [order[start : start + 25] for start in range(0, len(order), 25)]
    with ThreadPoolExecutor(at_once) as threads:
        for start in range(0, len(documents), at_once):
            part = range(start, min(start + at_once, len(documents)))
            made = [mentioning(ledger, f"{number}.md", documents[number]) for number in part]
            for done in [threads.submit(resolved, ledger, document, NameEmbedder(dict(ANGLES))) for document in made]:
                done.result(timeout=120)
            join_by_person(ledger)
    return groups(ledger)


def empty(ledger: Ledger) -> None:
    with ledger.transaction() as connection:
        connection.execute("TRUNCATE aegis_collection CASCADE")
        connection.execute("TRUNCATE aegis_run_document, aegis_entity_block CASCADE")


def test_one_corpus_in_five_orders_and_two_documents_at_once_gives_the_same_groups(ledger: Ledger) -> None:
    names = corpus()
    assert len({entity(name) for name in names}) == NAMES > MAX_BLOCK
    orders = [names, names[::-1], *(random.Random(seed).sample(names, len(names)) for seed in range(3))]
    expected: dict[str, UUID] = {}
    for number, order in enumerate(orders):
        empty(ledger)
        given = ingest(ledger, order, at_once=1 + number % 2)
        expected = expected or given
        assert given == expected, number
    assert all(expected[left] == expected[right] for left, right in (*OTHERWISE, BY_PERSON))
    assert all(expected[left] != expected[right] for left, right in BY_SYSTEM)
    assert rows(ledger, "SELECT key FROM aegis_crowded_block") == [{"key": "t:system"}]


def test_what_a_key_had_joined_falls_apart_when_it_becomes_crowded_whatever_document_does_it(ledger: Ledger) -> None:
    names = corpus()
    first, second = names[:MAX_BLOCK], names[MAX_BLOCK : MAX_BLOCK + 1]
    embedder = NameEmbedder(dict(ANGLES))
    resolved(ledger, mentioning(ledger, "a.md", first), embedder)
    before = groups(ledger)
    assert all(before[left] == before[right] for left, right in (*BY_SYSTEM, *OTHERWISE))
    resolved(ledger, mentioning(ledger, "b.md", second), embedder)
    after = groups(ledger)
    assert all(after[left] != after[right] for left, right in BY_SYSTEM)
    assert all(after[left] == after[right] for left, right in OTHERWISE)


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[set[str]]:
    """Return a list that gets the pairs of names that are compared from here on. The real `possible` still decides on them."""
    pairs: list[set[str]] = []
    possible = resolve.possible

    def noted(a: EntityName, b: EntityName) -> MergeDecision | None:
        pairs.append({a.name, b.name})
        return possible(a, b)

    monkeypatch.setattr(resolve, "possible", noted)
    return pairs


def test_a_retry_compares_nothing_and_a_revision_only_what_is_new(ledger: Ledger, compared: list[set[str]]) -> None:
    embedder = NameEmbedder(dict(ANGLES))
    names = ["graph data system", "graph data storage system", "Paris system"]
    document = mentioning(ledger, "a.md", names)
    resolved(ledger, document, embedder)
    assert sorted(map(sorted, compared)) == sorted(map(sorted, combinations(names, 2)))
    assert sorted(embedder.asked) == sorted(names[:2])

    compared.clear()
    embedder.asked.clear()
    resolved(ledger, document, embedder)
    assert (compared, embedder.asked) == ([], [])

    publish(ledger, document, ledger.document(document).making or 0)
    revised = mentioning(ledger, "a.md", [*names, "system of Paris"], content="revised")
    assert revised == document
    resolved(ledger, document, embedder)
    assert sorted(map(sorted, compared)) == sorted(sorted([name, "system of Paris"]) for name in names)
    assert embedder.asked == []

    embedder.fingerprint = "embedder-2"
    compared.clear()
    resolved(ledger, document, embedder)
    assert len(compared) == 6, "another embedder may say something else"


def test_a_resolve_that_failed_compares_again(ledger: Ledger, compared: list[set[str]]) -> None:
    embedder = NameEmbedder(dict(ANGLES))
    document = mentioning(ledger, "a.md", ["graph data system", "graph data storage system"])
    embedder.fails = True
    platform: Any = SimpleNamespace(ledger=ledger, embedder=embedder)
    resolve_documents(platform, [document], RUN)
    assert len(ledger.open_failures([document])[document]) == 1
    assert rows(ledger, "SELECT 1 FROM aegis_merge") == []

    embedder.fails = False
    compared.clear()
    resolve_documents(platform, [document], RUN)
    assert len(compared) == 1
    assert [row["reason"] for row in rows(ledger, "SELECT reason FROM aegis_merge")] == ["embedding"]


def test_many_names_of_a_document_are_compared_in_parts_and_each_pair_once(
    ledger: Ledger, compared: list[set[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aegis_assets.pipeline.flow.resolve.NAMES_AT_ONCE", 7)
    resolved(ledger, mentioning(ledger, "a.md", corpus()[:30]), NameEmbedder())
    assert len(compared) == len({tuple(sorted(pair)) for pair in compared}) == 30 * 29 // 2
