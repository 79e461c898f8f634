"""The live graph around chunks and entities, for a search's walk: chunks, what they name, and what they are about.

An entity is its canonical normalised name, whatever types its mentions gave it; a title or heading that no extractor found is one
too. Nothing here grows with the collection: what thousands of chunks name is read up to a limit.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Final
from uuid import UUID

from psycopg.rows import DictRow

from aegis_assets.pipeline.search.names import chosen, in_question, in_text, lead_of, leads
from aegis_assets.pipeline.search.walk import Entity, Walked, seeds, walk
from aegis_assets.stores.ledger.base import Base, Connection, reads, rows

# Cost: the names that the question may hold, times the types of an entity and the limit of homes.
NAMED: Final = """
SELECT e.collection_id AS collection, e.normalised AS name, c.id, c.normalised AS key, c.name AS label,
    coalesce(g.chunks, 1) AS degree
FROM aegis_entity e JOIN aegis_entity c ON c.id = e.canonical_id
LEFT JOIN aegis_graph_entity g ON g.id = c.id
WHERE e.collection_id = %(collection)s AND e.normalised = ANY(%(names)s)"""
# Cost: the names that the question may hold, times the limit.
SHORT: Final = """
SELECT c.collection_id AS collection, s.short AS name, c.id, c.normalised AS key, c.name AS label, coalesce(g.chunks, 1) AS degree
FROM (
    SELECT k.name AS short, f.entity_id, f.mentions FROM unnest(%(names)s::text[]) AS k(name) CROSS JOIN LATERAL (
        SELECT f.entity_id, f.mentions FROM aegis_surface_form f JOIN aegis_entity e ON e.id = f.entity_id
        WHERE f.normalised = k.name AND f.name <> '' AND e.collection_id = %(collection)s LIMIT %(limit)s) f) s
JOIN aegis_entity e ON e.id = s.entity_id JOIN aegis_entity c ON c.id = e.canonical_id
LEFT JOIN aegis_graph_entity g ON g.id = c.id
ORDER BY s.short, s.mentions DESC, c.id"""
TITLED: Final = """
SELECT k.name FROM unnest(%(names)s::text[]) AS k(name)
WHERE EXISTS (SELECT FROM aegis_home h WHERE h.collection_id = %(collection)s AND h.name = k.name)"""
# Cost of these three: the chunks, and what they mention or are about.
TEXTS: Final = """
SELECT c.id AS chunk, d.collection_id AS collection, c.text
FROM aegis_chunk c JOIN aegis_document d ON d.id = c.document_id
WHERE c.id = ANY(%(chunks)s) AND d.state <> 'removing' AND EXISTS (
    SELECT FROM aegis_placement p WHERE p.chunk_id = c.id AND p.generation_id = d.live_id)"""
MENTIONED: Final = """
SELECT DISTINCT m.chunk_id AS chunk, c.collection_id AS collection, c.id, c.normalised AS key, c.name AS label,
    coalesce(g.chunks, 1) AS degree
