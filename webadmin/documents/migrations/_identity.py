"""The steps of migration 0017 on the rows that are there. Its cost grows with them, its memory with a batch.

The statements are those of the release of the migration, and stay as they are; only pure functions are shared with the platform.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from uuid import UUID

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from aegis_assets.model import ids
from aegis_assets.pipeline.blocking import blocks
from webadmin.documents.migrations._identity_joins import join_documents
from webadmin.documents.migrations._identity_types import count, group_names, vote

BATCH = 10_000  # entities
SIDES = ("left", "right")

# References are checked with each statement: put off to the end, PostgreSQL would keep each row in memory until then.
CHECK_AT_ONCE = "SET CONSTRAINTS ALL IMMEDIATE"
MOVED = "CREATE TEMPORARY TABLE moved (old uuid PRIMARY KEY, new uuid NOT NULL, type text NOT NULL) ON COMMIT DROP"
NAMES = """
SELECT id, collection_id, type, name FROM aegis_entity WHERE %(after)s::uuid IS NULL OR id > %(after)s
ORDER BY id LIMIT %(batch)s"""
LAST_OF_BATCH = """
SELECT old FROM (SELECT old FROM moved WHERE old > %(after)s ORDER BY old LIMIT %(batch)s) page ORDER BY old DESC LIMIT 1"""
# Of two spellings the first by their characters, as in the release before.
ADD_ENTITIES = """
INSERT INTO aegis_entity AS e (id, collection_id, canonical_id, type, name, normalised)
SELECT DISTINCT ON (v.new) v.new, o.collection_id, v.new, o.type, o.name, o.normalised
FROM moved v JOIN aegis_entity o ON o.id = v.old WHERE v.old > %(after)s AND v.old <= %(last)s
ORDER BY v.new, o.name COLLATE "C"
ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name WHERE EXCLUDED.name COLLATE "C" < e.name COLLATE "C" """
MOVE = (
    """UPDATE aegis_mention m SET entity_id = v.new, type = v.type FROM moved v
WHERE m.entity_id = v.old AND v.old > %(after)s AND v.old <= %(last)s""",
    # As the embedded extractor says it since this release: it takes a surname that stands alone for a firm as often as not.
    """UPDATE aegis_mention m SET confidence = 0.5 FROM moved v, aegis_document d
WHERE v.old > %(after)s AND v.old <= %(last)s AND m.entity_id = v.new AND d.id = m.document_id AND d.extractor LIKE 'spacy%%'
AND m.type IN ('ORGANIZATION', 'PRODUCT', 'WORK', 'LAW', 'EVENT') AND strpos(m.name, ' ') = 0""",
    """UPDATE aegis_relation r SET source_id = v.new FROM moved v
WHERE r.source_id = v.old AND v.old > %(after)s AND v.old <= %(last)s""",
    """UPDATE aegis_relation r SET target_id = v.new FROM moved v
WHERE r.target_id = v.old AND v.old > %(after)s AND v.old <= %(last)s""",
)
# Of several decisions on one pair a person's goes before, and of a person's the latest.
MERGES = """
CREATE TEMPORARY TABLE merges ON COMMIT DROP AS
SELECT DISTINCT ON (left_id, right_id) * FROM (
    SELECT m.id, m.collection_id, least(l.new, r.new) AS left_id, greatest(l.new, r.new) AS right_id, m.reason, m.score, m.undone,
        m.created_at, m.undone OR m.reason NOT IN ('exact', 'fuzzy', 'embedding') AS by_person
    FROM aegis_merge m JOIN moved l ON l.old = m.left_id JOIN moved r ON r.old = m.right_id WHERE l.new <> r.new) m
ORDER BY left_id, right_id, by_person DESC, id DESC"""
REPLACE_MERGES = (
    "DELETE FROM aegis_merge",
    """INSERT INTO aegis_merge (collection_id, left_id, right_id, reason, score, undone, created_at)
SELECT collection_id, left_id, right_id, reason, score, undone, created_at FROM merges ORDER BY id""",
)
NEW_IDS = "SELECT old, new FROM moved WHERE old = ANY(%(ids)s)"
DECISIONS = "SELECT id, names, before, after FROM aegis_decision WHERE id > %(after)s ORDER BY id LIMIT 500"
SET_DECISION = """
UPDATE aegis_decision SET names = %(names)s, before = %(before)s, after = %(after_)s WHERE id = %(id)s"""
DROP_DECISION = "DELETE FROM aegis_decision WHERE id = %(id)s"
DROP_ENTITIES = "DELETE FROM aegis_entity e USING moved v WHERE e.id = v.old AND v.old > %(after)s AND v.old <= %(last)s"
# Short forms that were joined with another name, unless a person decided about them.
DROP_UNNAMED = (
    """CREATE TEMPORARY TABLE unnamed ON COMMIT DROP AS SELECT e.id FROM aegis_entity e
