"""The content that graph and vectors should hold, read from the ledger as it is now: chunks in order, entities and relations.

Ids go in and rows come out by the batch, so that a large document needs no more memory than a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, LiteralString
from uuid import UUID

from psycopg.rows import DictRow

from aegis_assets.model.graph import SENTENCES, GraphChunk, GraphEntity, GraphRelation
from aegis_assets.model.ids import relation_id
from aegis_assets.pipeline.outbox import Stated
from aegis_assets.pipeline.telling import plain
from aegis_assets.stores.ledger.base import Connection

BATCH: Final = 500
SENTENCE_LENGTH: Final = 1000  # characters of a sentence that a person reads in a list

# Cost: the batch.
CHUNKS: Final = """
SELECT c.id, c.text, p.headings, p.pages, w.ordinal AS window, p.ordinal AS place
FROM aegis_placement p JOIN aegis_window w ON w.id = p.window_id JOIN aegis_chunk c ON c.id = p.chunk_id
WHERE p.generation_id = %(generation)s AND (w.ordinal, p.ordinal) > (%(window)s, %(place)s)
ORDER BY w.ordinal, p.ordinal LIMIT %(batch)s"""
# Cost of these three: the generations' chunks.
PLACED: Final = "SELECT generation_id AS generation, chunk_id AS id FROM aegis_placement WHERE generation_id = ANY(%(generations)s)"
EMBEDDED: Final = """
SELECT p.generation_id AS generation, p.chunk_id AS id
FROM aegis_placement p JOIN aegis_chunk_task t ON t.chunk_id = p.chunk_id
WHERE p.generation_id = ANY(%(generations)s) AND t.stage = 'embed' AND t.state = 'done'"""
EMBEDDERS: Final = """
SELECT t.fingerprint AS embedder, p.chunk_id AS id
FROM aegis_placement p JOIN aegis_chunk_task t ON t.chunk_id = p.chunk_id
WHERE p.generation_id = ANY(%(generations)s) AND t.stage = 'embed' AND t.state = 'done'"""

# Cost: the names of the entities asked for, and the forms that these have in live chunks.
ENTITIES: Final = """
SELECT e.id, e.name, e.type, g.chunks, ARRAY(
    SELECT DISTINCT form.name FROM aegis_entity a JOIN aegis_surface_form f ON f.entity_id = a.id
    CROSS JOIN LATERAL (SELECT coalesce(nullif(f.name, ''), a.name) AS name) form
    WHERE a.canonical_id = e.id AND form.name <> e.name ORDER BY form.name) AS aliases,
    coalesce(nullif(x.text, ''), substr(c.text, x.start + 1, x."end" - x.start), '') AS description
FROM aegis_graph_entity g JOIN aegis_entity e ON e.id = g.id
LEFT JOIN aegis_description x ON x.entity_id = g.id LEFT JOIN aegis_chunk c ON c.id = x.chunk_id
WHERE g.id = ANY(%(entities)s) ORDER BY e.id"""
# Cost: the relations asked for, and for each the pairs of names of its two ends; the index has the best statements first.
RELATIONS: Final = """
SELECT g.id, g.source_id AS source, g.type, g.target_id AS target, g.chunks, g.documents, best.confidence, best.sentences,
    g.type = ANY(k.relation_types) AS in_schema
