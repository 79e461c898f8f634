"""What the graph has to hold, kept by difference: whatever changes live evidence changes it, and nothing else does."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from aegis_assets.model.document import State
from aegis_assets.model.extraction import Extraction
from aegis_assets.model.ledger import Extracted
from aegis_assets.model.outbox import Kind
from aegis_assets.stores.ledger import Ledger
from aegis_assets.stores.ledger.evidence import regroup
from tests.stores.ledger.build import (
    EMBED,
    EXTRACT,
    RUN,
    collection,
    dead,
    done,
    draft,
    enriched,
    extraction,
    planned,
    running,
)


def rows(ledger: Ledger, query: str, *values: object) -> list[tuple[Any, ...]]:
    with ledger.connection() as connection:
        return [tuple(row.values()) for row in connection.execute(query, values)]  # type: ignore[arg-type]


def entities(ledger: Ledger) -> dict[str, tuple[int, int]]:
    """What the graph has to hold: name -> chunks and documents."""
    query = "SELECT e.name, g.chunks, g.documents FROM aegis_graph_entity g JOIN aegis_entity e ON e.id = g.id"
    return {name: (chunks, documents) for name, chunks, documents in rows(ledger, query)}


def relations(ledger: Ledger) -> dict[tuple[str, str, str], tuple[int, int]]:
    query = (
        "SELECT s.name AS s, g.type, t.name AS t, g.chunks, g.documents FROM aegis_graph_relation g"
        " JOIN aegis_entity s ON s.id = g.source_id JOIN aegis_entity t ON t.id = g.target_id"
    )
    return {(s, kind, t): (chunks, documents) for s, kind, t, chunks, documents in rows(ledger, query)}


def dirty(ledger: Ledger) -> dict[str, int]:
    """How many objects of each kind are marked."""
    return dict(rows(ledger, "SELECT kind, count(*) FROM aegis_outbox GROUP BY kind"))  # type: ignore[arg-type]


def written(ledger: Ledger) -> None:
    """As if graph and vectors had everything."""
    rows(ledger, "DELETE FROM aegis_outbox RETURNING id")


def prepared(ledger: Ledger, found: Extraction, name: str = "a.md", run_id: str = RUN, texts: int = 2) -> tuple[UUID, list[UUID]]:
    document = running(ledger, name, f"{name} {texts}", run_id=run_id)
    (window,) = ledger.windows(planned(ledger, document, name, content=f"{name} {texts}", run_id=run_id).id)
    chunks = enriched(ledger, window.id, [f"text {number}" for number in range(texts)], run_id)
    done(ledger, document, chunks, run_id, found)
    return document, chunks


def live(ledger: Ledger, found: Extraction, name: str = "a.md", run_id: str = RUN, texts: int = 2) -> tuple[UUID, list[UUID]]:
    document, chunks = prepared(ledger, found, name, run_id, texts)
    ledger.switch([document], run_id)
    ledger.finish(document, run_id, State.SUCCEEDED, "")
    return document, chunks


MET = extraction("Ada", "Grace", relation="met")


def test_a_document_counts_when_it_goes_live_and_no_more_when_it_is_removed(ledger: Ledger) -> None:
    document, _ = prepared(ledger, MET)
    assert (entities(ledger), relations(ledger), dirty(ledger)) == ({}, {}, {})

    ledger.switch([document], RUN)
    live(ledger, MET, "b.md", "run-2", texts=3)

    assert entities(ledger) == {"Ada": (5, 2), "Grace": (5, 2)}
    assert relations(ledger) == {("Ada", "met", "Grace"): (5, 2)}
    assert dirty(ledger) == {"content": 2, "document": 2, "chunk": 5, "entity": 2, "relation": 1}

    written(ledger)
    ledger.finish(document, RUN, State.SUCCEEDED, "")
    ledger.request_removal(document)
    ledger.start_removal(document)
    assert entities(ledger) == {"Ada": (3, 1), "Grace": (3, 1)}
    assert relations(ledger) == {("Ada", "met", "Grace"): (3, 1)}
    assert dirty(ledger) == {"document": 1, "entity": 2, "relation": 1}


def test_a_second_switch_marks_the_document_alone(ledger: Ledger) -> None:
    document, _ = prepared(ledger, MET)
    first = ledger.switch([document], RUN)
    written(ledger)
    second = ledger.switch([document], RUN)
    assert (second.targets, second.counts) == (first.targets, first.counts)
    assert dirty(ledger) == {"content": 1, "document": 1}


def test_a_live_chunk_that_is_extracted_anew_changes_what_it_says_and_nothing_else(ledger: Ledger) -> None:
    document, (chunk, _) = live(ledger, MET)
    live(ledger, MET, "b.md", "run-2")
    ledger.begin(document, "run-3", dead)
    written(ledger)

    ledger.save_extractions(document, "run-3", "extract-2", [Extracted(chunk, extraction("Ada", "Alan"), seconds=0.1)])

    assert entities(ledger) == {"Ada": (4, 2), "Grace": (3, 2), "Alan": (1, 1)}
    assert relations(ledger) == {("Ada", "met", "Grace"): (3, 2)}
    assert dirty(ledger) == {"chunk": 1, "entity": 2, "relation": 1}, "Ada is said as often as before"


def test_the_same_statement_elsewhere_in_a_live_chunk_is_written_again(ledger: Ledger) -> None:
    document, (chunk, _) = live(ledger, MET)
    ledger.begin(document, "run-2", dead)
    written(ledger)
    moved = MET.model_copy(update={"relations": (MET.relations[0].model_copy(update={"confidence": 0.9}),)})
    ledger.save_extractions(document, "run-2", "extract-2", [Extracted(chunk, moved, seconds=0.1)])
    assert relations(ledger) == {("Ada", "met", "Grace"): (2, 1)}
    assert dirty(ledger) == {"chunk": 1, "relation": 1}


def test_of_two_spellings_the_first_by_its_characters_stands_whoever_comes_first(ledger: Ledger) -> None:
    live(ledger, extraction("onelab"))
    written(ledger)
    prepared(ledger, extraction("OneLab", "ONELAB"), "b.md", "run-2")
    assert rows(ledger, "SELECT name FROM aegis_entity") == [("ONELAB",)]
    assert dirty(ledger) == {"entity": 1}
    written(ledger)
    prepared(ledger, extraction("Onelab"), "c.md", "run-3")
    assert rows(ledger, "SELECT name FROM aegis_entity") == [("ONELAB",)]
    assert dirty(ledger) == {}


def test_a_name_that_a_new_extraction_no_longer_finds_goes_though_it_never_was_live(ledger: Ledger) -> None:
    document, (chunk, other) = prepared(ledger, MET)
    ledger.save_extractions(document, RUN, "extract-2", [Extracted(chunk, extraction("Ada"), seconds=0.1)])
    assert rows(ledger, "SELECT name FROM aegis_entity ORDER BY name") == [("Ada",), ("Grace",)]
    ledger.save_extractions(document, RUN, "extract-2", [Extracted(other, extraction("Ada"), seconds=0.1)])
    assert rows(ledger, "SELECT name FROM aegis_entity ORDER BY name") == [("Ada",)]
    assert dirty(ledger) == {}


def test_a_window_of_the_live_generation_that_is_chunked_anew_counts_at_once(ledger: Ledger) -> None:
    document, _ = live(ledger, MET)
    ledger.begin(document, "run-2", dead)
    generation = ledger.document(document).live
    assert generation is not None
    (window,) = ledger.windows(generation)
    written(ledger)

    (kept, new) = ledger.save_chunks(window.id, "run-2", [draft("text 1"), draft("text 7")], "chunks-2", 0.1)

    assert entities(ledger) == {"Ada": (1, 1), "Grace": (1, 1)}
    assert dirty(ledger) == {"content": 1, "document": 1, "chunk": 1, "entity": 2, "relation": 1}
    ledger.save_embedded(document, "run-2", [kept, new], EMBED, 0.1)
    ledger.save_extractions(document, "run-2", EXTRACT, [Extracted(new, MET, seconds=0.1)])
    assert entities(ledger) == {"Ada": (2, 1), "Grace": (2, 1)}
    assert relations(ledger) == {("Ada", "met", "Grace"): (2, 1)}


def test_names_that_become_one_move_their_evidence_and_mark_the_chunks_that_say_them(ledger: Ledger) -> None:
    live(ledger, extraction("Ada", "Grace", relation="met"))
    live(ledger, extraction("Adas", "Grace", relation="met"), "b.md", "run-2", texts=1)
    written(ledger)
    ids = dict(rows(ledger, "SELECT name, id FROM aegis_entity"))  # type: ignore[arg-type]
    pair = sorted([ids["Ada"], ids["Adas"]])
    rows(
        ledger,
        "INSERT INTO aegis_merge (collection_id, left_id, right_id, reason) VALUES (%s, %s, %s, 'person') RETURNING id",
        collection(),
        *pair,
    )

    for _ in range(2):
        with ledger.transaction() as connection:
            regroup(connection, collection(), [ids["Ada"]])

    assert entities(ledger) == {"Adas": (3, 2), "Grace": (3, 2)}
    assert relations(ledger) == {("Adas", "met", "Grace"): (3, 2)}
    assert dirty(ledger) == {"chunk": 2, "entity": 2, "relation": 2}, "the chunk that says Adas says the same as before"
    facts = ledger.graph_facts()
    assert [(one.name, one.aliases, one.chunks) for one in facts.entities([ids["Ada"], ids["Adas"]])] == [("Adas", ("Ada",), 3)]


def test_what_a_document_left_in_the_outbox_is_found_by_it_and_relations_carry_their_ends(ledger: Ledger) -> None:
    document, _ = prepared(ledger, MET)
    keys = ledger.switch([document], RUN).keys
    assert ledger.left_by([document]) == {collection(): keys}
    (key,) = [key for key in keys if key.kind is Kind.RELATION]
    (claimed,) = ledger.claim_dirty(collection(), Kind.RELATION, [key.id], "me")
    ids = dict(rows(ledger, "SELECT name, id FROM aegis_entity"))  # type: ignore[arg-type]
    assert claimed.triple == (ids["Ada"], "met", ids["Grace"])
