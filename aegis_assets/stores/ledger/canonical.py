"""Which names stand for another one: what follows from the recorded merges around some names.

Merges are the truth and `canonical_id` follows from them, so a merge can be undone, and stays undone whoever finds it again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, get_args
from uuid import UUID

from psycopg.rows import DictRow

from aegis_assets.pipeline.matching import EntityName, MergeDecision, Reason
from aegis_assets.pipeline.resolve import components
from aegis_assets.stores.ledger.base import Connection, rows
from aegis_assets.stores.ledger.voting import OWN_TYPE

# Both what a chain of merges connects now and what was connected before: a group that fell apart must be seen whole.
# Cost: the names that any chain of merges joins with the given ones, those that guards keep apart too, and their merges.
CLOSURE: Final = f"""
WITH RECURSIVE joined(id) AS (
    SELECT id FROM aegis_entity WHERE id = ANY(%(entities)s) AND collection_id = %(collection)s
    UNION
    SELECT near.id FROM joined j CROSS JOIN LATERAL (
        SELECT right_id AS id FROM aegis_merge WHERE left_id = j.id AND NOT undone
        UNION ALL SELECT left_id FROM aegis_merge WHERE right_id = j.id AND NOT undone
        UNION ALL SELECT id FROM aegis_entity WHERE canonical_id = j.id
        UNION ALL SELECT canonical_id FROM aegis_entity WHERE id = j.id) near
)
SELECT e.id, {OWN_TYPE} AS type, e.name, e.normalised, e.canonical_id FROM aegis_entity e
WHERE e.id = ANY(ARRAY(SELECT id FROM joined)) ORDER BY e.id"""
# Cost: the merges of the given names.
MERGES: Final = """
SELECT left_id, right_id, reason, score, undone FROM aegis_merge
WHERE left_id = ANY(%(entities)s) AND right_id = ANY(%(entities)s)"""


@dataclass(frozen=True)
class Regrouping:
    """A change of groups of names. canonical: name -> what it must stand for, of the names that move. names: all names of the
    groups that lose or gain one."""

    canonical: dict[UUID, UUID]
    names: frozenset[UUID]


def regrouping(connection: Connection, collection: UUID, entities: Iterable[UUID]) -> Regrouping:
    """Follow the merges from these entities on and return what must change."""
    closure = rows(connection, CLOSURE, entities=list(entities), collection=collection)
    names = {row["id"]: name_of(row) for row in closure}
    merges = rows(connection, MERGES, entities=list(names)) if len(names) > 1 else []
    edges = [edge_of(row) for row in merges if not row["undone"]]
    apart = [(row["left_id"], row["right_id"]) for row in merges if row["undone"]]
    canonical = components(names, edges, names, apart)
    moved = {row["id"]: canonical[row["id"]] for row in closure if canonical[row["id"]] != row["canonical_id"]}
    groups = {row["canonical_id"] for row in closure if row["id"] in moved} | set(moved.values())
    whole = {row["id"] for row in closure if row["canonical_id"] in groups or canonical[row["id"]] in groups}
    return Regrouping(moved, frozenset(whole))


def edge_of(row: DictRow) -> MergeDecision | tuple[UUID, UUID]:
    """Return a merge as `components` wants it. A reason that resolve does not know was given by a person, and is certain."""
    if row["reason"] not in get_args(Reason):
        return (row["left_id"], row["right_id"])
    return MergeDecision(row["left_id"], row["right_id"], row["reason"], row["score"])


def name_of(row: DictRow) -> EntityName:
    return EntityName(id=row["id"], type=row["type"], name=row["name"], normalised=row["normalised"])
