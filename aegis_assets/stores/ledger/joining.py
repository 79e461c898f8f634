"""Short forms of a document's names -> the entities of the full names that the document has (`pipeline.joining`).

A mention keeps its text and remembers the entity of its own name, so that the next content of the document may take the join back.
Chunks that the live generation shares with the one in the making follow at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from psycopg.types.json import Jsonb

from aegis_assets.model.extraction import UNSURE
from aegis_assets.model.ids import normalised
from aegis_assets.model.outbox import Kind
from aegis_assets.pipeline.blocking import blocks
from aegis_assets.pipeline.entity_types import is_generic
from aegis_assets.pipeline.joining import LocalName, join_short_forms
from aegis_assets.pipeline.search.names import file_title, title_names
from aegis_assets.stores.ledger.base import Base, Connection, rows, writes
from aegis_assets.stores.ledger.evidence import changing
from aegis_assets.stores.ledger.extraction import ADD_ENTITIES, GROUPS, LIVE, NAME_LENGTH
from aegis_assets.stores.ledger.fence import fence
from aegis_assets.stores.ledger.graph_drop import drop_unnamed

# Cost: the document's mentions. Thousandths, whose sum no order of rows changes.
LOCAL_NAMES: Final = """
SELECT coalesce(m.joined_from, m.entity_id) AS own, m.entity_id AS entity, m.name, m.type,
    sum(round(m.confidence * 1000))::bigint AS weight, count(*) AS mentions
FROM aegis_document d JOIN aegis_placement p ON p.generation_id = coalesce(d.making_id, d.live_id)
JOIN aegis_mention m ON m.chunk_id = p.chunk_id
WHERE d.id = %(document)s GROUP BY 1, 2, 3, 4"""
# The document's first headings of the highest level: one is its title, two are none. Cost: the document's chunks.
TITLES: Final = """
SELECT DISTINCT d.name, p.headings[1] AS heading
FROM aegis_document d JOIN aegis_placement p ON p.generation_id = coalesce(d.making_id, d.live_id)
WHERE d.id = %(document)s LIMIT 2"""
COLLECTION: Final = "SELECT collection_id AS collection FROM aegis_document WHERE id = %(document)s"
# What a person decided of a name goes before. Cost: the merges of the names given.
DECIDED: Final = """
SELECT left_id AS id FROM aegis_merge WHERE left_id = ANY(%(names)s) AND (undone OR reason = 'person')
UNION SELECT right_id FROM aegis_merge WHERE right_id = ANY(%(names)s) AND (undone OR reason = 'person')"""
# Cost of these three: the document's mentions of the names given, and the relations of these.
MOVE_MENTIONS: Final = """
UPDATE aegis_mention m SET entity_id = w.target, joined_from = nullif(w.own, w.target)
FROM unnest(%(owns)s::uuid[], %(currents)s::uuid[], %(targets)s::uuid[]) AS w(own, current, target)
WHERE m.document_id = %(document)s AND m.entity_id = w.current AND coalesce(m.joined_from, m.entity_id) = w.own
RETURNING m.chunk_id AS chunk"""
MOVE_SOURCES: Final = """
UPDATE aegis_relation r SET source_id = w.target, source_joined_from = nullif(w.own, w.target)
FROM unnest(%(owns)s::uuid[], %(currents)s::uuid[], %(targets)s::uuid[]) AS w(own, current, target)
WHERE r.document_id = %(document)s AND r.source_id = w.current AND coalesce(r.source_joined_from, r.source_id) = w.own"""
MOVE_TARGETS: Final = """
UPDATE aegis_relation r SET target_id = w.target, target_joined_from = nullif(w.own, w.target)
FROM unnest(%(owns)s::uuid[], %(currents)s::uuid[], %(targets)s::uuid[]) AS w(own, current, target)
WHERE r.document_id = %(document)s AND r.target_id = w.current AND coalesce(r.target_joined_from, r.target_id) = w.own"""


@dataclass
class _Said:
    """A name's mentions in a document. entities: those that they have now. votes: thousandths, by type."""

    entities: set[UUID] = field(default_factory=set)
    spellings: set[str] = field(default_factory=set)
    votes: dict[str, int] = field(default_factory=dict)
    mentions: dict[str, int] = field(default_factory=dict)

    def local_name(self, own: UUID) -> LocalName:
        kind = _voted(self.votes)
        disputed = 4 * self.votes[kind] < 3 * sum(self.votes.values())  # chunks of the document say different things
        sure = self.votes[kind] > 1000 * UNSURE * self.mentions[kind] and not disputed
        return LocalName(own, normalised(min(self.spellings))[:NAME_LENGTH], kind, frozenset(self.spellings), sure)


