"""Nothing on the way of one document reads a table whole that grows with the collection."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import psycopg
import pytest

from aegis_assets.model import ids
from aegis_assets.model.document import State
from aegis_assets.model.ids import relation_id
from aegis_assets.model.ledger import Extracted
from aegis_assets.model.outbox import Key
from aegis_assets.pipeline.drain import drain
from aegis_assets.pipeline.outbox import Stores
from aegis_assets.pipeline.publish import compare
from aegis_assets.stores.ledger import Ledger
from tests.stores.ledger.build import EXTRACT, collection, dead, done, enriched, extraction, planned, register, running

SCAN = re.compile(
    r"Seq Scan on aegis_(document|generation|window|chunk|placement|chunk_task|extraction|mention|relation|entity|merge"
    r"|graph_entity|graph_relation|outbox)\b"
)
# 1,000 documents of 10 chunks; a chunk has 5 mentions and 2 relations; the first of 10,000 names are hubs.
FILL = """
SET session_replication_role = replica;
INSERT INTO aegis_document (id, collection_id, name, source, source_key, state)
SELECT md5('d' || d)::uuid, {c}, d, 'upload', d, 'succeeded' FROM generate_series(1, 1000) d;
INSERT INTO aegis_generation (id, document_id, number, sha256, blob, state)
SELECT 100000 + d, md5('d' || d)::uuid, 1, d, 'b' || d, 'live' FROM generate_series(1, 1000) d;
UPDATE aegis_document SET live_id = 100000 + name::int WHERE name <> 'a.md';
INSERT INTO aegis_window (id, generation_id, document_id, ordinal, first, last, key)
SELECT md5('w' || d)::uuid, 100000 + d, md5('d' || d)::uuid, 0, 1, 1, d FROM generate_series(1, 1000) d;
INSERT INTO aegis_chunk (id, document_id, text_hash, repeat, text, tokens)
SELECT md5('c' || c)::uuid, md5('d' || c / 10 + 1)::uuid, md5('h' || c), 0, 'text', 1 FROM generate_series(0, 9999) c;
INSERT INTO aegis_placement (generation_id, window_id, chunk_id, ordinal)
SELECT 100001 + c / 10, md5('w' || c / 10 + 1)::uuid, md5('c' || c)::uuid, c % 10 FROM generate_series(0, 9999) c;
INSERT INTO aegis_chunk_task (chunk_id, document_id, stage, state)
SELECT md5('c' || c)::uuid, md5('d' || c / 10 + 1)::uuid, s, 'done'
FROM generate_series(0, 9999) c, unnest(ARRAY['embed', 'extract']) s;
INSERT INTO aegis_extraction (text_hash, fingerprint, payload) SELECT md5('h' || c), 'x', '{{}}' FROM generate_series(0, 9999) c;
INSERT INTO aegis_entity (id, collection_id, canonical_id, type, name, normalised)
SELECT md5('e' || e)::uuid, {c}, md5('e' || e)::uuid, 'person', 'Name ' || e, 'name ' || e FROM generate_series(0, 9999) e;
INSERT INTO aegis_merge (collection_id, left_id, right_id, reason)
SELECT {c}, md5('e' || 2 * e)::uuid, md5('e' || 2 * e + 1)::uuid, 'exact' FROM generate_series(1, 4500) e;
INSERT INTO aegis_mention (chunk_id, document_id, entity_id, name, start, "end")
SELECT md5('c' || c)::uuid, md5('d' || c / 10 + 1)::uuid,
    md5('e' || CASE m WHEN 0 THEN c % 20 ELSE (c * 5 + m) % 10000 END)::uuid, '', 0, 1
FROM generate_series(0, 9999) c, generate_series(0, 4) m;
INSERT INTO aegis_relation (chunk_id, document_id, source_id, target_id, type, confidence, start, "end")
SELECT md5('c' || c)::uuid, md5('d' || c / 10 + 1)::uuid, md5('e' || c % 20)::uuid, md5('e' || (c * 5 + m) % 10000)::uuid,
    'met', 1, 0, 1
