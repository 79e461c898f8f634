"""What the graph should hold, computed from the ledger in sets: chunks in order, canonical entities with their evidence, relations.

Evidence counts when its chunk stands in a live generation, or in the one that is being published. Ids go in and rows come out by
the batch, so that neither a large document nor a name that a thousand chunks mention needs more memory than a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, LiteralString, TypeVar
from uuid import UUID

from psycopg.rows import DictRow

from aegis_assets.model.graph import GraphChunk, GraphEntity, GraphRelation
from aegis_assets.model.ids import relation_id
from aegis_assets.pipeline.publish import Triple
from aegis_assets.stores.ledger.base import Connection

R = TypeVar("R")

BATCH: Final = 500
EVIDENCE_LENGTH: Final = 1000  # characters of a sentence that a person reads in a list

CHUNKS: Final = """
SELECT c.id, c.text, p.headings, p.pages, w.ordinal AS window, p.ordinal AS place
FROM aegis_placement p JOIN aegis_window w ON w.id = p.window_id JOIN aegis_chunk c ON c.id = p.chunk_id
WHERE p.generation_id = %(generation)s AND (w.ordinal, p.ordinal) > (%(window)s, %(place)s)
ORDER BY w.ordinal, p.ordinal LIMIT %(batch)s"""
PLACED: Final = "SELECT generation_id AS generation, chunk_id AS id FROM aegis_placement WHERE generation_id = ANY(%(generations)s)"
EMBEDDED: Final = """
SELECT p.generation_id AS generation, p.chunk_id AS id
FROM aegis_placement p JOIN aegis_chunk_task t ON t.chunk_id = p.chunk_id
WHERE p.generation_id = ANY(%(generations)s) AND t.stage = 'embed' AND t.state = 'done'"""
EMBEDDERS: Final = """
SELECT t.fingerprint AS embedder, p.chunk_id AS id
FROM aegis_placement p JOIN aegis_chunk_task t ON t.chunk_id = p.chunk_id
WHERE p.generation_id = ANY(%(generations)s) AND t.stage = 'embed' AND t.state = 'done'"""

# What mentions and relations say of the graph, for whoever asks of some of them only.
NAMES: Final = """
SELECT DISTINCT e.id, e.canonical_id AS canonical FROM aegis_mention m JOIN aegis_entity e ON e.id = m.entity_id"""
TRIPLES: Final = """
SELECT DISTINCT s.canonical_id AS source, r.type, t.canonical_id AS target
FROM aegis_relation r JOIN aegis_entity s ON s.id = r.source_id JOIN aegis_entity t ON t.id = r.target_id
WHERE s.canonical_id <> t.canonical_id"""
MENTIONED: Final = f"{NAMES} WHERE m.document_id = ANY(%(documents)s)"
STATED: Final = f"{TRIPLES} AND r.document_id = ANY(%(documents)s)"
CANONICAL: Final = "SELECT DISTINCT canonical_id AS id FROM aegis_entity WHERE id = ANY(%(entities)s)"
INCIDENT: Final = """
SELECT DISTINCT s.canonical_id AS source, r.type, t.canonical_id AS target
FROM aegis_entity e JOIN aegis_relation r ON e.id IN (r.source_id, r.target_id)
JOIN aegis_entity s ON s.id = r.source_id JOIN aegis_entity t ON t.id = r.target_id
WHERE e.canonical_id = ANY(%(entities)s) AND s.canonical_id <> t.canonical_id"""

ENTITIES: Final = """
SELECT e.id, e.name, e.type, found.aliases, found.chunks
FROM aegis_entity e
JOIN (
    SELECT a.canonical_id, array_agg(DISTINCT m.chunk_id) AS chunks, array_agg(DISTINCT a.name) AS aliases
    FROM aegis_entity a JOIN aegis_mention m ON m.entity_id = a.id
    JOIN aegis_document d ON d.id = m.document_id
    JOIN aegis_placement p ON p.chunk_id = m.chunk_id AND (p.generation_id = d.live_id OR p.generation_id = ANY(%(generations)s))
    WHERE a.canonical_id = ANY(%(entities)s) GROUP BY a.canonical_id
) found ON found.canonical_id = e.id
WHERE e.canonical_id = e.id ORDER BY e.id"""
RELATIONS: Final = """
WITH wanted AS MATERIALIZED (
    SELECT * FROM unnest(%(sources)s::uuid[], %(types)s::text[], %(targets)s::uuid[]) AS w(source, type, target)
), said AS (
    SELECT w.source, w.type, w.target, r.document_id, r.chunk_id, r.confidence, r.start, r."end"
    FROM aegis_entity s JOIN aegis_relation r ON r.source_id = s.id JOIN aegis_entity t ON t.id = r.target_id
    JOIN wanted w ON w.source = s.canonical_id AND w.type = r.type AND w.target = t.canonical_id
    JOIN aegis_document d ON d.id = r.document_id
    JOIN aegis_placement p ON p.chunk_id = r.chunk_id AND (p.generation_id = d.live_id OR p.generation_id = ANY(%(generations)s))
    WHERE s.canonical_id = ANY(%(sources)s)
), found AS (
    SELECT source, type, target, max(confidence) AS confidence, array_agg(DISTINCT chunk_id) AS chunks,
        array_agg(DISTINCT document_id) AS documents, (array_agg(chunk_id ORDER BY confidence DESC, chunk_id, start))[1] AS best,
        (array_agg(start ORDER BY confidence DESC, chunk_id, start))[1] AS start,
        (array_agg("end" ORDER BY confidence DESC, chunk_id, start))[1] AS "end"
    FROM said GROUP BY source, type, target
)
SELECT f.source, f.type, f.target, f.confidence, f.chunks, f.documents,
    left(substr(c.text, f.start + 1, f."end" - f.start), %(length)s) AS evidence, f.type = ANY(k.relation_types) AS in_schema