FROM aegis_mention m JOIN aegis_entity e ON e.id = m.entity_id JOIN aegis_entity c ON c.id = e.canonical_id
LEFT JOIN aegis_graph_entity g ON g.id = c.id WHERE m.chunk_id = ANY(%(chunks)s)"""
ABOUT: Final = "SELECT chunk_id AS chunk, name FROM aegis_home WHERE chunk_id = ANY(%(chunks)s)"
# Cost: the first words that the texts' names may have, times the limit.
TITLES: Final = """
SELECT DISTINCT h.name FROM unnest(%(leads)s::text[]) AS k(lead) CROSS JOIN LATERAL (
    SELECT name FROM aegis_home WHERE collection_id = %(collection)s AND lead = k.lead LIMIT %(limit)s) h"""
# Cost of these three: the entities given, times the limits.
NAMING: Final = """
SELECT k.id, m.chunk, m.times FROM unnest(%(ids)s::uuid[]) AS k(id) CROSS JOIN LATERAL (
    SELECT s.chunk_id AS chunk, count(*) AS times FROM (
        SELECT m.chunk_id, m.document_id FROM aegis_entity e JOIN aegis_mention m ON m.entity_id = e.id
        WHERE e.canonical_id = k.id LIMIT %(mentions)s) s
    WHERE EXISTS (
        SELECT FROM aegis_document d JOIN aegis_placement p ON p.generation_id = d.live_id AND p.chunk_id = s.chunk_id
        WHERE d.id = s.document_id)
    GROUP BY s.chunk_id) m"""
HOMES: Final = """
SELECT k.name, h.chunk_id AS chunk FROM unnest(%(names)s::text[]) AS k(name) CROSS JOIN LATERAL (
    SELECT chunk_id FROM aegis_home WHERE collection_id = %(collection)s AND name = k.name LIMIT %(limit)s) h"""
ALIASES: Final = """
SELECT canonical_id AS id, normalised AS name FROM aegis_entity WHERE canonical_id = ANY(%(ids)s) AND id <> canonical_id"""

MOST_HOMES: Final = 20  # of a name: "Examples", a heading of every chapter, is no chunk's own
MOST_NAMING: Final = 100  # chunks of an entity: where there are more, each would get too little to matter, and only homes are read
MOST_MENTIONS: Final = 300  # of an entity
MOST_SHORT: Final = 20  # entities that a short form stands for: the one that it is most often counts
MOST_TITLES: Final = 40  # that begin with the same words


class Walking(Base):
    @reads
    def walk(self, connection: Connection, collections: Sequence[UUID], question: str, strengths: Mapping[UUID, float]) -> Walked:
        """Walk from the question's entities and the first hits. strengths: of the hits, as `seeds` takes them."""
        graph = Neighbourhood(connection)
        return walk(seeds(strengths, graph.named_in(collections, question)), graph)

    @reads
    def chunk_texts(self, connection: Connection, chunks: Sequence[UUID]) -> dict[UUID, str]:
        """Return the texts of those of the chunks that are live."""
        return {row["chunk"]: row["text"] for row in rows(connection, TEXTS, chunks=list(chunks))}


