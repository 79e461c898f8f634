"""A ledger as large as a small collection, made by set SQL in seconds: what the planner knows of it is true."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

DOCUMENTS: Final = 4000
CHUNKS: Final = 5  # of a document, in one window; four mentions and one relation each
HUBS: Final = 100  # names, each in 1 % of the chunks
SMALL: Final = 1000  # rows; a table that stays smaller may be read whole

# Ids are hashes of what they are of, as real ones are: no order that an index could profit from.
FILL: Final = (
    """INSERT INTO aegis_collection (id, name) VALUES (md5('collection')::uuid, 'large')""",
    """INSERT INTO aegis_document (id, collection_id, name, source, source_key, state, blob, sha256, size, run_id,
        fraction, extractor)
    SELECT md5('d' || n)::uuid, md5('collection')::uuid, n || '.md', 'bucket', n || '.md',
        CASE WHEN n %% 100 = 0 THEN 'pending' WHEN n %% 100 = 1 THEN 'running' WHEN n %% 4 = 3 THEN 'failed' ELSE 'succeeded' END,
        'blobs/' || n, md5('bytes' || n), 100, 'run-' || n, 1, 'spacy'
    FROM generate_series(1, %(documents)s) AS n""",
    """INSERT INTO aegis_generation (document_id, number, sha256, blob, state, inspection)
    SELECT id, 1, sha256, blob, 'live', '{"unit": "page"}' FROM aegis_document""",
    """UPDATE aegis_document d SET live_id = g.id FROM aegis_generation g WHERE g.document_id = d.id""",
    """INSERT INTO aegis_window (id, generation_id, document_id, ordinal, first, last, key, parse_state, enrich_state, parsed)
    SELECT md5('w' || g.id)::uuid, g.id, g.document_id, 0, 1, 1, md5('key' || g.id), 'done', 'done', '{}'
    FROM aegis_generation g""",
    """INSERT INTO aegis_chunk (id, document_id, text_hash, repeat, text, tokens)
    SELECT md5(d.id::text || n)::uuid, d.id, md5(d.id::text || n), 0, 'text', 1
    FROM aegis_document d, generate_series(1, %(chunks)s) AS n""",
    """INSERT INTO aegis_placement (generation_id, window_id, chunk_id, ordinal)
    SELECT w.generation_id, w.id, c.id, row_number() OVER (PARTITION BY w.id) FROM aegis_window w
    JOIN aegis_chunk c ON c.document_id = w.document_id""",
    """INSERT INTO aegis_chunk_task (chunk_id, document_id, stage, state, fingerprint, run_id, finished_at)
    SELECT c.id, c.document_id, stage, 'done', 'print', 'run', now() - interval '1 day' FROM aegis_chunk c,
    unnest(ARRAY['embed', 'extract']) AS stage""",
    """INSERT INTO aegis_embedding (chunk_id, packed) SELECT id, '\\x00' FROM aegis_chunk""",
    """INSERT INTO aegis_extraction (text_hash, fingerprint, payload) SELECT text_hash, 'print', '{}' FROM aegis_chunk""",
    # One name in four stands for the one before it.
    """INSERT INTO aegis_entity (id, collection_id, canonical_id, type, name, normalised)
    SELECT md5('e' || n)::uuid, md5('collection')::uuid, md5('e' || n - (n %% 4 = 3)::int)::uuid, 'thing', 'Name ' || n,
        'name ' || n FROM generate_series(1, %(documents)s * %(chunks)s) AS n""",
    """INSERT INTO aegis_entity_block (collection_id, key, entity_id)
    SELECT md5('collection')::uuid, key, md5('e' || n)::uuid FROM generate_series(1, %(documents)s * %(chunks)s) AS n,
    unnest(ARRAY['=:name ' || n, 't:token ' || n %% 5000, CASE n %% 100 WHEN 3 THEN 't:crowded' END]) AS key WHERE key <> ''""",
    """INSERT INTO aegis_crowded_block (collection_id, key) SELECT md5('collection')::uuid, 't:crowded' || n
    FROM generate_series(1, %(documents)s * 2) AS n UNION SELECT md5('collection')::uuid, 't:crowded'""",
    """INSERT INTO aegis_merge (collection_id, left_id, right_id, reason, block)
    SELECT collection_id, least(id, canonical_id), greatest(id, canonical_id), 'fuzzy', (
        SELECT min(key) FROM aegis_entity_block WHERE entity_id = e.id AND key LIKE 't:%%')
    FROM aegis_entity e WHERE id <> canonical_id""",
    """INSERT INTO aegis_home (collection_id, document_id, chunk_id, name, lead)
    SELECT md5('collection')::uuid, document_id, id, name, name FROM aegis_chunk,
        unnest(ARRAY['examples', 'name ' || left(text_hash, 8)]) AS name""",
    # Each chunk names one of the hubs.
    """INSERT INTO aegis_mention (chunk_id, document_id, entity_id, type, name, start, "end")
    SELECT c.id, c.document_id, md5('e' || CASE m WHEN 0 THEN 1 + c.n %% %(hubs)s
        ELSE 1 + (c.n * 7 + m * 31) %% (%(documents)s * %(chunks)s) END)::uuid, 'thing', 'Name', 0, 4
    FROM (SELECT id, document_id, row_number() OVER () AS n FROM aegis_chunk) c, generate_series(0, 3) AS m""",
    # From the hub to another name in each chunk, and in those of the first hub to the second one.
    """INSERT INTO aegis_relation (chunk_id, document_id, source_id, target_id, type, confidence, start, "end")
    SELECT a.chunk_id, a.document_id, a.entity_id, b.entity_id, 'knows', 0.5, 0, 9
    FROM (SELECT DISTINCT ON (chunk_id) * FROM aegis_mention ORDER BY chunk_id, id) a
    JOIN (SELECT DISTINCT ON (chunk_id) * FROM aegis_mention ORDER BY chunk_id, id DESC) b USING (chunk_id)
    UNION ALL SELECT chunk_id, document_id, entity_id, md5('e2')::uuid, 'knows', 0.5, 0, 9 FROM aegis_mention
    WHERE entity_id = md5('e1')::uuid""",
    """INSERT INTO aegis_surface_form (entity_id, name, type, normalised, mentions, weight)
    SELECT entity_id, '', type, '', count(*), 1000 * count(*) FROM aegis_mention GROUP BY entity_id, type""",
    """INSERT INTO aegis_graph_entity (id, collection_id, chunks, documents)
    SELECT e.canonical_id, e.collection_id, count(DISTINCT m.chunk_id), count(DISTINCT m.document_id)
    FROM aegis_mention m JOIN aegis_entity e ON e.id = m.entity_id GROUP BY e.canonical_id, e.collection_id""",
    """INSERT INTO aegis_description (entity_id, collection_id, document_id, chunk_id, start, "end", evidence)
    SELECT DISTINCT ON (m.entity_id) g.id, g.collection_id, m.document_id, m.chunk_id, 0, 4, g.chunks
    FROM aegis_graph_entity g JOIN aegis_mention m ON m.entity_id = g.id""",
    """INSERT INTO aegis_description_source (entity_id, document_id, chunk_id, start, "end")
    SELECT entity_id, document_id, chunk_id, 0, 4 FROM aegis_description""",
    """INSERT INTO aegis_graph_relation (id, collection_id, source_id, type, target_id, chunks, documents)
    SELECT md5(concat(s.canonical_id, r.type, t.canonical_id))::uuid, s.collection_id, s.canonical_id, r.type, t.canonical_id,
        count(DISTINCT r.chunk_id), count(DISTINCT r.document_id)
    FROM aegis_relation r JOIN aegis_entity s ON s.id = r.source_id JOIN aegis_entity t ON t.id = r.target_id
    WHERE s.canonical_id <> t.canonical_id GROUP BY s.collection_id, s.canonical_id, r.type, t.canonical_id""",
    # What an outage of the graph server leaves.
    """INSERT INTO aegis_outbox (collection_id, kind, key, document_id, marked_at)
    SELECT md5('collection')::uuid, kind, id, document_id, now() - interval '1 hour' FROM (
        SELECT 'chunk' AS kind, id, document_id FROM aegis_chunk UNION ALL SELECT 'document', id, id FROM aegis_document
        UNION ALL SELECT 'content', id, id FROM aegis_document) AS object WHERE document_id < '80000000-0000-0000-0000-000000000000'
    UNION ALL SELECT collection_id, 'entity', id, NULL, now() - interval '1 hour' FROM aegis_graph_entity""",
    """INSERT INTO aegis_outbox (collection_id, kind, key, source_id, type, target_id)
    SELECT collection_id, 'relation', id, source_id, type, target_id FROM aegis_graph_relation""",
    """INSERT INTO aegis_failure (document_id, window_id, stage, kind, retryable, message, resolved)
    SELECT document_id, id, 'parse', 'limit', true, 'Too long.', true FROM aegis_window""",
    """INSERT INTO aegis_run_document (run_id, document_id, finished_at) SELECT run_id, id, now() FROM aegis_document""",
    """INSERT INTO aegis_bucket_object (bucket, key, etag, size, document_id)
    SELECT 's3://inbox', source_key, '1', 1, id FROM aegis_document""",
    """INSERT INTO aegis_removed (document_id, collection_id, removed_at)
    SELECT md5('r' || n)::uuid, md5('collection')::uuid, now() - n * interval '1 second'
    FROM generate_series(1, %(documents)s) AS n""",
    """SELECT aegis_recount(array_agg(id)) FROM aegis_window""",
    """ANALYZE""",
)
ONE: Final = """
SELECT d.id AS document, d.collection_id AS collection, d.run_id, d.blob, d.sha256, d.source_key AS key, d.live_id AS generation,
    w.id AS window, array_agg(c.id) AS chunks, array_agg(c.text_hash) AS hashes
