"""SQL of the graph page. What counts stands in a document's live generation, or in the first one while it is in the making."""

from __future__ import annotations

from typing import Final

SHOWN: Final = """
    JOIN aegis_document d ON d.id = said.document_id AND d.state <> 'removing'
    JOIN aegis_placement p ON p.chunk_id = said.chunk_id AND p.generation_id = coalesce(d.live_id, d.making_id)"""

# A page's statements read what the entities that it shows are named in, hubs too, and never the whole collection; where that takes
# too long they are given up with a sentence. What counts the live evidence of all entities is `aegis_graph_entity`.

# Both ends of each relation of some entities, from the entity's side. It and the next three grow with what states the relations.
SAID: Final = """
WITH own AS (
    SELECT id, canonical_id FROM aegis_entity WHERE canonical_id = ANY(%(entities)s)
), said AS (
    SELECT own.canonical_id AS entity, e.canonical_id AS other, r.type, true AS outward, r.chunk_id, r.document_id, r.addressed
    FROM own JOIN aegis_relation r ON r.source_id = own.id JOIN aegis_entity e ON e.id = r.target_id
    UNION ALL
    SELECT own.canonical_id, e.canonical_id, r.type, false, r.chunk_id, r.document_id, r.addressed
    FROM own JOIN aegis_relation r ON r.target_id = own.id JOIN aegis_entity e ON e.id = r.source_id
)"""
NEIGHBOURS: Final = f"""{SAID}
SELECT said.other AS id FROM said {SHOWN} WHERE said.other <> said.entity
GROUP BY said.other ORDER BY count(DISTINCT said.chunk_id) DESC, said.other LIMIT %(limit)s"""
DEGREES: Final = f"""{SAID}
SELECT said.entity AS id, count(DISTINCT said.other) AS neighbours FROM said {SHOWN}
WHERE said.other <> said.entity GROUP BY said.entity"""
RELATIONS: Final = f"""{SAID}
SELECT said.other AS id, e.name, e.type AS kind, said.type, said.outward, count(DISTINCT said.chunk_id) AS chunks,
    bool_and(said.addressed) AS addressed, count(*) OVER () AS total
FROM said {SHOWN} JOIN aegis_entity e ON e.id = said.other WHERE said.other <> said.entity
GROUP BY said.other, e.name, e.type, said.type, said.outward
ORDER BY count(DISTINCT said.chunk_id) DESC, e.name, said.type LIMIT %(limit)s"""
# Grows with what states the relations of the entities.
EDGES: Final = f"""
WITH own AS (
    SELECT id, canonical_id FROM aegis_entity WHERE canonical_id = ANY(%(entities)s)
), said AS (
    SELECT s.canonical_id AS source, r.type, t.canonical_id AS target, r.chunk_id, r.document_id, r.addressed
    FROM own s JOIN aegis_relation r ON r.source_id = s.id JOIN own t ON t.id = r.target_id
    WHERE s.canonical_id <> t.canonical_id
)
SELECT said.source, said.type, said.target, count(DISTINCT said.chunk_id) AS chunks, bool_and(said.addressed) AS addressed
FROM said {SHOWN}
GROUP BY said.source, said.type, said.target ORDER BY chunks DESC, said.source, said.type, said.target LIMIT %(limit)s"""
# Grows with the mentions of the entities.
NODES: Final = f"""
WITH said AS (
    SELECT a.canonical_id AS id, m.chunk_id, m.document_id FROM aegis_entity a JOIN aegis_mention m ON m.entity_id = a.id
    WHERE a.canonical_id = ANY(%(entities)s)
), counted AS (
    SELECT said.id, count(DISTINCT said.chunk_id) AS chunks, count(DISTINCT said.document_id) AS documents
    FROM said {SHOWN} GROUP BY said.id
)
SELECT e.id, e.name, e.type, coalesce(c.chunks, 0) AS chunks, coalesce(c.documents, 0) AS documents
FROM aegis_entity e LEFT JOIN counted c ON c.id = e.id WHERE e.id = ANY(%(entities)s) ORDER BY chunks DESC, e.id"""