class Neighbourhood:
    """The neighbours that a walk asks for, read on one connection: implements `pipeline.search.walk.Neighbours`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._ids: defaultdict[Entity, set[UUID]] = defaultdict(set)
        self._entities: dict[tuple[UUID, str], Entity] = {}  # by name
        self._by_key: dict[tuple[UUID, str], Entity] = {}

    def named_in(self, collections: Sequence[UUID], question: str) -> list[Entity]:
        """Return the entities of these collections that the question names; names within longer ones are left out."""
        names = in_question(question)
        found = []
        for collection in collections:
            titled = {row["name"] for row in rows(self._connection, TITLED, collection=collection, names=names)}
            known = self._called(collection, names, titled)
            found += [known[name] for name in chosen(question, known)]
        return list(dict.fromkeys(found))

    def entities(self, chunks: Sequence[UUID]) -> dict[UUID, dict[Entity, bool]]:
        """Return the entities that each live chunk names: as extracted, and titles that stand in its text."""
        texts = {row["chunk"]: row for row in rows(self._connection, TEXTS, chunks=list(chunks))}
        named: dict[UUID, dict[Entity, bool]] = {chunk: {} for chunk in texts}
        for row in rows(self._connection, MENTIONED, chunks=list(texts)):
            named[row["chunk"]][self._canonical(row)] = False
        about: defaultdict[UUID, set[str]] = defaultdict(set)
        for row in rows(self._connection, ABOUT, chunks=list(texts)):
            about[row["chunk"]].add(row["name"])
        for collection in {row["collection"] for row in texts.values()}:
            here = {chunk: row["text"] for chunk, row in texts.items() if row["collection"] == collection}
            titles = self._titles_in(collection, here)
            names = set().union(*titles.values(), *(about[chunk] for chunk in here))
            known = self._called(collection, names, names)
            for chunk in here:
                named[chunk] |= {known[name]: False for name in titles[chunk]}
                named[chunk] |= {known[name]: True for name in about[chunk]}
        return named

    def chunks(self, entities: Sequence[Entity]) -> dict[Entity, dict[UUID, bool]]:
        """Return chunks that name each entity, and whether each is its home.

        Its homes are those of its title or heading, else the chunk that names it most often.
        """
        of_id = {id: entity for entity in entities for id in self._ids[entity]}
        naming: dict[Entity, Counter[UUID]] = {entity: Counter() for entity in entities}
        few = [id for id, entity in of_id.items() if entity.degree <= MOST_NAMING]
        for row in rows(self._connection, NAMING, ids=few, mentions=MOST_MENTIONS):
            naming[of_id[row["id"]]][row["chunk"]] += row["times"]
        homes = self._homes(entities, of_id)
        return {entity: _with_homes(naming[entity], homes[entity]) for entity in entities}

    def _titles_in(self, collection: UUID, texts: Mapping[UUID, str]) -> dict[UUID, set[str]]:
        """Return the titles and headings that stand in each text."""
        begins = {chunk: leads(text) for chunk, text in texts.items()}
        asked = list(set().union(*begins.values()))
        by_lead: defaultdict[str, list[str]] = defaultdict(list)
        for row in rows(self._connection, TITLES, collection=collection, leads=asked, limit=MOST_TITLES):
            by_lead[lead_of(row["name"])].append(row["name"])
        return {chunk: set(in_text(text, begins[chunk], by_lead)) for chunk, text in texts.items()}

    def _called(self, collection: UUID, names: Collection[str], titles: Collection[str]) -> dict[str, Entity]:
        """Return the entities that these names stand for. titles: names that are an entity even if no extractor found them."""
        fresh = [name for name in names if (collection, name) not in self._entities]
        for row in rows(self._connection, NAMED, collection=collection, names=fresh) if fresh else ():
            self._entities.setdefault((collection, row["name"]), self._canonical(row))
        short = [name for name in fresh if (collection, name) not in self._entities]
        for row in rows(self._connection, SHORT, collection=collection, names=short, limit=MOST_SHORT) if short else ():
            self._entities.setdefault((collection, row["name"]), self._canonical(row))
        for name in titles:
            self._entities.setdefault((collection, name), self._entity(collection, name, name, 1))
        return {name: entity for name in names if (entity := self._entities.get((collection, name))) is not None}

    def _canonical(self, row: DictRow) -> Entity:
        """Return the entity of a canonical row; several types of a name are one."""
        entity = self._entity(row["collection"], row["key"], row["label"], max(1, row["degree"]))
        self._ids[entity].add(row["id"])
        return entity

    def _entity(self, collection: UUID, key: str, label: str, degree: int) -> Entity:
        return self._by_key.setdefault((collection, key), Entity(collection, key, label, degree))

    def _homes(self, entities: Sequence[Entity], of_id: Mapping[UUID, Entity]) -> dict[Entity, set[UUID]]:
        """Return the chunks that are about each entity, by its name or an alias; none where too many are."""
        named = defaultdict(set, {(entity.collection, entity.key): {entity} for entity in entities})
        for row in rows(self._connection, ALIASES, ids=list(of_id)):
            entity = of_id[row["id"]]
            named[entity.collection, row["name"]].add(entity)
        found: defaultdict[tuple[UUID, str], set[UUID]] = defaultdict(set)
        for collection in {entity.collection for entity in entities}:
            names = [name for of, name in named if of == collection]
            for row in rows(self._connection, HOMES, collection=collection, names=names, limit=MOST_HOMES + 1):
                found[collection, row["name"]].add(row["chunk"])
        homes: dict[Entity, set[UUID]] = {entity: set() for entity in entities}
        for name, chunks in found.items():
            for entity in named[name] if len(chunks) <= MOST_HOMES else ():
                homes[entity] |= chunks
        return homes


def _with_homes(naming: Counter[UUID], homes: set[UUID]) -> dict[UUID, bool]:
    """Return the chunks, and whether each is a home: without homes, the one chunk that names the entity most often."""
    if not homes and naming:
        (chunk, most), *others = naming.most_common(2)
        if most > 1 and all(times < most for _, times in others):
            homes = {chunk}
    return dict.fromkeys(naming, False) | dict.fromkeys(homes, True)
