"""What an extractor found in a chunk -> entities, mentions and relations, with the mark, in one transaction.

A result without a call is counted apart (`cached`): `work` says what a run did, not what it was spared.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from psycopg.types.json import Jsonb

from aegis_assets.errors import Superseded
from aegis_assets.model import ids
from aegis_assets.model.document import Stage
from aegis_assets.model.extraction import Extraction
from aegis_assets.model.ledger import Extracted
from aegis_assets.model.outbox import Kind
from aegis_assets.pipeline.blocking import blocks
from aegis_assets.stores.ledger.base import Base, Connection, clean, clean_json, many, reads, rows, writes
from aegis_assets.stores.ledger.chunks import resolve_chunks
from aegis_assets.stores.ledger.evidence import changing
from aegis_assets.stores.ledger.fence import fence
from aegis_assets.stores.ledger.graph_drop import drop_unnamed
from aegis_assets.stores.ledger.progress import advance

CACHED: Final = """
SELECT x.text_hash, x.fingerprint, x.payload FROM unnest(%(hashes)s::text[], %(fingerprints)s::text[]) AS k(text_hash, fingerprint)
JOIN aegis_extraction x ON x.text_hash = k.text_hash AND x.fingerprint = k.fingerprint"""
CHUNKS: Final = """
SELECT c.id, c.text_hash, d.collection_id AS collection, t.attempts,
    t.state IN ('done', 'skipped') AND t.fingerprint = %(fingerprint)s AS done
FROM aegis_chunk c JOIN aegis_document d ON d.id = c.document_id
JOIN aegis_chunk_task t ON t.chunk_id = c.id AND t.stage = 'extract'
WHERE c.id = ANY(%(chunks)s) AND c.document_id = %(document)s"""
CACHE: Final = """
INSERT INTO aegis_extraction (text_hash, fingerprint, payload) VALUES (%(hash)s, %(fingerprint)s, %(payload)s)
ON CONFLICT (text_hash, fingerprint) DO NOTHING"""
# Cost of these three: what the chunks had.
FORGET_MENTIONS: Final = "DELETE FROM aegis_mention WHERE chunk_id = ANY(%(chunks)s)"
FORGET_RELATIONS: Final = "DELETE FROM aegis_relation WHERE chunk_id = ANY(%(chunks)s)"
MENTIONED: Final = "SELECT DISTINCT entity_id AS id FROM aegis_mention WHERE chunk_id = ANY(%(chunks)s)"
# Cost of these two: the chunks, and what they state.
LIVE: Final = """
SELECT p.chunk_id AS id FROM aegis_placement p JOIN aegis_document d ON d.live_id = p.generation_id
WHERE d.id = %(document)s AND p.chunk_id = ANY(%(chunks)s)"""
STATED: Final = """
SELECT DISTINCT s.canonical_id AS source, r.type, t.canonical_id AS target FROM aegis_relation r
JOIN aegis_entity s ON s.id = r.source_id JOIN aegis_entity t ON t.id = r.target_id
WHERE r.chunk_id = ANY(%(chunks)s) AND s.canonical_id <> t.canonical_id"""
# Cost: the names of the entities that the given ones belong to.
GROUPS: Final = """
SELECT id FROM aegis_entity WHERE id = ANY(%(names)s)
UNION SELECT id FROM aegis_entity
WHERE canonical_id = ANY(ARRAY(SELECT canonical_id FROM aegis_entity WHERE id = ANY(%(names)s)))"""
# One statement for all rows of a kind: a page names fifty things, and a statement for each was most of what saving it took.
ADD_ENTITIES: Final = """
WITH given AS (
    SELECT * FROM jsonb_to_recordset(%(rows)s) AS r(id uuid, type text, name text, normalised text, blocks varchar[])
), added AS (
    INSERT INTO aegis_entity (id, collection_id, canonical_id, type, name, normalised)
    SELECT id, %(collection)s, id, type, name, normalised FROM given
    ON CONFLICT (id) DO NOTHING RETURNING id
)
INSERT INTO aegis_entity_block (collection_id, key, entity_id)
SELECT %(collection)s, key, id FROM added JOIN given USING (id) CROSS JOIN unnest(blocks) AS key"""
# Of two spellings of a name the first by their characters, whichever chunk is done first: after a kill it may be another one. In a
# statement of its own, which sees what the one before has waited for.
RESPELL: Final = """
UPDATE aegis_entity e SET name = r.name FROM jsonb_to_recordset(%(rows)s) AS r(id uuid, name text)
WHERE e.id = r.id AND e.id = ANY(%(names)s) AND r.name COLLATE "C" < e.name COLLATE "C" RETURNING e.canonical_id AS id"""
ADD_MENTIONS: Final = """
INSERT INTO aegis_mention (chunk_id, document_id, entity_id, name, type, confidence, start, "end", inexact)
SELECT r.chunk, %(document)s, r.entity, r.name, r.type, r.confidence, r.start, r."end", r.inexact
FROM jsonb_to_recordset(%(rows)s) AS r(
    chunk uuid, entity uuid, name text, type text, confidence double precision, start int, "end" int, inexact boolean)"""
ADD_RELATIONS: Final = """
INSERT INTO aegis_relation (chunk_id, document_id, source_id, target_id, type, confidence, start, "end", addressed)
SELECT r.chunk, %(document)s, r.source, r.target, r.type, r.confidence, r.start, r."end", r.addressed
FROM jsonb_to_recordset(%(rows)s) AS r(
    chunk uuid, source uuid, target uuid, type text, confidence double precision, start int, "end" int, addressed boolean)"""
# Grows with: the chunks saved together. They are named twice, because the planner takes a record set for a hundred rows.
MARK: Final = """
UPDATE aegis_chunk_task t SET state = r.state, fingerprint = %(fingerprint)s, cached = r.cached, note = r.note,
    run_id = %(run_id)s, finished_at = now()
