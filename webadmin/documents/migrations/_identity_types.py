"""Migration 0017: types by vote, which names are one, what the graph has to hold, and what of it must be written."""

from __future__ import annotations

from uuid import UUID

from aegis_assets.model.ids import normalised, relation_id
from aegis_assets.pipeline.matching import EntityName, MergeDecision
from aegis_assets.pipeline.resolve import components

ROWS = 5000
NAMES_AT_ONCE = 500
LIVE = "aegis_document d JOIN aegis_placement p ON p.generation_id = d.live_id"
VOTES = f"""
SELECT m.entity_id, CASE WHEN m.joined_from IS NULL THEN '' ELSE m.name END, m.type, count(*),
    sum(round(m.confidence * CASE WHEN m.joined_from IS NULL THEN 1000 ELSE 100 END))::bigint
FROM {LIVE} JOIN aegis_mention m ON m.chunk_id = p.chunk_id GROUP BY 1, 2, 3"""
FORMS = "COPY aegis_surface_form (entity_id, name, type, mentions, weight, normalised) FROM STDIN"
SAYS_LITTLE = "lower(f.type) IN ('', 'term', 'concept', 'misc', 'miscellaneous', 'other', 'unknown', 'entity')"
# First each name by its own votes, then all names of each entity by those of all.
SET_TYPES = f"""
UPDATE aegis_entity e SET type = v.type FROM (
    SELECT DISTINCT ON (a.canonical_id) a.canonical_id AS id, f.type
    FROM aegis_entity a JOIN aegis_surface_form f ON f.entity_id = a.id GROUP BY a.canonical_id, f.type
    ORDER BY a.canonical_id, {SAYS_LITTLE}, sum(f.weight) DESC, f.type COLLATE "C") v
WHERE e.canonical_id = v.id AND e.type <> v.type"""
LIST_MERGED = (
    """CREATE TEMPORARY TABLE merged ON COMMIT DROP AS
SELECT left_id AS id FROM aegis_merge WHERE NOT undone UNION SELECT right_id FROM aegis_merge WHERE NOT undone""",
    "ALTER TABLE merged ADD PRIMARY KEY (id)",
)
MERGED = "SELECT id FROM merged WHERE id > %(after)s ORDER BY id LIMIT %(limit)s"
CLOSURE = """
WITH RECURSIVE joined(id) AS (
    SELECT unnest(%(names)s::uuid[])
    UNION SELECT near.id FROM joined j CROSS JOIN LATERAL (
        SELECT right_id AS id FROM aegis_merge WHERE left_id = j.id AND NOT undone
        UNION ALL SELECT left_id FROM aegis_merge WHERE right_id = j.id AND NOT undone) near
)
SELECT e.id, e.type, e.name, e.normalised FROM aegis_entity e WHERE e.id = ANY(ARRAY(SELECT id FROM joined)) ORDER BY e.id"""
MERGES = """
SELECT left_id, right_id, reason, score, undone FROM aegis_merge
WHERE left_id = ANY(%(names)s) AND right_id = ANY(%(names)s)"""
SET_CANONICAL = """
UPDATE aegis_entity e SET canonical_id = w.canonical FROM unnest(%(ids)s::uuid[], %(canonicals)s::uuid[]) AS w(id, canonical)
WHERE e.id = w.id"""

