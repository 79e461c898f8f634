"""The content of the graph by live evidence, kept by difference, and what of it must still be written there.

Evidence is live when its chunk is placed in the live generation of its document. Whatever changes that goes through `changing`:
`aegis_graph_entity` and `aegis_graph_relation` then follow by what the documents concerned contributed before and after, and what
differs is marked in the outbox, all in the caller's transaction. So do the votes on the types of entities (`voting`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple, TypeVar
from uuid import UUID

from psycopg.rows import DictRow

from aegis_assets.model.graph import Triple
from aegis_assets.model.ids import relation_id
from aegis_assets.model.outbox import Key, Kind
from aegis_assets.stores.ledger.base import Connection, one, rows
from aegis_assets.stores.ledger.canonical import regrouping
from aegis_assets.stores.ledger.describing import lost_descriptions
from aegis_assets.stores.ledger.fence import lock_name
from aegis_assets.stores.ledger.homes import follow_homes
from aegis_assets.stores.ledger.voting import add_votes, set_types, votes

# Cost of these four: what the documents' live chunks say; with names, only what they say of these.
ALL_ENTITIES: Final = """
SELECT m.document_id AS document, e.canonical_id AS entity, count(DISTINCT m.chunk_id) AS chunks,
    array_agg(DISTINCT e.id ORDER BY e.id) AS names, array_agg(DISTINCT m.name ORDER BY m.name) FILTER (
        WHERE m.joined_from IS NOT NULL) AS short_forms
FROM aegis_document d JOIN aegis_placement p ON p.generation_id = d.live_id
JOIN aegis_mention m ON m.chunk_id = p.chunk_id JOIN aegis_entity e ON e.id = m.entity_id
WHERE d.id = ANY(%(documents)s) GROUP BY m.document_id, e.canonical_id"""
ALL_RELATIONS: Final = """
SELECT r.document_id AS document, s.canonical_id AS source, r.type, t.canonical_id AS target,
    count(DISTINCT r.chunk_id) AS chunks,
    hashtextextended(string_agg(concat_ws(' ', r.chunk_id, r.start, r."end", r.confidence), ' '
        ORDER BY r.chunk_id, r.start, r."end", r.confidence), 0) AS statements
FROM aegis_document d JOIN aegis_placement p ON p.generation_id = d.live_id
JOIN aegis_relation r ON r.chunk_id = p.chunk_id
JOIN aegis_entity s ON s.id = r.source_id JOIN aegis_entity t ON t.id = r.target_id
WHERE d.id = ANY(%(documents)s) AND s.canonical_id <> t.canonical_id
GROUP BY r.document_id, s.canonical_id, r.type, t.canonical_id"""
NAMED_ENTITIES: Final = ALL_ENTITIES.replace(
    "GROUP BY", "AND m.document_id = ANY(%(documents)s) AND m.entity_id = ANY(%(names)s)\nGROUP BY"
)
NAMED_RELATIONS: Final = ALL_RELATIONS.replace(
    "GROUP BY",
    "AND r.document_id = ANY(%(documents)s) AND (r.source_id = ANY(%(names)s) OR r.target_id = ANY(%(names)s))\nGROUP BY",
)
# Cost of these four: the rows given.
ADD_ENTITIES: Final = """
INSERT INTO aegis_graph_entity AS g (id, collection_id, chunks, documents)
SELECT w.id, %(collection)s, w.chunks, w.documents
FROM unnest(%(ids)s::uuid[], %(chunks)s::int[], %(documents)s::int[]) AS w(id, chunks, documents)
ON CONFLICT (id) DO UPDATE SET chunks = g.chunks + EXCLUDED.chunks, documents = g.documents + EXCLUDED.documents"""
DROP_ENTITIES: Final = "DELETE FROM aegis_graph_entity WHERE id = ANY(%(ids)s) AND chunks <= 0"
ADD_RELATIONS: Final = """
INSERT INTO aegis_graph_relation AS g (id, collection_id, source_id, type, target_id, chunks, documents)
SELECT w.id, %(collection)s, w.source, w.type, w.target, w.chunks, w.documents
FROM unnest(%(ids)s::uuid[], %(sources)s::uuid[], %(types)s::text[], %(targets)s::uuid[], %(chunks)s::int[], %(documents)s::int[])
    AS w(id, source, type, target, chunks, documents)
ON CONFLICT (id) DO UPDATE SET chunks = g.chunks + EXCLUDED.chunks, documents = g.documents + EXCLUDED.documents"""
DROP_RELATIONS: Final = "DELETE FROM aegis_graph_relation WHERE id = ANY(%(ids)s) AND chunks <= 0"

# Cost: the mentions of the names that move. Looked up one by one: of a name that 1 % of the chunks have, a join read all documents.
MENTIONING: Final = """
SELECT m.document_id AS document, m.chunk_id AS chunk FROM aegis_mention m CROSS JOIN LATERAL (
    SELECT FROM aegis_document d JOIN aegis_placement p ON p.generation_id = d.live_id AND p.chunk_id = m.chunk_id
    WHERE d.id = m.document_id LIMIT 1) live