# Where a picture may begin: what is related most, then what is named most. Names without lines between them say little. Both grow
# with what the documents or chunks say.
TOLD: Final = f"""
SELECT e.canonical_id AS id FROM (
    SELECT r.chunk_id, r.document_id, unnest(ARRAY[r.source_id, r.target_id]) AS entity_id FROM aegis_relation r
    WHERE r.%(column)s = ANY(%%(ids)s)
) said {SHOWN} JOIN aegis_entity e ON e.id = said.entity_id
GROUP BY e.canonical_id ORDER BY count(*) DESC, e.canonical_id LIMIT %%(limit)s"""
NAMED: Final = f"""
SELECT e.canonical_id AS id FROM aegis_mention said {SHOWN} JOIN aegis_entity e ON e.id = said.entity_id
WHERE said.%(column)s = ANY(%%(ids)s)
GROUP BY e.canonical_id ORDER BY count(*) DESC, e.canonical_id LIMIT %%(limit)s"""
BEGIN: Final = {kind: (TOLD % {"column": f"{kind}_id"}, NAMED % {"column": f"{kind}_id"}) for kind in ("document", "chunk")}
# Grows with the entities.
CANONICAL: Final = "SELECT id, canonical_id AS canonical FROM aegis_entity WHERE id = ANY(%(entities)s)"

# Typed letters anywhere in a name, the likeliest first: whole names, then beginnings, then the shortest. Grows with the names of
# the collection: no index holds letters in their midst.
NAMES: Final = """
WITH fitting AS (
    SELECT id, canonical_id, name, normalised FROM aegis_entity
    WHERE collection_id = %(collection)s AND strpos(normalised, %(text)s) > 0
    UNION ALL
    SELECT NULL, e.canonical_id, f.name, f.normalised FROM aegis_surface_form f JOIN aegis_entity e ON e.id = f.entity_id
    WHERE e.collection_id = %(collection)s AND f.name <> '' AND strpos(f.normalised, %(text)s) > 0
)
SELECT c.id, c.name, c.type, min(e.name) FILTER (WHERE e.id IS DISTINCT FROM c.id) AS alias,
    min(CASE WHEN e.normalised = %(text)s THEN 0 WHEN starts_with(e.normalised, %(text)s) THEN 1 ELSE 2 END) AS likely
FROM fitting e JOIN aegis_entity c ON c.id = e.canonical_id
GROUP BY c.id, c.name, c.type ORDER BY likely, length(c.name), c.name, c.id LIMIT %(limit)s"""