KEEP_OLD = "CREATE TEMPORARY TABLE old_nodes ON COMMIT DROP AS SELECT collection_id, id FROM aegis_graph_entity"
EMPTY = ("DELETE FROM aegis_graph_entity", "DELETE FROM aegis_graph_relation")
ENTITIES = f"""
INSERT INTO aegis_graph_entity (id, collection_id, chunks, documents)
SELECT e.canonical_id, e.collection_id, count(DISTINCT m.chunk_id), count(DISTINCT m.document_id)
FROM {LIVE} JOIN aegis_mention m ON m.chunk_id = p.chunk_id JOIN aegis_entity e ON e.id = m.entity_id
GROUP BY e.canonical_id, e.collection_id"""
RELATIONS = f"""
SELECT d.collection_id, s.canonical_id, r.type, t.canonical_id, count(DISTINCT r.chunk_id), count(DISTINCT r.document_id)
FROM {LIVE} JOIN aegis_relation r ON r.chunk_id = p.chunk_id
JOIN aegis_entity s ON s.id = r.source_id JOIN aegis_entity t ON t.id = r.target_id
WHERE s.canonical_id <> t.canonical_id GROUP BY d.collection_id, s.canonical_id, r.type, t.canonical_id"""
ADD_RELATIONS = """
COPY aegis_graph_relation (id, collection_id, source_id, type, target_id, chunks, documents) FROM STDIN"""
# In this order they are swept: the nodes of the new ids, what leads to them, and then the nodes that nothing leads to any more.
MARK_AGAIN = "ON CONFLICT (collection_id, kind, key) DO UPDATE SET version = o.version + 1"
MARK = (
    f"""INSERT INTO aegis_outbox AS o (collection_id, kind, key)
SELECT collection_id, 'entity', id FROM aegis_graph_entity {MARK_AGAIN}""",
    f"""INSERT INTO aegis_outbox AS o (collection_id, kind, key)
SELECT d.collection_id, 'chunk', p.chunk_id FROM {LIVE} {MARK_AGAIN}""",
    f"""INSERT INTO aegis_outbox AS o (collection_id, kind, key, source_id, type, target_id)
SELECT collection_id, 'relation', id, source_id, type, target_id FROM aegis_graph_relation {MARK_AGAIN}""",
    f"""INSERT INTO aegis_outbox AS o (collection_id, kind, key) SELECT collection_id, 'entity', id FROM old_nodes {MARK_AGAIN}""",
)


def vote(connection) -> None:
    """Count the votes of live mentions, and give each name the type that its own say."""
    with connection.chunked_cursor() as votes, connection.cursor() as cursor:
        votes.execute(VOTES)
        while rows := votes.fetchmany(ROWS):
            with cursor.copy(FORMS) as copy:
                for entity, form, *values in rows:
                    copy.write_row((entity, form, *values, normalised(form)[:512]))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE aegis_surface_form")
        cursor.execute(SET_TYPES)


def group_names(cursor) -> None:
    """Follow the merges that are recorded, and give all names of an entity one type."""
    for statement in LIST_MERGED:
        cursor.execute(statement)
    after = UUID(int=0)
    while names := [row[0] for row in cursor.execute(MERGED, {"after": after, "limit": NAMES_AT_ONCE}).fetchall()]:
        found = cursor.execute(CLOSURE, {"names": names}).fetchall()
        closure = {id: EntityName(id=id, type=kind, name=name, normalised=text) for id, kind, name, text in found}
        merges = cursor.execute(MERGES, {"names": list(closure)}).fetchall()
        edges = [
            MergeDecision(left, right, reason, score) if reason in ("exact", "fuzzy", "embedding") else (left, right)
            for left, right, reason, score, undone in merges
            if not undone
        ]
        apart = [(left, right) for left, right, _, _, undone in merges if undone]
        canonical = components(closure, edges, closure, apart)
        moved = {name: target for name, target in canonical.items() if name != target}
        if moved:
            cursor.execute(SET_CANONICAL, {"ids": list(moved), "canonicals": list(moved.values())})
        after = names[-1]
    cursor.execute(SET_TYPES)


def count(connection) -> None:
    """Count what the graph has to hold anew, and mark all of it, and what it holds by the old ids."""
    with connection.cursor() as cursor:
        for statement in (KEEP_OLD, *EMPTY, ENTITIES):
            cursor.execute(statement)
    with connection.chunked_cursor() as relations, connection.cursor() as cursor:
        relations.execute(RELATIONS)
        while rows := relations.fetchmany(ROWS):
            with cursor.copy(ADD_RELATIONS) as copy:
                for collection, source, kind, target, chunks, documents in rows:
                    copy.write_row((relation_id(source, kind, target), collection, source, kind, target, chunks, documents))
    with connection.cursor() as cursor:
        for statement in MARK:
            cursor.execute(statement)