class Joining(Base):
    @writes
    def join_names(self, connection: Connection, document: UUID, run_id: str) -> None:
        """Join the short forms of the document's present generation, and take back what does not fit any more.

        Raises Superseded when the run does not hold the document.
        """
        fence(connection, document, run_id)
        said = _said(connection, document)
        full = _joins(connection, said, _titles(connection, document))
        moves = [
            (own, current, full.get(own, own))
            for own, name in sorted(said.items())
            for current in sorted(name.entities)
            if current != full.get(own, own)
        ]
        if not moves:
            return
        (row,) = rows(connection, COLLECTION, document=document)
        names = {id for move in moves for id in move}
        with changing(connection, row["collection"], document) as change:
            connection.execute(ADD_ENTITIES, {"collection": row["collection"], "rows": Jsonb(_own_entities(said, moves))})
            whole = {row["id"] for row in rows(connection, GROUPS, names=list(names))} | names
            with change.tracked([document], whole):
                owns, currents, targets = (list(column) for column in zip(*moves, strict=True))
                move = {"document": document, "owns": owns, "currents": currents, "targets": targets}
                chunks = {row["chunk"] for row in rows(connection, MOVE_MENTIONS, **move)}
                for statement in (MOVE_SOURCES, MOVE_TARGETS):
                    connection.execute(statement, move)
            live = rows(connection, LIVE, document=document, chunks=list(chunks))
            change.mark(Kind.CHUNK, (row["id"] for row in live))
            drop_unnamed(connection, change, {current for _, current, _ in moves})


def _titles(connection: Connection, document: UUID) -> set[str]:
    """Return the names that the document's file name, and its title where it has one, stand for."""
    found = rows(connection, TITLES, document=document)
    headings = [row["heading"] for row in found if row["heading"] and len(found) == 1]
    return {name for text in (*{file_title(row["name"]) for row in found}, *headings) for name in title_names(text)}


def _joins(connection: Connection, said: Mapping[UUID, _Said], titles: Collection[str]) -> dict[UUID, UUID]:
    """Return the full name of each short form, of those that no person has decided about."""
    full = join_short_forms((name.local_name(own) for own, name in said.items()), titles)
    if not full:
        return {}
    decided = {row["id"] for row in rows(connection, DECIDED, names=list(full))}
    return {own: target for own, target in full.items() if own not in decided}


def _voted(votes: Mapping[str, int]) -> str:
    """Return the type with the most votes, one that says little only where nothing says more."""
    return min(votes, key=lambda word: (is_generic(word), -votes[word], word))


def _said(connection: Connection, document: UUID) -> dict[UUID, _Said]:
    said: dict[UUID, _Said] = defaultdict(_Said)
    for row in rows(connection, LOCAL_NAMES, document=document):
        name = said[row["own"]]
        name.entities.add(row["entity"])
        name.spellings.add(row["name"])
        name.votes[row["type"]] = name.votes.get(row["type"], 0) + row["weight"]
        name.mentions[row["type"]] = name.mentions.get(row["type"], 0) + row["mentions"]
    return said


def _own_entities(said: Mapping[UUID, _Said], moves: Sequence[tuple[UUID, UUID, UUID]]) -> list[dict[str, Any]]:
    """Return the rows of names that become entities of their own again: theirs are gone."""
    found = {own: said[own].local_name(own) for own, _, target in moves if own == target}
    return [
        {
            "id": str(own),
            "type": name.type,
            "name": min(name.spellings),
            "normalised": name.normalised,
            "blocks": sorted(set(blocks(name.normalised))),
        }
        for own, name in sorted(found.items())
    ]
