"""A person's decisions about names: two entities are one, some names of an entity are another, and the undoing of either.

They stand in the table of merges, where resolve finds them and leaves them as they are, and each is kept with the rows as they
were before, so that undoing puts back exactly these. What a decision changes in the graph stands in the outbox when it is made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from psycopg.types.json import Jsonb

from aegis_assets.errors import NotAllowed, NotFound
from aegis_assets.pipeline.decide import Decided, Pair, joined, separated, together
from aegis_assets.pipeline.matching import EntityName
from aegis_assets.pipeline.resolve import components
from aegis_assets.stores.ledger.base import Base, Connection, one, rows, writes
from aegis_assets.stores.ledger.canonical import edge_of, name_of
from aegis_assets.stores.ledger.evidence import changing
from aegis_assets.stores.ledger.graph_drop import drop_unnamed
from aegis_assets.stores.ledger.voting import OWN_TYPE

MOST_PAIRS: Final = 20_000

# Cost of these four: the names of the entities given, and their merges.
GROUPS: Final = f"""
SELECT e.id, {OWN_TYPE} AS type, e.name, e.normalised, e.canonical_id FROM aegis_entity e
WHERE e.collection_id = %(collection)s
  AND e.canonical_id = ANY(ARRAY(
    SELECT canonical_id FROM aegis_entity WHERE id = ANY(%(entities)s) AND collection_id = %(collection)s))
ORDER BY e.id"""
KNOWN: Final = """
SELECT left_id, right_id, reason, score, undone FROM aegis_merge
WHERE left_id = ANY(%(entities)s) AND right_id = ANY(%(entities)s) ORDER BY left_id, right_id"""
# No key: what a person has touched is not dissolved when a key becomes crowded.
SAVE: Final = """
INSERT INTO aegis_merge (collection_id, left_id, right_id, reason, score, undone)
SELECT %(collection)s, w.a, w.b, w.reason, w.score, w.undone
FROM unnest(%(lefts)s::uuid[], %(rights)s::uuid[], %(reasons)s::text[], %(scores)s::float[], %(undones)s::bool[])
    AS w(a, b, reason, score, undone)