FROM aegis_document d JOIN aegis_window w ON w.document_id = d.id JOIN aegis_chunk c ON c.document_id = d.id
WHERE d.source_key = '77.md' GROUP BY d.id, w.id"""
LARGE: Final = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname LIKE 'aegis\\_%%' AND reltuples >= %(small)s"


def id_of(word: str) -> UUID:
    """Return the id that FILL makes of a word: of a document 'd1', of a name 'e1'. The names from 'e1' to 'e100' are hubs."""
    return UUID(hashlib.md5(word.encode(), usedforsecurity=False).hexdigest())


def fill(url: str) -> None:
    with psycopg.connect(url) as connection:
        for statement in FILL:
            connection.execute(statement, {"documents": DOCUMENTS, "chunks": CHUNKS, "hubs": HUBS})


def large_tables(connection: psycopg.Connection[Any]) -> set[str]:
    return {name for (name,) in connection.execute(LARGE, {"small": SMALL})}


def sample(url: str) -> dict[str, Any]:
    """Return a value for each name that the statements have parameters by: those of one document."""
    with psycopg.connect(url, row_factory=dict_row) as connection:
        row = connection.execute(ONE).fetchone()
    assert row is not None
    document, chunks = row["document"], row["chunks"]
    return {
        **row,
        "chunk": chunks[0],
        "documents": [document],
        "generations": [row["generation"]] * len(chunks),
        "windows": [row["window"]],
        "ids": [document],
        "keys": [row["key"]],
        "names": ["77.md"],
        "etags": ["2"],
        "sizes": [9],
        "objects": [77],
        "packed": [b"\\0"] * len(chunks),
        **dict.fromkeys(("sparse_sides", "languages"), ["en"] * len(chunks)),
        "sparse": "print",
        "id": document,
        "hash": row["hashes"][0],
        **dict.fromkeys(("fingerprint", "parse", "embed"), "print"),
        "extract": ["print"],
        "fingerprints": ["print"],
        **dict.fromkeys(("boxes", "inspection", "info", "parsed", "payload", "headings"), Jsonb({})),
        **dict.fromkeys(("pages", "first", "last", "ordinal", "repeat", "tokens", "size", "attempt", "calls", "run", "after"), 1),
        **dict.fromkeys(("completion", "completion_tokens", "prompt", "prompt_tokens", "extracted", "fresh", "retried"), 1),
        **dict.fromkeys(("retries", "reserved", "limit"), 1),
        **dict.fromkeys(("share", "seconds", "recent", "fraction", "almost"), 1.0),
        **dict.fromkeys(("text", "name", "kind", "message", "format", "media_type", "parser", "embedder", "extractor"), "word"),
        **dict.fromkeys(("retryable", "all"), False),
        "rows": Jsonb(
            [{"chunk": str(chunk), "entity": str(UUID(int=1)), "id": str(UUID(int=n))} for n, chunk in enumerate(chunks)]
        ),
        "stage": "embed",
        "state": "succeeded",
        "source": "upload",
        "bucket": "s3://inbox",
        "month": date(2026, 1, 1),
        "started": datetime(2026, 1, 1, tzinfo=UTC),
    }
