"""Entities and relations of the ledger -> what the graph page draws and lists.

Read from the ledger and not from the graph store, although both hold the same: only the ledger knows the sentence, the page and the
box, it is asked in the connection that the page has anyway, and it answers while the graph store is being started again. Everything
has a limit, and a statement that takes too long is given up with a sentence.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final
from uuid import UUID

from django.db import connection

from aegis_assets.model.ids import normalised
from aegis_assets.model.parsing import Frozen
from webadmin.console.graph import statements
from webadmin.documents.models import Collection, Document

SEEDS: Final = 14
ENOUGH: Final = 8
NODES_AT_FIRST: Final = 30
NODES_PER_STEP: Final = 12
NODES_AT_MOST: Final = 150  # what a person can still read, and a browser lay out at once
EDGES_AT_MOST: Final = 600
NAMES_OFFERED: Final = 12
NEWEST_DOCUMENTS: Final = 20


class Node(Frozen):
    """chunks: live ones that name it. neighbours: all that it has, drawn or not."""

    id: UUID
    name: str
    type: str
    chunks: int
    documents: int
    neighbours: int = 0


class Edge(Frozen):
    """addressed: all that states it speaks to its reader or to a language model, and may be an instruction."""

    source: UUID
    type: str
    target: UUID
    chunks: int
    addressed: bool = False


class Picture(Frozen):
    """full: no more fit."""

    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()
    full: bool = False

    def stated(self) -> Picture:
        """Return it without the relations that may be instructions."""
        return self.model_copy(update={"edges": tuple(edge for edge in self.edges if not edge.addressed)})


class Found(Frozen):
    """A name that was typed for. alias: the other name that fits, '' when it is its own."""

    id: UUID
    name: str
    type: str
    alias: str = ""


def rows(statement: str, **values: object) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        if cursor.description is None:
            return []
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def canonical(entities: Iterable[UUID]) -> dict[UUID, UUID]:
    """Each entity that still exists -> the one that stands for it."""
    return {row["id"]: row["canonical"] for row in rows(statements.CANONICAL, entities=list(entities))}


def neighbourhood(entity: UUID, seen: Sequence[UUID] = ()) -> Picture:
    """The entity, those nearest to it that are not seen yet, and every relation among all of them."""
    room = max(0, NODES_AT_MOST - len({*seen, entity}))
    asked = len(seen) + NODES_PER_STEP
    near = [row["id"] for row in rows(statements.NEIGHBOURS, entities=[entity], limit=asked)]
    fresh = [one for one in near if one not in set(seen)]
    new = fresh[: min(room, NODES_PER_STEP)]
    return drawn([*dict.fromkeys([entity, *seen, *new])], full=room < min(len(fresh), NODES_PER_STEP))


def around(entities: Sequence[UUID]) -> Picture:
    """These, what is nearest to them, and what relates them."""
    stand = sorted(set(canonical(entities).values()))[:NODES_AT_FIRST]
    return _joined(drawn(_with_neighbours(stand))) if stand else Picture()


def of_document(document: UUID) -> Picture:
    return _begun("document", [document])


def of_chunks(chunks: Sequence[UUID]) -> Picture:
    return _begun("chunk", chunks)


def of_collection(collection: UUID) -> Picture:
    """What its newest documents say most. All of them would mean reading millions of rows for a first look."""
    newest = Document.objects.filter(collection=collection, live__isnull=False).order_by("-created_at", "id")
    return _begun("document", list(newest.values_list("id", flat=True)[:NEWEST_DOCUMENTS]))


def _begun(kind: str, ids: Sequence[UUID]) -> Picture:
    told, named = statements.BEGIN[kind]
    first = [row["id"] for row in rows(told, ids=list(ids), limit=SEEDS)]
    named_most = [row["id"] for row in rows(named, ids=list(ids), limit=SEEDS)]
    seeds = [*dict.fromkeys([*first, *named_most])][:NODES_AT_FIRST]
    return _joined(drawn(_with_neighbours(seeds))) if seeds else Picture()


def _with_neighbours(seeds: list[UUID]) -> list[UUID]:
    near = [row["id"] for row in rows(statements.NEIGHBOURS, entities=seeds, limit=NODES_AT_FIRST - SEEDS)]
    return [*dict.fromkeys([*seeds, *near])]


def _joined(picture: Picture) -> Picture:
    """Without what no line leads to, where enough is left."""
    ends = {end for edge in picture.edges for end in (edge.source, edge.target)}
    joined = tuple(node for node in picture.nodes if node.id in ends)
    return picture.model_copy(update={"nodes": joined}) if len(joined) >= ENOUGH else picture


def drawn(entities: list[UUID], full: bool = False) -> Picture:
    edges = rows(statements.EDGES, entities=entities, limit=EDGES_AT_MOST)
    return Picture(nodes=nodes(entities), edges=tuple(Edge(**row) for row in edges), full=full)


def nodes(entities: list[UUID]) -> tuple[Node, ...]:
    degrees = {row["id"]: row["neighbours"] for row in rows(statements.DEGREES, entities=entities)}
    return tuple(Node(neighbours=degrees.get(row["id"], 0), **row) for row in rows(statements.NODES, entities=entities))


def names(collection: UUID, typed: str) -> list[Found]:
    text = normalised(typed)[:100]
    if not text:
        return []
    found = rows(statements.NAMES, collection=collection, text=text, limit=NAMES_OFFERED)
    fits = [(row, text not in normalised(row["name"])) for row in found]
    return [
        Found(id=row["id"], name=row["name"], type=row["type"], alias=(row["alias"] or "") if by_alias else "")
        for row, by_alias in fits
    ]


def collections() -> list[Collection]:
    return list(Collection.objects.only("id", "name").order_by("name"))