FROM generate_series(0, 9999) c, generate_series(1, 2) m;
INSERT INTO aegis_graph_entity (id, collection_id, chunks, documents)
SELECT entity_id, {c}, count(DISTINCT chunk_id), count(DISTINCT document_id) FROM aegis_mention GROUP BY entity_id;
INSERT INTO aegis_outbox (collection_id, kind, key) SELECT {c}, 'entity', md5('o' || e)::uuid FROM generate_series(0, 9999) e;
ANALYZE"""
STATED = """
SELECT source_id, type, target_id, count(DISTINCT chunk_id) AS chunks, count(DISTINCT document_id) AS documents FROM aegis_relation
WHERE source_id <> target_id GROUP BY source_id, type, target_id"""
STATE = "COPY aegis_graph_relation (source_id, type, target_id, chunks, documents, id, collection_id) FROM STDIN"


NAMING = (
    *(("entity", "id"), ("entity", "canonical_id"), ("mention", "entity_id"), ("graph_entity", "id")),
    *(("relation", "source_id"), ("relation", "target_id"), ("merge", "left_id"), ("merge", "right_id")),
)
HUBS = [f"Hub {number}" for number in range(4)]


class Nowhere:
    """A store that takes everything and has nothing."""

    carries_text = False

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None

    def keeps_embeddings(self) -> bool:
        return False

    def chunks_of(self, _: UUID, documents: list[UUID]) -> dict[UUID, set[UUID]]:
        return {document: set() for document in documents}

    def entity_counts(self, _: UUID, documents: list[UUID]) -> dict[UUID, int]:
        return dict.fromkeys(documents, 0)

    def relations_held(self, *_: object) -> dict[UUID, tuple[int, int]]:
        return {}

    def set_live(self, *_: object) -> set[UUID]:
        return set()


@pytest.fixture
def scans(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Each statement from here on that reads a growing table whole, with its plan."""
    found: list[str] = []
    execute = psycopg.Connection.execute

    def explained(self: psycopg.Connection[Any], query: Any, params: Any = None, **options: Any) -> psycopg.Cursor[Any]:
        if query.lstrip().startswith(("SELECT", "WITH", "INSERT", "UPDATE", "DELETE")):
            execute(self, "SET seq_page_cost = 100")  # as if the tables were a hundred times as large
            lines = [next(iter(row.values())) for row in execute(self, f"EXPLAIN {query}", params)]  # type: ignore[arg-type]
            if any(SCAN.search(line) for line in lines):
                found.append("\n".join([query, *lines]))
        return execute(self, query, params, **options)

    monkeypatch.setattr(psycopg.Connection, "execute", explained)
    return found


def entity(name: str) -> UUID:
    return ids.entity_id(collection(), "person", name)


def written(ledger: Ledger, keys: frozenset[Key] | set[Key]) -> None:
    drain(Stores(ledger, Nowhere(), Nowhere()), collection(), keys)


@pytest.fixture
def grown(ledger: Ledger) -> Ledger:
    register(ledger)
    with ledger.connection() as connection:
        for statement in FILL.format(c=f"'{collection()}'::uuid").split(";\n"):
            connection.execute(statement)  # type: ignore[arg-type]
        for number, hub in enumerate(HUBS):
            for table, column in NAMING:
                renamed = f"UPDATE aegis_{table} SET {column} = %s WHERE {column} = md5(%s)::uuid"
                connection.execute(renamed, (entity(hub), f"e{number}"))  # type: ignore[arg-type]
        stated = [tuple(row.values()) for row in connection.execute(STATED)]
        with connection.cursor().copy(STATE) as copy:
            for source, kind, target, *counts in stated:
                copy.write_row((source, kind, target, *counts, relation_id(source, kind, target), collection()))
        connection.execute("ANALYZE aegis_graph_relation")
        connection.execute("SET session_replication_role = DEFAULT")
    return ledger


def test_publishing_revising_and_removing_a_document_reads_no_growing_table_whole(grown: Ledger, scans: list[str]) -> None:
    ledger = grown
    names = [*HUBS, "Nobody Else", *(f"Person {number}" for number in range(300))]

    document = running(ledger, "new.md", "new")
    for run, content in (("run-1", "new"), ("run-2", "newer")):
        if run == "run-2":
            register(ledger, "new.md", content)
            ledger.begin(document, run, dead)
        (window,) = ledger.windows(planned(ledger, document, content, content=content, run_id=run).id)
        chunks = enriched(ledger, window.id, [f"{content} {number}" for number in range(3)], run)
        done(ledger, document, chunks, run, extraction(*names, relation="met"))
        ledger.switch([document], run)
        written(ledger, ledger.left_by([document])[collection()])
        ledger.save_extractions(document, run, EXTRACT, [Extracted(chunks[0], extraction(*names[1:]), seconds=0.1)])
        written(ledger, ledger.left_by([document])[collection()])
        targets = ledger.publish_targets([document], run)
        compare(targets, ledger.graph_facts(), Nowhere(), Nowhere())
        ledger.mark_documents(collection(), [document])
        ledger.search_rows(chunks)
        ledger.artifacts_in_use([document])
        ledger.idle_blobs([document])
        ledger.finish(document, run, State.SUCCEEDED, "")
    decided = ledger.merge_entities(collection(), (entity(HUBS[0]), entity("Nobody Else")), "ada")
    written(ledger, decided.keys)
    written(ledger, ledger.undo_decision(decided.decision, "ada").keys)
    ledger.request_removal(document)
    removal = ledger.start_removal(document)
    assert removal is not None
    written(ledger, removal.keys)
    ledger.own_blobs(document)
    ledger.erase(document)
    written(ledger, ledger.left_by([document]).get(collection(), set()))

    if scans:
        pytest.fail("\n\n".join(dict.fromkeys(scans)), pytrace=False)