WHERE NOT EXISTS (SELECT 1 FROM aegis_mention m WHERE m.entity_id = e.id)
AND NOT EXISTS (SELECT 1 FROM aegis_relation r WHERE r.source_id = e.id)
AND NOT EXISTS (SELECT 1 FROM aegis_relation r WHERE r.target_id = e.id)
AND e.id NOT IN (SELECT left_id FROM merges WHERE by_person UNION SELECT right_id FROM merges WHERE by_person)""",
    "DELETE FROM aegis_merge m USING unnamed u WHERE m.left_id = u.id",
    "DELETE FROM aegis_merge m USING unnamed u WHERE m.right_id = u.id",
    "DELETE FROM aegis_entity e USING unnamed u WHERE e.id = u.id",
)
BLOCKS = "COPY aegis_entity_block (collection_id, key, entity_id) FROM STDIN"
# A merge by rules needs a key of both names; without one the two would not be compared.
BLOCK_OF_MERGE = """
UPDATE aegis_merge m SET block = coalesce((
    SELECT min(l.key) FROM aegis_entity_block l JOIN aegis_entity_block r ON r.entity_id = m.right_id AND r.key = l.key
    WHERE l.entity_id = m.left_id), '')
WHERE NOT m.undone AND m.reason IN ('exact', 'fuzzy', 'embedding')"""
DROP_UNSHARED = "DELETE FROM aegis_merge WHERE block = '' AND NOT undone AND reason IN ('exact', 'fuzzy', 'embedding')"


def move(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Move all collections to the new ids. Do nothing in an empty ledger."""
    connection = schema_editor.connection
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT 1 FROM aegis_entity)")
        if not cursor.fetchone()[0]:
            return
        cursor.execute(CHECK_AT_ONCE)
        cursor.execute(MOVED)
        for names in _names(cursor):
            with cursor.copy("COPY moved (old, new, type) FROM STDIN") as copy:
                for entity, collection, entity_type, name in names:
                    copy.write_row((entity, ids.entity_id(collection, name), entity_type))
        cursor.execute("ANALYZE moved")
        old = list(_spans(cursor))
        for statement in (ADD_ENTITIES, *MOVE):
            for span in old:
                cursor.execute(statement, span)
        cursor.execute(MERGES)
        for statement in REPLACE_MERGES:
            cursor.execute(statement)
        _move_decisions(cursor)
        for span in old:
            cursor.execute(DROP_ENTITIES, span)
        cursor.execute("ANALYZE aegis_entity, aegis_mention, aegis_relation, aegis_merge")
        join_documents(cursor)
        for statement in DROP_UNNAMED:
            cursor.execute(statement)
        _fill_blocks(cursor)
        vote(connection)
        group_names(cursor)
        count(connection)


def _names(cursor) -> Iterator[list[tuple[UUID, UUID, str, str]]]:
    after = None
    while names := cursor.execute(NAMES, {"after": after, "batch": BATCH}).fetchall():
        yield names
        after = names[-1][0]


def _spans(cursor) -> Iterator[dict[str, UUID]]:
    """Yield spans of old ids, after the first and up to the last, that hold a batch of them each."""
    after = UUID(int=0)
    while row := cursor.execute(LAST_OF_BATCH, {"after": after, "batch": BATCH}).fetchone():
        yield {"after": after, "last": row[0]}
        after = row[0]


def _move_decisions(cursor) -> None:
    """Let decisions speak of the new ids. What was decided of two types of one name is void: they are one now."""
    after = 0
    while decisions := cursor.execute(DECISIONS, {"after": after}).fetchall():
        for decision, names, before, later in decisions:
            pairs = [_loaded(before), _loaded(later)]
            mentioned = {UUID(str(id)) for id in names} | {UUID(pair[side]) for rows in pairs for pair in rows for side in SIDES}
            new = dict(cursor.execute(NEW_IDS, {"ids": list(mentioned)}).fetchall())
            moved = [[pair for old in rows if (pair := _moved(old, new))] for rows in pairs]
            if not moved[1]:
                cursor.execute(DROP_DECISION, {"id": decision})
                continue
            fresh = list(dict.fromkeys(new.get(UUID(str(id)), UUID(str(id))) for id in names))
            values = {"before": json.dumps(moved[0]), "after_": json.dumps(moved[1])}
            cursor.execute(SET_DECISION, {"id": decision, "names": fresh, **values})
        after = decisions[-1][0]


def _moved(pair: dict[str, object], new: dict[UUID, UUID]) -> dict[str, object] | None:
    left, right = sorted(new.get(UUID(str(pair[side])), UUID(str(pair[side]))) for side in SIDES)
    return None if left == right else {**pair, "left": str(left), "right": str(right)}


def _loaded(value: object) -> list[dict[str, str]]:
    return json.loads(value) if isinstance(value, str) else value  # type: ignore[return-value]


def _fill_blocks(cursor) -> None:
    """Give each name its keys, and each merge by rules one of both names. Which keys are crowded is found when names are compared."""
    cursor.execute("DELETE FROM aegis_crowded_block")
    for names in _names(cursor):
        with cursor.copy(BLOCKS) as copy:
            for entity, collection, _, name in names:
                for key in set(blocks(name)):
                    copy.write_row((collection, key, entity))
    cursor.execute("ANALYZE aegis_entity_block")
    cursor.execute(BLOCK_OF_MERGE)
    cursor.execute(DROP_UNSHARED)
