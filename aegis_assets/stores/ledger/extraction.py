"""What an extractor found in a chunk -> entities, mentions and relations, with the mark, in one transaction.

A result without a call is counted apart (`cached`): `work` says what a run did, not what it was spared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from psycopg.types.json import Jsonb

from aegis_assets.errors import Superseded
from aegis_assets.model import ids
from aegis_assets.model.document import Stage
from aegis_assets.model.extraction import Extraction
from aegis_assets.pipeline.resolve import blocks
from aegis_assets.stores.ledger.base import Base, Connection, clean, clean_json, fence, many, one, reads, rows, writes
from aegis_assets.stores.ledger.chunks import resolve_chunks
from aegis_assets.stores.ledger.progress import advance

CACHED: Final = """
SELECT text_hash, payload FROM aegis_extraction WHERE fingerprint = %(fingerprint)s AND text_hash = ANY(%(hashes)s)"""
CHUNK: Final = """
SELECT c.text_hash, d.collection_id AS collection, t.attempts,
    t.state IN ('done', 'skipped') AND t.fingerprint = %(fingerprint)s AS done
FROM aegis_chunk c JOIN aegis_document d ON d.id = c.document_id
JOIN aegis_chunk_task t ON t.chunk_id = c.id AND t.stage = 'extract'
WHERE c.id = %(chunk)s AND c.document_id = %(document)s"""
CACHE: Final = """
INSERT INTO aegis_extraction (text_hash, fingerprint, payload) VALUES (%(hash)s, %(fingerprint)s, %(payload)s)
ON CONFLICT (text_hash, fingerprint) DO NOTHING"""
FORGET_MENTIONS: Final = "DELETE FROM aegis_mention WHERE chunk_id = %(chunk)s"
FORGET_RELATIONS: Final = "DELETE FROM aegis_relation WHERE chunk_id = %(chunk)s"
ADD_ENTITY: Final = """
INSERT INTO aegis_entity (id, collection_id, canonical_id, type, name, normalised, blocks)
VALUES (%(id)s, %(collection)s, %(id)s, %(type)s, %(name)s, %(normalised)s, %(blocks)s)
ON CONFLICT (id) DO NOTHING"""
ADD_MENTION: Final = """
INSERT INTO aegis_mention (chunk_id, document_id, entity_id, name, start, "end")
VALUES (%(chunk)s, %(document)s, %(entity)s, %(name)s, %(start)s, %(end)s)"""
ADD_RELATION: Final = """
INSERT INTO aegis_relation (chunk_id, document_id, source_id, target_id, type, confidence, start, "end")
VALUES (%(chunk)s, %(document)s, %(source)s, %(target)s, %(type)s, %(confidence)s, %(start)s, %(end)s)"""
MARK: Final = """
UPDATE aegis_chunk_task SET state = %(state)s, fingerprint = %(fingerprint)s, cached = %(cached)s, note = %(note)s,
    run_id = %(run_id)s, finished_at = now()
WHERE chunk_id = %(chunk)s AND stage = 'extract'"""
COUNT: Final = """
UPDATE aegis_run_document SET extracted_chunks = extracted_chunks + %(extracted)s, llm_calls = llm_calls + %(calls)s,
    prompt_tokens = prompt_tokens + %(prompt_tokens)s, completion_tokens = completion_tokens + %(completion_tokens)s,
    retries = retries + %(retries)s, extract_seconds = extract_seconds + %(seconds)s