# Evidence. Grows with the mentions of the entity.
MENTIONS: Final = f"""
WITH said AS (
    SELECT DISTINCT ON (m.chunk_id) m.chunk_id, m.document_id, m.start, m."end"
    FROM aegis_entity a JOIN aegis_mention m ON m.entity_id = a.id WHERE a.canonical_id = %(entity)s ORDER BY m.chunk_id, m.start
)
SELECT c.id AS chunk, c.text, said.start, said."end", d.id AS document, d.name, p.pages, p.headings, count(*) OVER () AS total
FROM said {SHOWN} JOIN aegis_chunk c ON c.id = said.chunk_id
ORDER BY d.name, d.id, p.window_id, p.ordinal LIMIT %(limit)s"""
# What entities are: the sentence that tells most of each, or what a language model said and the sentences that it read. Grows with
# the entities. sentences: how many there are, those included that are not shown.
DESCRIPTIONS: Final = f"""
WITH said AS (
    SELECT x.entity_id, x.text AS told, s.id AS place, count(*) OVER (PARTITION BY x.entity_id) AS sentences,
        coalesce(s.document_id, x.document_id) AS document_id, coalesce(s.chunk_id, x.chunk_id) AS chunk_id,
        coalesce(s.start, x.start) AS start, coalesce(s."end", x."end") AS "end"
    FROM aegis_description x LEFT JOIN aegis_description_source s ON s.entity_id = x.entity_id AND x.text <> ''
    WHERE x.entity_id = ANY(%(entities)s)
)
SELECT said.entity_id AS id, said.told, said.sentences, c.id AS chunk, c.text, said.start, said."end", d.id AS document, d.name,
    p.pages, p.headings
FROM said {SHOWN} JOIN aegis_chunk c ON c.id = said.chunk_id ORDER BY said.entity_id, said.place"""
# Grows with what states the relation, between all names of its two ends.
STATEMENTS: Final = f"""
WITH said AS (
    SELECT r.chunk_id, r.document_id, r.start, r."end", r.confidence, r.addressed,
        coalesce((SELECT min(m.name) FROM aegis_mention m WHERE m.chunk_id = r.chunk_id AND m.entity_id = r.source_id
            AND m.start >= r.start AND m."end" <= r."end"), s.name) AS source,
        coalesce((SELECT min(m.name) FROM aegis_mention m WHERE m.chunk_id = r.chunk_id AND m.entity_id = r.target_id
            AND m.start >= r.start AND m."end" <= r."end"), t.name) AS target
    FROM aegis_entity s JOIN aegis_relation r ON r.source_id = s.id JOIN aegis_entity t ON t.id = r.target_id
    WHERE s.canonical_id = %(source)s AND t.canonical_id = %(target)s AND r.type = %(type)s
)
SELECT c.id AS chunk, c.text, said.start, said."end", said.source, said.target, said.confidence, said.addressed, d.id AS document,
    d.name, p.pages, p.headings, count(*) OVER () AS total
FROM said {SHOWN} JOIN aegis_chunk c ON c.id = said.chunk_id
ORDER BY said.addressed, said.confidence DESC, d.name, d.id, p.window_id, p.ordinal, said.start LIMIT %(limit)s"""
# Grows with the mentions of the entity's names.
ALIASES: Final = f"""
SELECT e.id, e.name, e.id = e.canonical_id AS canonical, count(DISTINCT said.chunk_id) AS chunks
FROM aegis_entity e LEFT JOIN (
    SELECT said.entity_id, said.chunk_id FROM aegis_mention said {SHOWN}
    WHERE said.entity_id IN (SELECT id FROM aegis_entity WHERE canonical_id = %(entity)s)
) said ON said.entity_id = e.id
WHERE e.canonical_id = %(entity)s GROUP BY e.id ORDER BY canonical DESC, chunks DESC, e.name LIMIT %(limit)s"""
# Grows with the forms of the entity's names.
SHORT_FORMS: Final = """
SELECT f.name, sum(f.mentions)::int AS mentions FROM aegis_entity e JOIN aegis_surface_form f ON f.entity_id = e.id
WHERE e.canonical_id = %(entity)s AND f.name <> '' GROUP BY f.name ORDER BY mentions DESC, f.name LIMIT %(limit)s"""
# Grows with the merges of the names.
REASONS: Final = """
SELECT left_id, right_id, reason, score FROM aegis_merge
WHERE NOT undone AND (left_id = ANY(%(names)s) OR right_id = ANY(%(names)s))"""
# Grows with the decisions of all collections, which people make one by one.
DECISIONS: Final = """
SELECT d.id, d.kind, d.decided_by, d.created_at, d.undone_at, d.undone_by, c.id AS collection, c.name AS collection_name,
    (SELECT jsonb_agg(jsonb_build_object('id', e.id, 'name', e.name, 'type', e.type, 'entity', e.canonical_id) ORDER BY n.place)
     FROM unnest(d.names) WITH ORDINALITY AS n(id, place) JOIN aegis_entity e ON e.id = n.id) AS names
FROM aegis_decision d JOIN aegis_collection c ON c.id = d.collection_id
WHERE (%(collection)s::uuid IS NULL OR d.collection_id = %(collection)s)
  AND (%(names)s::uuid[] IS NULL OR d.names && %(names)s::uuid[])
ORDER BY d.id DESC LIMIT %(limit)s"""