JOIN aegis_entity l ON l.id = w.a JOIN aegis_entity r ON r.id = w.b
ON CONFLICT (left_id, right_id) DO UPDATE
SET reason = excluded.reason, score = excluded.score, undone = excluded.undone, block = ''"""
FORGET: Final = """
DELETE FROM aegis_merge m USING unnest(%(lefts)s::uuid[], %(rights)s::uuid[]) AS w(a, b)
WHERE m.left_id = w.a AND m.right_id = w.b"""
# Cost of these four: one decision.
REMEMBER: Final = """
INSERT INTO aegis_decision (collection_id, kind, names, before, after, decided_by)
VALUES (%(collection)s, %(kind)s, %(names)s, %(before)s, %(after)s, %(by)s) RETURNING id"""
DECISION: Final = "SELECT collection_id, before, after FROM aegis_decision WHERE id = %(decision)s"
UNDONE: Final = """
UPDATE aegis_decision SET undone_at = now(), undone_by = %(by)s WHERE id = %(decision)s AND undone_at IS NULL RETURNING id"""
THERE: Final = "SELECT id FROM aegis_entity WHERE id = ANY(%(entities)s)"


class Deciding(Base):
    """Every method raises NotAllowed if it makes no sense, after which nothing has changed. by: who decides, for people to read."""

    @writes
    def merge_entities(self, connection: Connection, collection: UUID, pair: tuple[UUID, UUID], by: str) -> Decided:
        """Make two entities, by any of their names, one from now on."""
        with changing(connection, collection) as change:
            groups = _groups(connection, collection, pair)
            if len(groups) == 1:
                raise NotAllowed("These two are one entity already.")
            left, right = groups
            known = _known(connection, [*groups[left], *groups[right]])
            after = together((left, right), list(groups[left]), list(groups[right]), known)
            decision = _remember(connection, collection, "merge", [left, right], known, after, by)
            change.regroup(_touched(after))
        return Decided(decision=decision, collection=collection, keys=frozenset(change.keys))

    @writes
    def split_entity(self, connection: Connection, collection: UUID, entity: UUID, names: Sequence[UUID], by: str) -> Decided:
        """Make these names of the entity one of their own from now on; the others stay together."""
        with changing(connection, collection) as change:
            (group,) = _groups(connection, collection, [entity]).values()
            taken, left = sorted(set(names) & group.keys()), sorted(group.keys() - set(names))
            if not taken or not left or set(names) - group.keys():
                raise NotAllowed("Choose some of the entity's names, and not all of them.")
            if len(taken) * len(left) > MOST_PAIRS:
                raise NotAllowed("This entity has too many names to take so many out at once: take out fewer.")
            known = _known(connection, list(group))
            after = separated(taken, left, known)
            for side in (taken, left):
                after += _held_together(connection, {id: group[id] for id in side})
            decision = _remember(connection, collection, "split", [left[0], *taken], known, after, by)
            change.regroup(_touched(after))
        return Decided(decision=decision, collection=collection, keys=frozenset(change.keys))

    @writes
    def undo_decision(self, connection: Connection, decision: int, by: str) -> Decided:
        """Put back the rows as they were before. Names that are gone meanwhile are passed over. Raises NotFound."""
        row = one(connection, DECISION, decision=decision)
        if row is None:
            raise NotFound("There is no such decision.")
        collection = UUID(str(row["collection_id"]))
        with changing(connection, collection) as change:
            if one(connection, UNDONE, decision=decision, by=by) is None:
                raise NotAllowed("This decision is undone already.")
            before = [Pair.model_validate(pair) for pair in row["before"]]
            touched = _touched(before)
            there = {found["id"] for found in rows(connection, THERE, entities=touched)}
            now = {pair.key: pair for pair in _known(connection, touched)}
            for pair in (Pair.model_validate(kept) for kept in row["after"]):
                if set(pair.key) <= there and now.get(pair.key, _nothing(pair)) != pair:
                    raise NotAllowed("A later decision speaks of the same names: undo that one first.")
            _save(connection, collection, before)
            change.regroup(sorted(there))
            drop_unnamed(connection, change, there)  # what only waited for this decision
        return Decided(decision=decision, collection=collection, keys=frozenset(change.keys))


def _groups(connection: Connection, collection: UUID, entities: Sequence[UUID]) -> dict[UUID, dict[UUID, EntityName]]:
    """canonical id -> its names. Raises NotFound unless each entity is there."""
    found: dict[UUID, dict[UUID, EntityName]] = {}
    for row in rows(connection, GROUPS, collection=collection, entities=list(entities)):
        found.setdefault(row["canonical_id"], {})[row["id"]] = name_of(row)
    if set(entities) - {id for group in found.values() for id in group}:
        raise NotFound("There is no such entity in this collection any more.")
    return found


def _known(connection: Connection, entities: Sequence[UUID]) -> list[Pair]:
    return [
        Pair(left=row["left_id"], right=row["right_id"], reason=row["reason"], score=row["score"], undone=row["undone"])
        for row in rows(connection, KNOWN, entities=list(entities))
    ]


def _held_together(connection: Connection, names: Mapping[UUID, EntityName]) -> list[Pair]:
    """Merges by hand for what only the other side held together."""
    known = rows(connection, KNOWN, entities=list(names))
    edges = [edge_of(row) for row in known if not row["undone"]]
    apart = [(row["left_id"], row["right_id"]) for row in known if row["undone"]]
    first, *others = sorted(set(components(names, edges, names, apart).values()))
    return [joined(first, other) for other in others]


def _remember(
    connection: Connection,
    collection: UUID,
    kind: str,
    names: list[UUID],
    known: Sequence[Pair],
    after: Sequence[Pair],
    by: str,
) -> int:
    """Save the merges of a decision, with what undoing it needs. Return its id."""
    there = {pair.key: pair for pair in known}
    before = [there.get(pair.key, _nothing(pair)) for pair in after]
    _save(connection, collection, after)
    kept = {"before": _json(before), "after": _json(after)}
    row = one(connection, REMEMBER, collection=collection, kind=kind, names=names, by=by, **kept)
    return int(row["id"]) if row else 0


def _touched(pairs: Sequence[Pair]) -> list[UUID]:
    return sorted({id for pair in pairs for id in pair.key})


def _nothing(pair: Pair) -> Pair:
    return Pair(left=pair.left, right=pair.right, reason=None)


def _json(pairs: Sequence[Pair]) -> Jsonb:
    return Jsonb([pair.model_dump(mode="json") for pair in pairs])


def _save(connection: Connection, collection: UUID, pairs: Sequence[Pair]) -> None:
    gone = [pair for pair in pairs if pair.reason is None]
    connection.execute(FORGET, {"lefts": [pair.left for pair in gone], "rights": [pair.right for pair in gone]})
    kept = [pair for pair in pairs if pair.reason is not None]
    values = {
        "lefts": [pair.left for pair in kept],
        "rights": [pair.right for pair in kept],
        "reasons": [pair.reason for pair in kept],
        "scores": [pair.score for pair in kept],
        "undones": [pair.undone for pair in kept],
    }
    connection.execute(SAVE, {"collection": collection, **values})
