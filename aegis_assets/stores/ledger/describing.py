"""Descriptions of entities: the sentence of the live evidence that tells most, found when the entity is written to the graph.

What changes an entity's evidence marks it in the outbox, and whoever writes it there asks here first. Of most entities that costs a
look: a description stands until its sentence is live no more or the evidence has doubled, so a name that n chunks have is described
log2(n) times, each time from a bounded number of mentions. Kept is the place alone; the text is the chunk's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final
from uuid import UUID

from psycopg.rows import DictRow

from aegis_assets.pipeline.telling import Named, Passage, telling
from aegis_assets.stores.ledger.base import Base, Connection, rows, writes

# Lost with a crash of PostgreSQL only together with the later mark that the entity is written: then it is described again.
NO_WAIT: Final = "SET LOCAL synchronous_commit TO off"
_LIVE: Final = """EXISTS (
        SELECT FROM aegis_mention m JOIN aegis_entity e ON e.id = m.entity_id JOIN aegis_document d ON d.id = m.document_id
        JOIN aegis_placement p ON p.generation_id = d.live_id AND p.chunk_id = m.chunk_id
        WHERE m.chunk_id = {0}.chunk_id AND e.canonical_id = k.id AND m.start >= {0}.start AND m."end" <= {0}."end")"""
# Cost: the entities given; of each with a description, its mentions in the chunks that this comes from. gone: nothing live names it
# any more. lost: the model's description comes from a sentence that is not live.
WANTED: Final = f"""
SELECT k.id, g.id IS NULL AS gone, told.lost
FROM unnest(%(entities)s::uuid[]) AS k(id) LEFT JOIN aegis_graph_entity g ON g.id = k.id
LEFT JOIN aegis_description x ON x.entity_id = k.id
CROSS JOIN LATERAL (SELECT coalesce(x.text <> '' AND EXISTS (
    SELECT FROM aegis_description_source s WHERE s.entity_id = k.id AND NOT {_LIVE.format("s")}), false) AS lost) told
WHERE CASE WHEN g.id IS NULL THEN x.entity_id IS NOT NULL
    ELSE x.entity_id IS NULL OR told.lost OR g.chunks >= 2 * x.evidence OR (x.chunk_id IS NULL AND g.chunks <= %(few)s)
        OR (x.chunk_id IS NOT NULL AND NOT {_LIVE.format("x")}) END
ORDER BY k.id"""
# Cost: the entities given, times the limits, whatever else names them.
NAMED: Final = """
WITH own AS (
    SELECT k.id AS entity, e.* FROM unnest(%(entities)s::uuid[]) AS k(id) CROSS JOIN LATERAL (
        SELECT id, collection_id, normalised FROM aegis_entity WHERE canonical_id = k.id
        ORDER BY id <> k.id, id LIMIT %(names)s) e
)
SELECT own.entity, m.chunk_id AS chunk, m.start, m."end", m.joined_from IS NOT NULL AS short, true AS home
FROM own CROSS JOIN LATERAL (
    SELECT few.chunk_id, count(*) OVER () AS n FROM (
        SELECT chunk_id FROM aegis_home WHERE collection_id = own.collection_id AND name = own.normalised COLLATE "C"
        ORDER BY chunk_id LIMIT %(homes)s + 1) few) h
JOIN aegis_mention m ON m.chunk_id = h.chunk_id JOIN aegis_entity e ON e.id = m.entity_id
WHERE h.n <= %(homes)s AND e.canonical_id = own.entity
UNION ALL
SELECT own.entity, m.chunk_id, m.start, m."end", m.short, false FROM own CROSS JOIN LATERAL (
    SELECT s.* FROM (
        SELECT chunk_id, document_id, start, "end", joined_from IS NOT NULL AS short FROM aegis_mention
        WHERE entity_id = own.id ORDER BY document_id LIMIT %(read)s) s
    WHERE EXISTS (
        SELECT FROM aegis_document d JOIN aegis_placement p ON p.generation_id = d.live_id AND p.chunk_id = s.chunk_id
        WHERE d.id = s.document_id)
    LIMIT %(mentions)s) m"""
# Cost of these five: the chunks or entities given.
TEXTS: Final = """
SELECT c.id AS chunk, c.document_id AS document, c.text, w.ordinal AS window, p.ordinal AS place
FROM aegis_chunk c JOIN aegis_document d ON d.id = c.document_id
JOIN aegis_placement p ON p.generation_id = d.live_id AND p.chunk_id = c.id JOIN aegis_window w ON w.id = p.window_id
WHERE c.id = ANY(%(chunks)s)"""
SAVE: Final = """
INSERT INTO aegis_description AS x (entity_id, collection_id, document_id, chunk_id, start, "end", evidence)
SELECT g.id, g.collection_id, c.document_id, c.id, w.start, w."end", g.chunks
FROM unnest(%(entities)s::uuid[], %(chunks)s::uuid[], %(starts)s::int[], %(ends)s::int[]) AS w(entity, chunk, start, "end")
JOIN aegis_graph_entity g ON g.id = w.entity LEFT JOIN aegis_chunk c ON c.id = w.chunk
ON CONFLICT (entity_id) DO UPDATE SET document_id = EXCLUDED.document_id, chunk_id = EXCLUDED.chunk_id, start = EXCLUDED.start,
    "end" = EXCLUDED."end", evidence = EXCLUDED.evidence"""
DROP: Final = (
    "DELETE FROM aegis_description_source WHERE entity_id = ANY(%(entities)s)",
    "DELETE FROM aegis_description WHERE entity_id = ANY(%(entities)s)",
)
FORGET: Final = (
    "DELETE FROM aegis_description_source WHERE entity_id = ANY(%(entities)s)",
    "UPDATE aegis_description SET text = '', asked = 0 WHERE entity_id = ANY(%(entities)s)",
)
# Cost: the descriptions that come from the documents.
LOST: Final = """
SELECT x.entity_id AS id FROM (
    SELECT entity_id, document_id, chunk_id FROM aegis_description WHERE document_id = ANY(%(documents)s)
    UNION ALL SELECT entity_id, document_id, chunk_id FROM aegis_description_source WHERE document_id = ANY(%(documents)s)) x
