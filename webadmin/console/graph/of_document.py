"""Entities and relations of one document, page by page, as scripts read them."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from aegis_assets.errors import BadInput
from webadmin.console.api.parameters import WRONG_PLACE
from webadmin.console.graph.descriptions import Description, descriptions
from webadmin.console.graph.queries import rows
from webadmin.console.graph.statements import SHOWN

# A name of one entity is any that the document spells, or that it was extracted as. Grows with the mentions of the document.
ENTITIES: Final = f"""
WITH said AS (
    SELECT entity_id, chunk_id, document_id, name FROM aegis_mention WHERE document_id = %(document)s
)
SELECT c.id, c.name, c.type, array_agg(DISTINCT said.name) || array_agg(DISTINCT e.name) AS names,
    array_agg(DISTINCT said.chunk_id) AS chunks
FROM said {SHOWN} JOIN aegis_entity e ON e.id = said.entity_id JOIN aegis_entity c ON c.id = e.canonical_id
WHERE %(after)s::uuid IS NULL OR c.id > %(after)s
GROUP BY c.id, c.name, c.type ORDER BY c.id LIMIT %(limit)s"""
# Grows with the relations of the document. The sentence is one that addresses nobody, where there is one.
RELATIONS: Final = f"""
WITH said AS (
    SELECT source_id, target_id, type, confidence, start, "end", addressed, chunk_id, document_id FROM aegis_relation
    WHERE document_id = %(document)s
)
SELECT s.canonical_id AS source, a.name AS source_name, said.type, t.canonical_id AS target, b.name AS target_name,
    max(said.confidence) AS confidence, array_agg(DISTINCT said.chunk_id) AS chunks,
    bool_and(said.addressed) AS addressed,
    (array_agg(
        substr(k.text, said.start + 1, said."end" - said.start) ORDER BY said.addressed, said.confidence DESC, k.id, said.start
    ))[1] AS sentence
FROM said {SHOWN} JOIN aegis_chunk k ON k.id = said.chunk_id
JOIN aegis_entity s ON s.id = said.source_id JOIN aegis_entity a ON a.id = s.canonical_id
JOIN aegis_entity t ON t.id = said.target_id JOIN aegis_entity b ON b.id = t.canonical_id
WHERE s.canonical_id <> t.canonical_id
  AND (%(source)s::uuid IS NULL OR (s.canonical_id, t.canonical_id, said.type) > (%(source)s, %(target)s, %(type)s))
GROUP BY s.canonical_id, a.name, said.type, t.canonical_id, b.name
HAVING %(addressed)s OR NOT bool_and(said.addressed)
ORDER BY s.canonical_id, t.canonical_id, said.type LIMIT %(limit)s"""


def entities(document: UUID, limit: int, after: str) -> tuple[list[dict[str, Any]], str | None]:
    """Return a page of entities in the order of their ids, and what `after` asks for the next page by. Raises BadInput."""
    page = rows(ENTITIES, document=document, limit=limit + 1, after=_uuid(after) if after else None)
    described = descriptions([row["id"] for row in page])
    shown = [
        {
            "id": str(row["id"]),
            "name": row["name"],
            "type": row["type"],
            **_description(described.get(row["id"])),
            "aliases": sorted(set(row["names"]) - {row["name"]}),
            "chunks": [str(chunk) for chunk in row["chunks"]],
        }
        for row in page[:limit]
    ]
    return shown, shown[-1]["id"] if len(page) > limit else None


def _description(told: Description | None) -> dict[str, Any]:
    if told is None:
        return {"description": "", "described_by": None, "described_in": []}
    chunks = dict.fromkeys(str(row["chunk"]) for row in told.sentences)
    return {"description": told.text, "described_by": "model" if told.by_model else "sentence", "described_in": list(chunks)}


def relations(document: UUID, limit: int, after: str, *, addressed: bool) -> tuple[list[dict[str, Any]], str | None]:
    """Return a page of relations in the order of their ends, and what `after` asks for the next page by. Raises BadInput.

    addressed: whether relations are wanted whose every sentence addresses its reader or a model.
    """
    source, _dot, rest = after.partition(".")
    target, _dot, kind = rest.partition(".")
    place = {"source": _uuid(source), "target": _uuid(target)} if after else {"source": None, "target": None}
    page = rows(RELATIONS, document=document, limit=limit + 1, type=kind, addressed=addressed, **place)
    shown = [
        {
            "source": {"id": str(row["source"]), "name": row["source_name"]},
            "type": row["type"],
            "target": {"id": str(row["target"]), "name": row["target_name"]},
            "confidence": row["confidence"],
            "addressed": row["addressed"],
            "chunks": [str(chunk) for chunk in row["chunks"]],
            "sentence": row["sentence"],
        }
        for row in page[:limit]
    ]
    last = page[limit - 1] if len(page) > limit else None
    return shown, f"{last['source']}.{last['target']}.{last['type']}" if last else None


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise BadInput(WRONG_PLACE) from error