WHERE m.entity_id = ANY(%(names)s)"""
# Cost: the names that move.
SET_CANONICAL: Final = """
UPDATE aegis_entity e SET canonical_id = fresh.canonical
FROM unnest(%(ids)s::uuid[], %(canonicals)s::uuid[]) AS fresh(id, canonical) WHERE e.id = fresh.id"""
# Cost: the rows given. Sorted, as those who take rows out lock them: no two transactions wait crosswise.
MARK: Final = """
INSERT INTO aegis_outbox AS o (collection_id, kind, key, source_id, type, target_id, document_id)
SELECT %(collection)s, w.kind, w.key, w.source, coalesce(w.type, ''), w.target, %(owner)s::uuid
FROM unnest(%(kinds)s::text[], %(keys)s::uuid[], %(sources)s::uuid[], %(types)s::text[], %(targets)s::uuid[])
    AS w(kind, key, source, type, target)
ORDER BY w.kind, w.key
ON CONFLICT (collection_id, kind, key) DO UPDATE
SET version = o.version + 1, document_id = coalesce(EXCLUDED.document_id, o.document_id)"""
# Cost: the one document's rows.
LIVE: Final = "SELECT collection_id AS collection, live_id AS live FROM aegis_document WHERE id = %(document)s"
PLACED: Final = "SELECT chunk_id AS id FROM aegis_placement WHERE generation_id = %(generation)s"


class Contribution(NamedTuple):
    """A document's live evidence of an entity or relation. content: differs where they say it otherwise."""

    chunks: int
    content: object


Object = TypeVar("Object", UUID, Triple)  # an entity, or a relation
Contributions = dict[tuple[UUID, Object], Contribution]  # by document and object


class Change:
    """A transaction's changes of live evidence. Made by `changing`, under the collection's lock on canonical names."""

    def __init__(self, connection: Connection, collection: UUID) -> None:
        self._connection, self._collection = connection, collection
        self._triples: dict[UUID, Triple] = {}
        self._touched: set[UUID] = set()
        self._retyped: set[UUID] = set()
        self.keys: set[Key] = set()

    def mark(self, kind: Kind, ids: Iterable[UUID]) -> None:
        """Let these objects be compared with the ledger and written. Relations: `mark_relations`."""
        self.keys.update(Key(kind, id) for id in ids)

    def mark_relations(self, triples: Iterable[Triple]) -> list[UUID]:
        """Mark relations, by their canonical ends. Return their ids."""
        by_id = {relation_id(*triple): triple for triple in triples}
        self._triples |= by_id
        self.mark(Kind.RELATION, by_id)
        return list(by_id)

    @contextmanager
    def tracked(self, documents: Collection[UUID], names: Collection[UUID] | None = None) -> Iterator[None]:
        """Follow what the body changes of the documents' live evidence. names: nothing else changes than what is said of these."""
        before = votes(self._connection, documents, names)
        with self._counted(documents, names):
            yield
        if names is None:  # other chunks may say the same, and the sentence that described something is live no more
            self.mark(Kind.ENTITY, lost_descriptions(self._connection, documents))
        voted = add_votes(self._connection, before, votes(self._connection, documents, names))
        self._touched |= voted.touched
        self._retyped |= voted.retyped

    @contextmanager
    def _counted(self, documents: Collection[UUID], names: Collection[UUID] | None) -> Iterator[None]:
        """Follow what the body changes of the graph's contents, without the votes: these do not depend on canonical names."""
        before = self._contributions(documents, names)
        yield
        after = self._contributions(documents, names)
        entities, relations = _difference(before[0], after[0]), _difference(before[1], after[1])
        self.mark(Kind.ENTITY, entities)
        ids = self.mark_relations(relations)
        self._apply(entities, dict(zip(ids, relations.values(), strict=True)))

    def regroup(self, entities: Iterable[UUID]) -> set[UUID]:
        """Follow the merges around these names. Return the names that stand for themselves or for another one since now."""
        wanted = regrouping(self._connection, self._collection, entities)
        if not wanted.canonical:
            return set()
        self._touched |= wanted.names
        moved = list(wanted.canonical)
        mentioning = rows(self._connection, MENTIONING, names=moved)
        with self._counted({row["document"] for row in mentioning}, wanted.names):
            self._connection.execute(SET_CANONICAL, {"ids": moved, "canonicals": list(wanted.canonical.values())})
        self.mark(Kind.CHUNK, {row["chunk"] for row in mentioning})
        return set(moved)

    def save(self, owner: UUID | None) -> None:
        """Follow the votes on types, and write the marks."""
        if self._retyped:
            self.regroup(self._retyped)  # what may be one depends on the types
        if self._touched:
            self.mark(Kind.ENTITY, set_types(self._connection, self._touched))
        keys = sorted(self.keys)
        if keys:
            triples = [self._triples.get(key.id) if key.kind is Kind.RELATION else None for key in keys]
            marks: dict[str, list[object]] = {
                "kinds": [key.kind for key in keys],
                "keys": [key.id for key in keys],
                "sources": [triple and triple[0] for triple in triples],
                "types": [triple and triple[1] for triple in triples],
                "targets": [triple and triple[2] for triple in triples],
            }
            self._connection.execute(MARK, {"collection": self._collection, "owner": owner, **marks})

    def _contributions(
        self, documents: Collection[UUID], names: Collection[UUID] | None
    ) -> tuple[Contributions[UUID], Contributions[Triple]]:
        if not documents:
            return {}, {}
        asked = {"documents": list(documents), "names": list(names or ())}
        said = rows(self._connection, ALL_ENTITIES if names is None else NAMED_ENTITIES, **asked)
        entities = {(row["document"], row["entity"]): _entity(row) for row in said}
        stated = rows(self._connection, ALL_RELATIONS if names is None else NAMED_RELATIONS, **asked)
        relations = {
            (row["document"], (row["source"], row["type"], row["target"])): Contribution(row["chunks"], row["statements"])
            for row in stated
        }
        return entities, relations

    def _apply(self, entities: Mapping[UUID, Sequence[int]], relations: Mapping[UUID, Sequence[int]]) -> None:
        for deltas, add, drop in ((entities, ADD_ENTITIES, DROP_ENTITIES), (relations, ADD_RELATIONS, DROP_RELATIONS)):
            ids = sorted(id for id, delta in deltas.items() if any(delta))
            if not ids:
                continue
            values: dict[str, object] = {
                "collection": self._collection,
                "ids": ids,
                "chunks": [deltas[id][0] for id in ids],
                "documents": [deltas[id][1] for id in ids],
            }
            if add is ADD_RELATIONS:
                triples = [self._triples[id] for id in ids]
                values |= {name: [triple[n] for triple in triples] for n, name in enumerate(("sources", "types", "targets"))}
            self._connection.execute(add, values)
            self._connection.execute(drop, {"ids": [id for id in ids if deltas[id][0] < 0]})