FROM jsonb_to_recordset(%(rows)s) AS r(chunk uuid, state text, cached boolean, note text)
WHERE t.chunk_id = r.chunk AND t.stage = 'extract' AND t.chunk_id = ANY(%(chunks)s)"""
COUNT: Final = """
UPDATE aegis_run_document SET extracted_chunks = extracted_chunks + %(extracted)s, llm_calls = llm_calls + %(calls)s,
    prompt_tokens = prompt_tokens + %(prompt_tokens)s, completion_tokens = completion_tokens + %(completion_tokens)s,
    retries = retries + %(retries)s, extract_seconds = extract_seconds + %(seconds)s
WHERE run_id = %(run_id)s AND document_id = %(document)s"""

# Grows with: the chunks of the documents. Their results stay until better ones are there.
REOPEN: Final = """
UPDATE aegis_chunk_task SET fingerprint = ''
WHERE document_id = ANY(%(documents)s) AND stage = 'extract' AND state IN ('done', 'skipped') AND fingerprint <> %(fingerprint)s"""

NAME_LENGTH: Final = 512
TYPE_LENGTH: Final = 64


class Extractions(Base):
    @reads
    def cached_extractions(self, connection: Connection, keys: Collection[tuple[str, str]]) -> Mapping[tuple[str, str], Extraction]:
        """Return those that are there. keys: a text's hash and the fingerprint."""
        hashes, fingerprints = [key[0] for key in keys], [key[1] for key in keys]
        found = rows(connection, CACHED, hashes=hashes, fingerprints=fingerprints)
        return {(row["text_hash"], row["fingerprint"]): Extraction.model_validate(row["payload"]) for row in found}

    @writes
    def reopen_extractions(self, connection: Connection, documents: Sequence[UUID], fingerprint: str) -> int:
        """Have the next run of the documents extract anew what is of any other fingerprint. Return the number of chunks."""
        return connection.execute(REOPEN, {"documents": list(documents), "fingerprint": fingerprint}).rowcount

    @writes
    def save_extractions(
        self, connection: Connection, document: UUID, run_id: str, fingerprint: str, found: Sequence[Extracted]
    ) -> None:
        """Write what was found in place of what the chunks had. Chunks that are gone are left out.

        Raises Superseded when the run does not hold the document, or none of the chunks is there any more.
        """
        fence(connection, document, run_id)
        where = {"document": document, "run_id": run_id, "fingerprint": fingerprint}
        known = {row["id"]: row for row in rows(connection, CHUNKS, chunks=[one.chunk for one in found], **where)}
        found = [one for one in found if one.chunk in known]
        if not found:
            raise Superseded("These chunks are gone: the document has newer content.")
        payloads = [
            {
                "hash": known[one.chunk]["text_hash"],
                "fingerprint": one.cache_key or fingerprint,
                "payload": Jsonb(clean_json(one.extraction.model_dump(mode="python"))),
            }
            for one in found
            if not one.cached
        ]
        many(connection, CACHE, sorted(payloads, key=lambda row: (row["hash"], row["fingerprint"])))  # sorted: as with entities
        chunks = [one.chunk for one in found]
        _replace(connection, known[found[0].chunk]["collection"], document, found)
        connection.execute(MARK, {**where, "chunks": chunks, "rows": Jsonb([_mark(one) for one in found])})
        resolve_chunks(connection, document, chunks, Stage.EXTRACT)
        work = [_work(one, known[one.chunk]) for one in found]
        total = {name: sum(each[name] for each in work) for name in work[0]}
        connection.execute(COUNT, {**where, **total})  # last: whoever writes for the run waits for this row
        advance(self, connection, document)