JOIN aegis_document d ON d.id = x.document_id
WHERE NOT EXISTS (SELECT FROM aegis_placement p WHERE p.generation_id = d.live_id AND p.chunk_id = x.chunk_id)"""

CHUNKS: Final = 2000  # whose texts are in memory together, 5 MB; each is cut into sentences once, whoever is named in it
NAMES: Final = 8  # of an entity
READ: Final = 200  # mentions of a name, the live ones and those that are not
MENTIONS: Final = 24  # of a name
MOST_HOMES: Final = 4  # of a name: "Examples", a heading of every chapter, is no chunk's own


class Describing(Base):
    @writes
    def describe(self, connection: Connection, entities: Collection[UUID]) -> None:
        """Describe those of the entities that have no description of the evidence that they have now."""
        connection.execute(NO_WAIT)
        found = rows(connection, WANTED, entities=list(entities), few=MENTIONS)
        gone = [row["id"] for row in found if row["gone"]]
        lost = [row["id"] for row in found if row["lost"]]
        for entities_of, statements in ((gone, DROP), (lost, FORGET)):
            for statement in statements if entities_of else ():
                connection.execute(statement, {"entities": entities_of})
        if wanted := [row["id"] for row in found if not row["gone"]]:
            for group in _groups(_named(connection, wanted)):
                _describe(connection, group)


def lost_descriptions(connection: Connection, documents: Collection[UUID]) -> set[UUID]:
    """Return the entities whose description comes from chunks of these documents that are not live."""
    return {row["id"] for row in rows(connection, LOST, documents=list(documents))} if documents else set()


def evidence_of(connection: Connection, entities: Sequence[UUID]) -> tuple[Mapping[UUID, list[Named]], dict[UUID, Passage]]:
    """Return where each entity is named, and the texts of these chunks."""
    named = _named(connection, entities)
    return named, _passages(connection, named)


def _groups(named: Mapping[UUID, list[Named]]) -> Iterator[dict[UUID, list[Named]]]:
    """Yield the entities in groups whose chunks' texts may be in memory together."""
    group, chunks = dict[UUID, list[Named]](), set[UUID]()
    for entity, names in named.items():
        group[entity] = names
        chunks.update(name.chunk for name in names)
        if len(chunks) >= CHUNKS:
            yield group
            group, chunks = {}, set()
    if group:
        yield group


def _describe(connection: Connection, named: Mapping[UUID, list[Named]]) -> None:
    passages = _passages(connection, named)
    places = {entity: next(telling(names, passages), None) for entity, names in named.items()}
    connection.execute(
        SAVE,
        {
            "entities": list(places),
            "chunks": [place and place.chunk for place in places.values()],
            "starts": [place.start if place else 0 for place in places.values()],
            "ends": [place.end if place else 0 for place in places.values()],
        },
    )


def _named(connection: Connection, entities: Sequence[UUID]) -> Mapping[UUID, list[Named]]:
    """Return where each entity is named: in the chunks that are about it, and in some others."""
    named: dict[UUID, list[Named]] = {entity: [] for entity in entities}
    for row in rows(connection, NAMED, entities=entities, names=NAMES, homes=MOST_HOMES, read=READ, mentions=MENTIONS):
        named[row.pop("entity")].append(Named(**row))
    return named


def _passages(connection: Connection, named: Mapping[UUID, list[Named]]) -> dict[UUID, Passage]:
    chunks = {name.chunk for names in named.values() for name in names}
    return {row["chunk"]: _passage(row) for row in rows(connection, TEXTS, chunks=list(chunks))}


def _passage(row: DictRow) -> Passage:
    return Passage(row["text"], (row["window"], row["place"], row["document"]))