def _entity(row: DictRow) -> Contribution:
    return Contribution(row["chunks"], (tuple(row["names"]), tuple(row["short_forms"] or ())))


@contextmanager
def changing(connection: Connection, collection: UUID, owner: UUID | None = None) -> Iterator[Change]:
    """Change live evidence in the caller's transaction. owner: the document whose publishing writes what is marked.

    Lock documents before: whoever has this lock waits for no other lock that is held for long.
    """
    lock_name(connection, f"canonical:{collection}")
    change = Change(connection, collection)
    yield change
    change.save(owner)


@contextmanager
def placing(connection: Connection, document: UUID, generation: int) -> Iterator[None]:
    """Let the body place the generation's chunks anew. Does nothing else unless the generation is live, as in a retry."""
    row = one(connection, LIVE, document=document)
    if row is None or row["live"] != generation:
        yield
        return
    with changing(connection, row["collection"], document) as change:
        before = {placed["id"] for placed in rows(connection, PLACED, generation=generation)}
        with change.tracked([document]):
            yield
        follow_homes(connection, [document])
        after = {placed["id"] for placed in rows(connection, PLACED, generation=generation)}
        change.mark(Kind.CHUNK, after - before)
        for kind in (Kind.CONTENT, Kind.DOCUMENT):
            change.mark(kind, [document])


def regroup(connection: Connection, collection: UUID, names: Iterable[UUID], owner: UUID | None = None) -> None:
    """Follow changed merges around these names, in the caller's transaction."""
    with changing(connection, collection, owner) as change:
        change.regroup(names)


def _difference(before: Contributions[Object], after: Contributions[Object]) -> dict[Object, list[int]]:
    """Return by how many chunks and documents each entity or relation gained, of those of which anything differs."""
    deltas: dict[Object, list[int]] = defaultdict(lambda: [0, 0])
    for key in before.keys() | after.keys():
        old, new = before.get(key), after.get(key)
        if old != new:
            delta = deltas[key[1]]
            delta[0] += (new.chunks if new else 0) - (old.chunks if old else 0)
            delta[1] += bool(new) - bool(old)
    return deltas