def _mark(one: Extracted) -> dict[str, Any]:
    skipped = one.extraction.skipped
    return {"chunk": str(one.chunk), "cached": one.cached, "state": "skipped" if skipped else "done", "note": clean(skipped or "")}


def _work(one: Extracted, row: dict[str, Any]) -> dict[str, float]:
    fresh = not one.cached and not row["done"]
    return {
        "extracted": int(fresh),
        "calls": one.extraction.calls if fresh else 0,
        "prompt_tokens": one.extraction.prompt_tokens if fresh else 0,
        "completion_tokens": one.extraction.completion_tokens if fresh else 0,
        "retries": int(row["attempts"] > 0 and not row["done"]),
        "seconds": one.seconds,
    }


def _replace(connection: Connection, collection: UUID, document: UUID, found: Sequence[Extracted]) -> None:
    """Write what was found in place of what the chunks had. Where they are live, the graph's contents follow."""
    chunks = [one.chunk for one in found]
    before = {row["id"] for row in rows(connection, MENTIONED, chunks=chunks)}
    entities, mentions, relations = _rows(collection, found)
    names = {UUID(entity["id"]) for entity in entities}
    live = [row["id"] for row in rows(connection, LIVE, document=document, chunks=chunks)]
    respelled: set[UUID] = set()

    def write() -> None:
        if before:
            connection.execute(FORGET_RELATIONS, {"chunks": chunks})
            connection.execute(FORGET_MENTIONS, {"chunks": chunks})
        connection.execute(ADD_ENTITIES, {"collection": collection, "rows": Jsonb(entities)})
        respelled.update(row["id"] for row in rows(connection, RESPELL, rows=Jsonb(entities), names=list(names)))
        connection.execute(ADD_MENTIONS, {"document": document, "rows": Jsonb(mentions)})
        connection.execute(ADD_RELATIONS, {"document": document, "rows": Jsonb(relations)})

    if not live and before <= names:
        write()
        if respelled:
            with changing(connection, collection, document) as change:
                change.mark(Kind.ENTITY, respelled)
        return
    with changing(connection, collection, document) as change:
        whole = {row["id"] for row in rows(connection, GROUPS, names=list(before | names))} | names
        with change.tracked([document] if live else [], whole):
            write()
        change.mark(Kind.CHUNK, live)
        change.mark(Kind.ENTITY, respelled)
        stated = rows(connection, STATED, chunks=live)  # also what is as before: the schema may name its type only now
        change.mark_relations((row["source"], row["type"], row["target"]) for row in stated)
        drop_unnamed(connection, change, before - names)


def _rows(collection: UUID, found: Sequence[Extracted]) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the rows of entities, mentions and relations."""
    entities: dict[str, dict[str, Any]] = {}
    mentions: list[dict[str, Any]] = []
    relations: list[dict[str, Any]] = []
    for one in found:
        named = [_entity(collection, mention.type, mention.name) for mention in one.extraction.mentions]
        for entity in named:
            if entity is not None and entity["name"] <= entities.get(entity["id"], entity)["name"]:
                entities[entity["id"]] = entity
        chunk = {"chunk": str(one.chunk)}
        mentions += [
            {
                **chunk,
                "entity": entity["id"],
                "name": entity["said"],
                "type": _cut(mention.type, TYPE_LENGTH),
                "confidence": mention.confidence,
                "start": mention.start,
                "end": mention.end,
                "inexact": mention.inexact,
            }
            for mention, entity in zip(one.extraction.mentions, named, strict=True)
            if entity is not None
        ]
        for relation in one.extraction.relations:
            source, target = named[relation.source], named[relation.target]
            if source is not None and target is not None:
                own = relation.model_dump(include={"confidence", "start", "end", "addressed"})
                ends = {"source": source["id"], "target": target["id"], "type": _cut(relation.type, TYPE_LENGTH)}
                relations.append({**chunk, **own, **ends})
    return [entities[key] for key in sorted(entities)], mentions, relations  # sorted: no two transactions wait crosswise


def _entity(collection: UUID, entity_type: str, name: str) -> dict[str, Any] | None:
    """Return the row, None for a name without a letter or digit: all such names would be one entity."""
    name, entity_type = _cut(name, NAME_LENGTH), _cut(entity_type, TYPE_LENGTH)
    normalised = ids.normalised(name)[:NAME_LENGTH]
    if not normalised:
        return None
    return {
        "id": str(ids.entity_id(collection, name)),
        "type": entity_type,
        "name": name,
        "said": name,
        "normalised": normalised,
        "blocks": sorted(set(blocks(normalised))),
    }


def _cut(text: str, length: int) -> str:
    return clean(text)[:length]
