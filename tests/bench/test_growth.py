"""The loaded collection is what it says, the stores take it as their own, and the ratio is of what was measured."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from bench import growth
from bench.growth_corpus import CROWDED, HUBS, MEASURED_CHUNKS, MEASURED_HUBS, Loaded, measured, name
from tests.doubles.engine_work import Page, extracted, pages

SIZE = 1000


def test_every_entity_is_mentioned_five_times_and_each_hub_in_a_hundredth_of_the_chunks() -> None:
    loaded = Loaded(10_000)
    mentions = Counter(entity for _, chunk in loaded.all_chunks() for entity, _ in chunk.mentions)
    assert sum(mentions.values()) == 50_000
    assert {mentions[hub] for hub in range(HUBS)} == {loaded.chunks // 100}
    assert {mentions[entity] for entity in range(HUBS, 10_000)} <= {4, 5}


def test_names_and_sentences_stand_in_their_chunks() -> None:
    for _, chunk in Loaded(SIZE).all_chunks():
        assert len(chunk.mentions) == 10
        assert all(chunk.text[start:end] == name(entity) for entity, (start, end) in chunk.mentions)
        for source, target, (start, end) in chunk.relations:
            assert chunk.text[start:end] == f"{name(source)} feeds {name(target)}."


def test_a_name_has_the_same_neighbours_at_every_size_save_where_a_word_is_crowded() -> None:
    names = [name(entity) for entity in range(20_000)]
    assert len(set(names)) == 20_000
    words = Counter(word for one in names for word in one.split())
    assert words.pop(CROWDED) == 20_000 // 16 - HUBS // 16
    assert max(words.values()) == 4
    small = Counter(word for one in names[:SIZE] for word in one.split())
    assert all(words[word] == count for word, count in small.items() if word in words and SIZE % 16 == 0)


def test_a_measured_document_has_thirty_chunks_that_name_hubs_and_a_revision_changes_one() -> None:
    def chunks(text: str) -> list[str]:
        return [chunk for page in pages(text) for chunk in Page.of(page).texts()]

    first, revised = chunks(measured(3)), chunks(measured(3, revised=15))
    assert len(first) == len(revised) == MEASURED_CHUNKS
    assert [number for number in range(MEASURED_CHUNKS) if first[number] != revised[number]] == [15]
    named = {mention.name for chunk in first for mention in extracted(chunk).mentions}
    assert {hub for hub in range(HUBS) if name(hub) in named} == set(range(MEASURED_HUBS))
    assert not {mention.name for mention in extracted(chunks(measured(4))[0]).mentions} <= named


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_small_collection_is_loaded_and_a_document_beside_it_ends_with_stores_that_agree() -> None:
    figures = growth.measured((SIZE,), rounds=1, graph="arcadedb", kept=None, warm_up=0)
    [load] = figures["loads"]
    assert (load["chunks"], load["mentions"]) == (SIZE // 2, 5 * SIZE)
    found = {(row["act"], row["figure"]): row[str(SIZE)] for row in figures["cases"]}
    for act in growth.ACTS:
        assert found[act, "total_s"] > 0
        assert found[act, "ledger_read"] > 0
        assert found[act, "peak_mb"] > 20
    assert found["ingest", "ledger_written"] > MEASURED_CHUNKS
    assert found["remove", "ledger_written"] > MEASURED_CHUNKS
    assert found["ingest", "graph_sent"] > MEASURED_CHUNKS
    assert figures["missed"] == [], "one size is 1.0 times itself"


def test_what_grows_more_than_the_bar_allows_is_named() -> None:
    def taken(seconds: float) -> dict[str, Any]:
        counts = dict.fromkeys(("ledger_read", "ledger_written", "graph_returned", "graph_sent"), 10.0)
        return {"publish_s": seconds, **counts, "tables": {"aegis_mention": 100 * seconds, "aegis_chunk": 30}}

    rounds = {(act, size): [taken(size / 10_000)] * 3 for act in growth.ACTS for size in (10_000, 20_000)}
    cases = growth.compared(rounds)
    [row] = [row for row in cases if (row["act"], row["figure"]) == ("retry", "publish_s")]
    assert (row["10000"], row["20000"], row["ratio"]) == (1.0, 2.0, 2.0)
    assert growth.missed(cases) == [f"{act} publish_s 2.00" for act in growth.ACTS]
    tables = growth.by_table(rounds)
    assert tables == [{"act": act, "table": "aegis_mention", "10000": 100, "20000": 200} for act in growth.ACTS]
