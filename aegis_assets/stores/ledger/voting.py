"""The types of entities by vote, and the forms that their names have, kept by difference.

Each live mention votes for its type by its source's confidence. `aegis_surface_form` has the sums of each name and type, apart for
short forms that a document joined with the name: these say less of its type, and have a tenth of the weight. A type that says
little, such as TERM, wins only where nothing says more; of equal sums the first type by its characters wins.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final, NamedTuple
from uuid import UUID

from aegis_assets.model.ids import normalised
from aegis_assets.stores.ledger.base import Connection, rows

# Cost of these two: what the documents' live chunks say; with names, only what they say of these.
ALL_VOTES: Final = """
SELECT m.entity_id AS entity, CASE WHEN m.joined_from IS NULL THEN '' ELSE m.name END AS name, m.type, count(*) AS mentions,
    sum(round(m.confidence * CASE WHEN m.joined_from IS NULL THEN 1000 ELSE 100 END))::bigint AS weight
FROM aegis_document d JOIN aegis_placement p ON p.generation_id = d.live_id
JOIN aegis_mention m ON m.chunk_id = p.chunk_id
WHERE d.id = ANY(%(documents)s) GROUP BY 1, 2, 3"""
NAMED_VOTES: Final = ALL_VOTES.replace(
    "GROUP BY", "AND m.document_id = ANY(%(documents)s) AND m.entity_id = ANY(%(names)s)\nGROUP BY"
)
# Cost of these two: the rows given.
ADD_FORMS: Final = """
INSERT INTO aegis_surface_form AS f (entity_id, name, type, normalised, mentions, weight)
SELECT w.entity, w.name, w.type, w.normalised, w.mentions, w.weight
FROM unnest(%(entities)s::uuid[], %(forms)s::text[], %(types)s::text[], %(normalised)s::text[], %(mentions)s::int[],
    %(weights)s::bigint[]) AS w(entity, name, type, normalised, mentions, weight)
ON CONFLICT (entity_id, name, type) DO UPDATE
SET mentions = f.mentions + EXCLUDED.mentions, weight = f.weight + EXCLUDED.weight"""
DROP_FORMS: Final = "DELETE FROM aegis_surface_form WHERE entity_id = ANY(%(entities)s) AND mentions <= 0"
# The same types as pipeline.entity_types.GENERIC.
SAYS_LITTLE: Final = "lower(f.type) IN ('', 'term', 'concept', 'misc', 'miscellaneous', 'other', 'unknown', 'entity')"
# The type of the name `e` by its own votes: how it is compared with others. A name without a live mention keeps its last one.
OWN_TYPE: Final = f"""coalesce((
    SELECT f.type FROM aegis_surface_form f WHERE f.entity_id = e.id GROUP BY f.type
    ORDER BY {SAYS_LITTLE}, sum(f.weight) DESC, f.type COLLATE "C" LIMIT 1), e.type)"""
# Cost of these two: the names given, and their forms; of the second, all names of their groups.
OWN_TYPES: Final = f"""
SELECT e.id, e.canonical_id AS canonical, {OWN_TYPE} AS type FROM aegis_entity e WHERE e.id = ANY(%(entities)s)"""
SET_TYPES: Final = f"""
WITH named AS (
    SELECT id, canonical_id FROM aegis_entity
    WHERE canonical_id = ANY(ARRAY(SELECT canonical_id FROM aegis_entity WHERE id = ANY(%(entities)s)))
), voted AS (
    SELECT DISTINCT ON (a.canonical_id) a.canonical_id AS id, f.type FROM named a JOIN aegis_surface_form f ON f.entity_id = a.id
    WHERE f.entity_id = ANY(ARRAY(SELECT id FROM named)) GROUP BY a.canonical_id, f.type
    ORDER BY a.canonical_id, {SAYS_LITTLE}, sum(f.weight) DESC, f.type COLLATE "C"
)
UPDATE aegis_entity e SET type = v.type FROM voted v
WHERE e.canonical_id = v.id AND e.id = ANY(ARRAY(SELECT id FROM named)) AND e.type <> v.type RETURNING e.canonical_id AS id"""

NAME_LENGTH: Final = 512

Votes = dict[tuple[UUID, str, str], tuple[int, int]]
"""Mentions and weight by entity, short form ('' for the name itself) and type."""


class Voted(NamedTuple):
    """The names that a change of votes concerns.

    touched: names that got or lost votes, and what stands for them. retyped: names whose own type is another one now.
    """

    touched: set[UUID]
    retyped: set[UUID]


def votes(connection: Connection, documents: Collection[UUID], names: Collection[UUID] | None) -> Votes:
    """Return the votes of the documents' live mentions. names: count only mentions of these."""
    if not documents:
        return {}
    asked = {"documents": list(documents), "names": list(names or ())}
    found = rows(connection, ALL_VOTES if names is None else NAMED_VOTES, **asked)
    return {(row["entity"], row["name"], row["type"]): (row["mentions"], row["weight"]) for row in found}


def add_votes(connection: Connection, before: Votes, after: Votes) -> Voted:
    """Write a change of votes. Return the names that it concerns."""
    changed = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
    if not changed:
        return Voted(set(), set())
    names = {entity for entity, _, _ in changed}
    old = {row["id"]: row["type"] for row in rows(connection, OWN_TYPES, entities=list(names))}
    deltas = {key: _difference(before.get(key, (0, 0)), after.get(key, (0, 0))) for key in changed}
    columns: dict[str, list[object]] = {
        "entities": [entity for entity, _, _ in changed],
        "forms": [form for _, form, _ in changed],
        "types": [entity_type for _, _, entity_type in changed],
        "normalised": [normalised(form)[:NAME_LENGTH] for _, form, _ in changed],
        "mentions": [mentions for mentions, _ in deltas.values()],
        "weights": [weight for _, weight in deltas.values()],
    }
    connection.execute(ADD_FORMS, columns)
    connection.execute(DROP_FORMS, {"entities": sorted({key[0] for key, (mentions, _) in deltas.items() if mentions < 0})})
    new = rows(connection, OWN_TYPES, entities=list(names))
    return Voted(names | {row["canonical"] for row in new}, {row["id"] for row in new if old.get(row["id"]) != row["type"]})


def set_types(connection: Connection, names: Iterable[UUID]) -> set[UUID]:
    """Give each entity that one of the names belongs to the type that all its names vote for. Return those whose type changed."""
    return {row["id"] for row in rows(connection, SET_TYPES, entities=sorted(names))}


def _difference(old: tuple[int, int], new: tuple[int, int]) -> tuple[int, int]:
    return new[0] - old[0], new[1] - old[1]