FROM aegis_graph_relation g JOIN aegis_collection k ON k.id = g.collection_id
CROSS JOIN LATERAL (
    SELECT max(confidence) AS confidence, array_agg(sentence ORDER BY confidence DESC, chunk_id, start) AS sentences
    FROM (
        SELECT one.confidence, one.chunk_id, one.start,
            left(substr(c.text, one.start + 1, one."end" - one.start), %(length)s) AS sentence
        FROM aegis_entity s CROSS JOIN aegis_entity t
        CROSS JOIN LATERAL (
            SELECT r.confidence, r.chunk_id, r.start, r."end" FROM aegis_relation r
            JOIN aegis_document d ON d.id = r.document_id
            JOIN aegis_placement p ON p.generation_id = d.live_id AND p.chunk_id = r.chunk_id
            WHERE r.source_id = s.id AND r.type = g.type AND r.target_id = t.id
            ORDER BY r.confidence DESC, r.chunk_id, r.start LIMIT %(sentences)s) one
        JOIN aegis_chunk c ON c.id = one.chunk_id
        WHERE s.canonical_id = g.source_id AND t.canonical_id = g.target_id
        ORDER BY one.confidence DESC, one.chunk_id, one.start LIMIT %(sentences)s) few
) best
WHERE g.id = ANY(%(relations)s) ORDER BY g.id"""
# Cost: the mentions in the chunks asked for.
EVIDENCE: Final = """
SELECT p.chunk_id AS chunk, array_agg(DISTINCT e.canonical_id) FILTER (WHERE e.id IS NOT NULL) AS entities
FROM aegis_chunk c JOIN aegis_document d ON d.id = c.document_id
JOIN aegis_placement p ON p.generation_id = d.live_id AND p.chunk_id = c.id
LEFT JOIN aegis_mention m ON m.chunk_id = c.id LEFT JOIN aegis_entity e ON e.id = m.entity_id
WHERE c.id = ANY(%(chunks)s) GROUP BY p.chunk_id"""

# Cost of these three: what the generations' chunks say.
COUNT_ENTITIES: Final = """
SELECT p.generation_id AS generation, count(DISTINCT e.canonical_id) AS n
FROM aegis_placement p JOIN aegis_mention m ON m.chunk_id = p.chunk_id JOIN aegis_entity e ON e.id = m.entity_id
WHERE p.generation_id = ANY(%(generations)s) GROUP BY p.generation_id"""
COUNT_RELATIONS: Final = """
SELECT p.generation_id AS generation, count(DISTINCT (s.canonical_id, r.type, t.canonical_id)) AS n
FROM aegis_placement p JOIN aegis_relation r ON r.chunk_id = p.chunk_id
JOIN aegis_entity s ON s.id = r.source_id JOIN aegis_entity t ON t.id = r.target_id
WHERE p.generation_id = ANY(%(generations)s) AND s.canonical_id <> t.canonical_id GROUP BY p.generation_id"""

# counters: as they should stand in the graph. dirty: they are still to be written there, or being written just now.
STATED: Final = """
SELECT g.id, said.generation, said.source, said.type, said.target,
    coalesce(g.chunks, 0) AS chunks, coalesce(g.documents, 0) AS documents,
    EXISTS (SELECT 1 FROM aegis_outbox o WHERE o.collection_id = g.collection_id AND o.kind = 'relation' AND o.key = g.id) AS dirty
FROM (
    SELECT DISTINCT p.generation_id AS generation, s.canonical_id AS source, r.type, t.canonical_id AS target
    FROM aegis_placement p JOIN aegis_relation r ON r.chunk_id = p.chunk_id
    JOIN aegis_entity s ON s.id = r.source_id JOIN aegis_entity t ON t.id = r.target_id
    WHERE p.generation_id = ANY(%(generations)s) AND s.canonical_id <> t.canonical_id) said
LEFT JOIN aegis_graph_relation g ON g.source_id = said.source AND g.type = said.type AND g.target_id = said.target"""
# Cost: the generations' chunks.
MOVING: Final = """
SELECT DISTINCT p.generation_id AS generation FROM aegis_placement p
JOIN aegis_chunk c ON c.id = p.chunk_id JOIN aegis_document d ON d.id = c.document_id
JOIN aegis_outbox o ON o.collection_id = d.collection_id AND o.kind = 'chunk' AND o.key = p.chunk_id
WHERE p.generation_id = ANY(%(generations)s)"""


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

    def entities(self, entities: Sequence[UUID]) -> list[GraphEntity]:
        """Return those of the entities that have live evidence."""
        return [
            GraphEntity(**{**row, "aliases": tuple(row["aliases"]), "description": plain(row["description"])})
            for row in self._rows(ENTITIES, entities=list(entities))
        ]

    def relations(self, relations: Sequence[UUID]) -> list[GraphRelation]:
        """Return those of the relations that have live evidence, with the sentences of the most certain statements."""
        held = self._rows(RELATIONS, relations=list(relations), length=SENTENCE_LENGTH, sentences=SENTENCES)
        return [
            GraphRelation(**{**row, "sentences": tuple(dict.fromkeys(row["sentences"]))})
            for row in held
            if row["sentences"] is not None
        ]

    def evidence(self, chunks: Sequence[UUID]) -> dict[UUID, set[UUID]]:
        """Return the canonical entities of those of the chunks that are live."""
        return {row["chunk"]: set(row["entities"] or ()) for row in self._rows(EVIDENCE, chunks=list(chunks))}

    def stated(self, generations: Sequence[int]) -> dict[int, list[Stated]]:
        """Return the relations that the live generations state."""
        stated: dict[int, list[Stated]] = {generation: [] for generation in generations}
        for row in self._rows(STATED, generations=list(generations)):
            triple = (row["source"], row["type"], row["target"])
            stated[row["generation"]].append(
                Stated(row["id"] or relation_id(*triple), triple, (row["chunks"], row["documents"]), bool(row["dirty"]))
            )
        return stated

    def moving(self, generations: Sequence[int]) -> set[int]:
        """Return those of the generations with a chunk whose entities are still to be written."""
        return {row["generation"] for row in self._rows(MOVING, generations=list(generations))}

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