FROM found f JOIN aegis_chunk c ON c.id = f.best JOIN aegis_entity e ON e.id = f.source
JOIN aegis_collection k ON k.id = e.collection_id ORDER BY f.source, f.type, f.target"""

COUNT_ENTITIES: Final = """
SELECT p.generation_id AS generation, count(DISTINCT e.canonical_id) AS n
FROM aegis_placement p JOIN aegis_mention m ON m.chunk_id = p.chunk_id JOIN aegis_entity e ON e.id = m.entity_id
WHERE p.generation_id = ANY(%(generations)s) GROUP BY p.generation_id"""
COUNT_RELATIONS: Final = """
SELECT p.generation_id AS generation, count(DISTINCT (s.canonical_id, r.type, t.canonical_id)) AS n
FROM aegis_placement p JOIN aegis_relation r ON r.chunk_id = p.chunk_id
JOIN aegis_entity s ON s.id = r.source_id JOIN aegis_entity t ON t.id = r.target_id
WHERE p.generation_id = ANY(%(generations)s) AND s.canonical_id <> t.canonical_id GROUP BY p.generation_id"""


class GraphFacts:
    """run: gives a connection to one read; alone, or inside a transaction whose changes the reads then see."""

    def __init__(self, run: Callable[[Callable[[Connection], list[DictRow]]], list[DictRow]]) -> None:
        self._run = run

    def chunk_ids(self, generation: int) -> set[UUID]:
        return self.placed([generation])[generation]

    def placed(self, generations: Sequence[int]) -> dict[int, set[UUID]]:
        """The chunks of each generation."""
        return self._by_generation(PLACED, generations)

    def embedded(self, generations: Sequence[int]) -> dict[int, set[UUID]]:
        """Those of them that are marked as embedded."""
        return self._by_generation(EMBEDDED, generations)

    def embedders(self, generations: Sequence[int]) -> dict[str, set[UUID]]:
        """Return the embedded chunks of the generations by the fingerprint of what embedded them."""
        chunks: dict[str, set[UUID]] = {}
        for row in self._rows(EMBEDDERS, generations=list(generations)):
            chunks.setdefault(row["embedder"], set()).add(row["id"])
        return chunks

    def _by_generation(self, query: LiteralString, generations: Sequence[int]) -> dict[int, set[UUID]]:
        found: dict[int, set[UUID]] = {generation: set() for generation in generations}
        for row in self._rows(query, generations=list(generations)):
            found[row["generation"]].add(row["id"])
        return found

    def chunks(self, generation: int) -> Iterator[GraphChunk]:
        """In document order, a batch in memory at a time."""
        window, place, ordinal = -1, -1, 0
        while batch := self._rows(CHUNKS, generation=generation, window=window, place=place, batch=BATCH):
            for row in batch:
                yield GraphChunk(
                    id=row["id"], ordinal=ordinal, text=row["text"], headings=tuple(row["headings"]), pages=tuple(row["pages"])
                )
                ordinal += 1
            window, place = batch[-1]["window"], batch[-1]["place"]

    def mentioned(self, documents: Sequence[UUID]) -> set[UUID]:
        """Entities that any chunk of the documents names, old or new, and those that stand for them."""
        return {entity for row in self._rows(MENTIONED, documents=list(documents)) for entity in (row["id"], row["canonical"])}

    def stated(self, documents: Sequence[UUID]) -> set[Triple]:
        """Relations that any chunk of the documents states, old or new."""
        return {(row["source"], row["type"], row["target"]) for row in self._rows(STATED, documents=list(documents))}

    def canonical(self, entities: Iterable[UUID]) -> set[UUID]:
        return {row["id"] for row in self._rows(CANONICAL, entities=list(entities))}

    def incident(self, entities: Iterable[UUID]) -> set[Triple]:
        """Relations with one of these canonical entities at an end."""
        found = self._rows(INCIDENT, entities=list(entities))
        return {(row["source"], row["type"], row["target"]) for row in found}

    def entities(self, entities: Sequence[UUID], generations: Sequence[int]) -> list[GraphEntity]:
        """Those that are canonical and have evidence. generations: count as live."""
        found = self._rows(ENTITIES, entities=list(entities), generations=list(generations))
        return [
            GraphEntity(
                id=row["id"],
                name=row["name"],
                type=row["type"],
                aliases=tuple(sorted(name for name in row["aliases"] if name != row["name"])),
                chunks=tuple(row["chunks"]),
            )
            for row in found
        ]

    def relations(self, triples: Sequence[Triple], generations: Sequence[int]) -> list[GraphRelation]:
        """Those that have evidence, with the sentence of the most certain statement. generations: count as live."""
        sources, types, targets = zip(*triples, strict=True) if triples else ((), (), ())
        asked: dict[str, Any] = {"sources": list(sources), "types": list(types), "targets": list(targets)}
        return [
            GraphRelation(id=relation_id(row["source"], row["type"], row["target"]), **row)
            for row in self._rows(RELATIONS, generations=list(generations), length=EVIDENCE_LENGTH, **asked)
        ]

    def counts(self, generations: Sequence[int]) -> dict[int, tuple[int, int]]:
        """Canonical entities and relations with a chunk of the generation as evidence, of each generation."""
        asked = list(generations)
        entities = self.count_entities(asked)
        relations = {row["generation"]: int(row["n"]) for row in self._rows(COUNT_RELATIONS, generations=asked)}
        return {one: (entities[one], relations.get(one, 0)) for one in asked}

    def count_entities(self, generations: Sequence[int]) -> dict[int, int]:
        """The half of `counts` that a list of documents shows."""
        found = {row["generation"]: int(row["n"]) for row in self._rows(COUNT_ENTITIES, generations=list(generations))}
        return {one: found.get(one, 0) for one in generations}

    def _rows(self, query: LiteralString, **parameters: object) -> list[DictRow]:
        return self._run(lambda connection: connection.execute(query, parameters).fetchall())
