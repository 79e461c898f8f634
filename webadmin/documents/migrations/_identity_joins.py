"""Migration 0017: short forms of names join the full name that their document has."""

from __future__ import annotations

from collections import Counter, defaultdict
from uuid import UUID

from aegis_assets.model.ids import normalised
from aegis_assets.pipeline.entity_types import is_generic
from aegis_assets.pipeline.joining import LocalName, join_short_forms

DOCUMENTS = """
SELECT id FROM aegis_document WHERE id > %(after)s AND coalesce(making_id, live_id) IS NOT NULL ORDER BY id LIMIT 1000"""
LOCAL_NAMES = """
SELECT m.entity_id, m.name, m.type, count(*), sum(m.confidence) FROM aegis_document d
JOIN aegis_placement p ON p.generation_id = coalesce(d.making_id, d.live_id) JOIN aegis_mention m ON m.chunk_id = p.chunk_id
WHERE d.id = %(document)s GROUP BY m.entity_id, m.name, m.type"""
DECIDED = """
SELECT left_id FROM aegis_merge WHERE left_id = ANY(%(names)s) AND (undone OR reason = 'person')
UNION SELECT right_id FROM aegis_merge WHERE right_id = ANY(%(names)s) AND (undone OR reason = 'person')"""
MOVE = (
    """UPDATE aegis_mention SET entity_id = %(full)s, joined_from = %(own)s WHERE document_id = %(document)s AND entity_id = %(own)s""",
    """UPDATE aegis_relation SET source_id = %(full)s, source_joined_from = %(own)s
WHERE document_id = %(document)s AND source_id = %(own)s""",
    """UPDATE aegis_relation SET target_id = %(full)s, target_joined_from = %(own)s
WHERE document_id = %(document)s AND target_id = %(own)s""",
)


def join_documents(cursor) -> None:
    """Join the names of each document."""
    after = UUID(int=0)
    while documents := [row[0] for row in cursor.execute(DOCUMENTS, {"after": after}).fetchall()]:
        for document in documents:
            names = _local_names(cursor.execute(LOCAL_NAMES, {"document": document}).fetchall())
            full = join_short_forms(names)
            decided = {row[0] for row in cursor.execute(DECIDED, {"names": list(full)}).fetchall()} if full else set()
            for own, target in full.items():
                if own not in decided:
                    for statement in MOVE:
                        cursor.execute(statement, {"document": document, "own": own, "full": target})
        after = documents[-1]


def _local_names(rows: list[tuple[UUID, str, str, int, float]]) -> list[LocalName]:
    spellings: dict[UUID, set[str]] = defaultdict(set)
    mentions: dict[UUID, Counter[str]] = defaultdict(Counter)
    votes: dict[UUID, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for entity, name, entity_type, number, weight in rows:
        spellings[entity].add(name)
        mentions[entity][entity_type] += number
        votes[entity][entity_type] += weight
    names = []
    for entity, said in spellings.items():
        kind = min(votes[entity], key=lambda word: (is_generic(word), -votes[entity][word], word))
        sure = votes[entity][kind] > 0.5 * mentions[entity][kind]
        names.append(LocalName(entity, normalised(min(said))[:512], kind, frozenset(said), sure))
    return names