WHERE run_id = %(run_id)s AND document_id = %(document)s"""

NAME_LENGTH: Final = 512
TYPE_LENGTH: Final = 64
BLOCK_LENGTH: Final = 128


class Extractions(Base):
    def cached_extraction(self, text_hash: str, fingerprint: str) -> Extraction | None:
        return self.cached_extractions([text_hash], fingerprint).get(text_hash)

    @reads
    def cached_extractions(self, connection: Connection, hashes: Sequence[str], fingerprint: str) -> Mapping[str, Extraction]:
        """By text hash; only those that are there."""
        found = rows(connection, CACHED, hashes=list(hashes), fingerprint=fingerprint)
        return {row["text_hash"]: Extraction.model_validate(row["payload"]) for row in found}

    @writes
    def save_extraction(
        self,
        connection: Connection,
        document: UUID,
        chunk: UUID,
        run_id: str,
        fingerprint: str,
        extraction: Extraction,
        *,
        cached: bool,
        seconds: float,
    ) -> None:
        """In place of what the chunk had. cached: it came from `cached_extractions`, without a call.

        Raises Superseded when the run does not hold the document, or the chunk is gone.
        """
        fence(connection, document, run_id)
        row = one(connection, CHUNK, chunk=chunk, document=document, fingerprint=fingerprint)
        if row is None:
            raise Superseded("This chunk is gone: the document has newer content.")
        if not cached:
            payload = Jsonb(clean_json(extraction.model_dump(mode="python")))
            connection.execute(CACHE, {"hash": row["text_hash"], "fingerprint": fingerprint, "payload": payload})
        _write_found(connection, row["collection"], document, chunk, extraction)
        mark = {"state": "skipped" if extraction.skipped else "done", "note": clean(extraction.skipped or "")}
        where = {"chunk": chunk, "document": document, "run_id": run_id, "fingerprint": fingerprint}
        connection.execute(MARK, {**mark, **where, "cached": cached})
        resolve_chunks(connection, document, [chunk], Stage.EXTRACT)
        work = _work(extraction, fresh=not cached and not row["done"])
        work["retries"] = int(row["attempts"] > 0 and not row["done"])
        connection.execute(COUNT, {**where, **work, "seconds": seconds})  # last: every chunk of the run waits for this row
        advance(self, connection, document)


def _work(extraction: Extraction, *, fresh: bool) -> dict[str, int]:
    return {
        "extracted": int(fresh),
        "calls": extraction.calls if fresh else 0,
        "prompt_tokens": extraction.prompt_tokens if fresh else 0,
        "completion_tokens": extraction.completion_tokens if fresh else 0,
    }


def _write_found(connection: Connection, collection: UUID, document: UUID, chunk: UUID, extraction: Extraction) -> None:
    connection.execute(FORGET_RELATIONS, {"chunk": chunk})
    connection.execute(FORGET_MENTIONS, {"chunk": chunk})
    named = [_entity(collection, mention.type, mention.name) for mention in extraction.mentions]
    entities = {entity["id"]: entity for entity in named if entity is not None}
    many(connection, ADD_ENTITY, [entities[key] for key in sorted(entities)])  # sorted: no two transactions wait crosswise
    where = {"chunk": chunk, "document": document}
    mentions = [
        {**where, "entity": entity["id"], "name": entity["said"], "start": mention.start, "end": mention.end}
        for mention, entity in zip(extraction.mentions, named, strict=True)
        if entity is not None
    ]
    many(connection, ADD_MENTION, mentions)
    relations = []
    for relation in extraction.relations:
        source, target = named[relation.source], named[relation.target]
        if source is not None and target is not None:
            values = {"type": _cut(relation.type, TYPE_LENGTH), "confidence": relation.confidence}
            ends = {"source": source["id"], "target": target["id"], "start": relation.start, "end": relation.end}
            relations.append({**where, **values, **ends})
    many(connection, ADD_RELATION, relations)


def _entity(collection: UUID, entity_type: str, name: str) -> dict[str, Any] | None:
    """None for a name without a letter or digit: all such names would be one entity."""
    name, entity_type = _cut(name, NAME_LENGTH), _cut(entity_type, TYPE_LENGTH)
    normalised = ids.normalised(name)[:NAME_LENGTH]
    if not normalised:
        return None
    return {
        "id": ids.entity_id(collection, entity_type, name),
        "collection": collection,
        "type": entity_type,
        "name": name,
        "said": name,
        "normalised": normalised,
        "blocks": sorted({block[:BLOCK_LENGTH] for block in blocks(name, entity_type)}),
    }


def _cut(text: str, length: int) -> str:
    return clean(text)[:length]
