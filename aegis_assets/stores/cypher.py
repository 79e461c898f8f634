"""The Cypher of the graph store, in the subset that ArcadeDB and Neo4j share; below it, what only Neo4j understands.

Statements that read or delete relations name RELATES_TO; `of_any_type` makes them see relations of every type. Nodes carry `key` =
collection:id, so that tenants cannot meet. What looks roundabout is measured on ArcadeDB 26.10: an edge from a hub is looked for
from its other end (1,000 edges 0.4 s, by MERGE from the hub 9 s); UNWIND with an equality uses the index where IN does not;
deleting edges while walking them from one node fails, so they are collected first.
"""

from __future__ import annotations

from functools import cache
from typing import Final

SCHEMA: Final = (
    "CREATE CONSTRAINT aegis_document_key IF NOT EXISTS FOR (n:Document) REQUIRE n.key IS UNIQUE",
    "CREATE CONSTRAINT aegis_chunk_key IF NOT EXISTS FOR (n:Chunk) REQUIRE n.key IS UNIQUE",
    "CREATE CONSTRAINT aegis_entity_key IF NOT EXISTS FOR (n:Entity) REQUIRE n.key IS UNIQUE",
    "CREATE INDEX aegis_chunk_document IF NOT EXISTS FOR (n:Chunk) ON (n.document)",
    "CREATE INDEX aegis_entity_collection IF NOT EXISTS FOR (n:Entity) ON (n.collection)",
    "CREATE INDEX aegis_relates_key IF NOT EXISTS FOR ()-[r:RELATES_TO]-() ON (r.key)",
)

# The lexical graph
DOCUMENTS: Final = """
UNWIND $rows AS row
MERGE (d:Document {key: row.key}) SET d += row.values"""
CHUNKS: Final = """
UNWIND $rows AS row
MERGE (c:Chunk {key: row.key}) SET c += row.values"""
FROM_DOCUMENT: Final = """
UNWIND $rows AS row
MATCH (c:Chunk {key: row.key}) MATCH (d:Document {key: row.document}) WHERE NOT (c)-[:FROM_DOCUMENT]->(d)
CREATE (c)-[:FROM_DOCUMENT]->(d)"""
CHAIN: Final = """
UNWIND $documents AS document
MATCH (a:Chunk {document: document})-[:NEXT_CHUNK]->(b:Chunk) WHERE a.collection = $collection
RETURN a.key AS a, b.key AS b"""
UNCHAIN: Final = """
UNWIND $rows AS row
MATCH (a:Chunk {key: row.a})-[r:NEXT_CHUNK]->(b:Chunk {key: row.b})
WITH collect(r) AS old UNWIND old AS r DELETE r"""
NEXT_CHUNK: Final = """
UNWIND $rows AS row
MATCH (a:Chunk {key: row.a}) MATCH (b:Chunk {key: row.b})
MERGE (a)-[:NEXT_CHUNK]->(b)"""
CHUNK_IDS: Final = """
UNWIND $documents AS document
MATCH (c:Chunk {document: document}) WHERE c.collection = $collection
RETURN document, collect(c.id) AS ids"""
DELETE_CHUNKS: Final = """
UNWIND $keys AS key
MATCH (c:Chunk {key: key})
WITH collect(c) AS old UNWIND old AS c DETACH DELETE c"""
DELETE_DOCUMENT: Final = "MATCH (d:Document {key: $key}) DETACH DELETE d"

# Entities
ENTITIES: Final = """
UNWIND $rows AS row
MERGE (e:Entity {key: row.key}) SET e += row.values"""
EVIDENCE: Final = """
UNWIND $keys AS key
MATCH (e:Entity {key: key})-[:FROM_CHUNK]->(c:Chunk)
RETURN e.key AS e, c.key AS c"""
REMOVE_EVIDENCE: Final = """
UNWIND $rows AS row
MATCH (c:Chunk {key: row.c})<-[r:FROM_CHUNK]-(e:Entity {key: row.e})
WITH collect(r) AS old UNWIND old AS r DELETE r"""
ADD_EVIDENCE: Final = """
UNWIND $rows AS row
MATCH (e:Entity {key: row.e}) MATCH (c:Chunk {key: row.c}) WHERE NOT (c)<-[:FROM_CHUNK]-(e)
CREATE (e)-[:FROM_CHUNK]->(c)"""
ENTITY_IDS: Final = """
UNWIND $documents AS document
MATCH (c:Chunk {document: document})<-[:FROM_CHUNK]-(e:Entity) WHERE c.collection = $collection
RETURN DISTINCT e.id AS id"""
DELETE_ENTITIES: Final = """
UNWIND $keys AS key
MATCH (e:Entity {key: key})
WITH collect(e) AS old UNWIND old AS e DETACH DELETE e"""

# Relations
RELATIONS: Final = """
UNWIND $keys AS key
MATCH (s:Entity {key: key})-[r:RELATES_TO]->(t:Entity) WHERE r.key IN $relations
RETURN r.key AS key, t.key AS target, type(r) AS relationship_type, r.type AS type, r.confidence AS confidence,
       r.evidence AS evidence, r.chunks AS chunks, r.documents AS documents"""
REMOVE_RELATIONS: Final = """
UNWIND $keys AS key
MATCH (s:Entity {key: key})-[r:RELATES_TO]->(:Entity) WHERE r.key IN $relations
WITH collect(r) AS old UNWIND old AS r DELETE r"""
ADD_RELATIONS: Final = """
UNWIND $rows AS row
MATCH (s:Entity {key: row.source}) MATCH (t:Entity {key: row.target})
CREATE (s)-[r:RELATES_TO]->(t) SET r += row.values"""
DELETE_RELATIONS: Final = """
MATCH ()-[r:RELATES_TO]->() WHERE r.key IN $keys
WITH collect(r) AS old UNWIND old AS r DELETE r"""
# An entity's relations are walked once, not once for each chunk that names it, which took 2.3 s for a manual's 1,600 chunks.
RELATION_KEYS: Final = """
UNWIND $documents AS wanted
MATCH (c:Chunk {document: wanted})<-[:FROM_CHUNK]-(s:Entity) WHERE c.collection = $collection
WITH DISTINCT s
MATCH (s)-[r:RELATES_TO]->(t:Entity)
UNWIND r.documents AS document
WITH s, r, t, document WHERE document IN $documents
RETURN DISTINCT s.id AS source, r.type AS type, t.id AS target"""
RELATION_KEYS_OF: Final = """
UNWIND $keys AS key
MATCH (s:Entity {key: key})-[r:RELATES_TO]-(t:Entity)
RETURN DISTINCT startNode(r).id AS source, r.type AS type, endNode(r).id AS target"""

# What a collection has in the graph, a page after another by key
DOCUMENT_PAGE: Final = """
MATCH (d:Document) WHERE d.key > $after AND d.key < $end
RETURN d.id AS id ORDER BY d.key LIMIT $limit"""
ENTITY_PAGE: Final = """
MATCH (e:Entity) WHERE e.key > $after AND e.key < $end
RETURN e.id AS id ORDER BY e.key LIMIT $limit"""

# What pages and commands show
COUNT_ENTITIES: Final = """
UNWIND $documents AS document
MATCH (c:Chunk {document: document})<-[:FROM_CHUNK]-(e:Entity) WHERE c.collection = $collection
RETURN document, count(DISTINCT e.key) AS n"""
COUNT_RELATIONS: Final = """
UNWIND $documents AS wanted
MATCH (c:Chunk {document: wanted})<-[:FROM_CHUNK]-(s:Entity) WHERE c.collection = $collection
WITH DISTINCT s
MATCH (s)-[r:RELATES_TO]->(:Entity)
UNWIND r.documents AS document
WITH r, document WHERE document IN $documents
RETURN document, count(DISTINCT r.key) AS n"""
LARGEST_ENTITIES: Final = """
MATCH (e:Entity {collection: $collection})
OPTIONAL MATCH (e)-[:FROM_CHUNK]->(c:Chunk)
WITH e, count(c) AS chunks ORDER BY chunks DESC, e.name, e.id LIMIT $limit
RETURN e.id AS id, e.name AS name, e.type AS type, e.aliases AS aliases, chunks"""
BEST_RELATIONS: Final = """
MATCH (c:Chunk {document: $document})<-[:FROM_CHUNK]-(s:Entity) WHERE c.collection = $collection
WITH DISTINCT s
MATCH (s)-[r:RELATES_TO]->(t:Entity) WHERE $document IN r.documents
WITH r, s, t ORDER BY r.confidence DESC, r.key LIMIT $limit
RETURN r.id AS id, s.name AS source, r.type AS type, t.name AS target, r.confidence AS confidence, r.evidence AS evidence,
       r.chunks AS chunks"""
BEST_RELATIONS_OF_ALL: Final = """
MATCH (s:Entity {collection: $collection})-[r:RELATES_TO]->(t:Entity)
WITH r, s, t ORDER BY r.confidence DESC, r.key LIMIT $limit
RETURN r.id AS id, s.name AS source, r.type AS type, t.name AS target, r.confidence AS confidence, r.evidence AS evidence,
       r.chunks AS chunks"""

# Neo4j only: labels, relationship types and property names as parameters, never as part of a statement's text.
LABELLED_ENTITIES: Final = """
UNWIND $rows AS row
MERGE (e:Entity {key: row.key})
WITH e, row, [old IN [e.label] WHERE old IS NOT NULL AND NOT old IN row.labels] AS stale
REMOVE e:$(stale)
SET e:$(row.labels)
SET e += row.values"""
ADD_TYPED_RELATIONS: Final = """
UNWIND $rows AS row
MATCH (s:Entity {key: row.source}) MATCH (t:Entity {key: row.target})
CREATE (s)-[r:$(row.relationship_type)]->(t) SET r += row.values"""
# A relation is looked for at its source: an index on `key` exists for RELATES_TO alone.
DELETE_RELATIONS_AT: Final = """
UNWIND $rows AS row
MATCH (s:Entity {key: row.source})-[r:!FROM_CHUNK]->(:Entity) WHERE r.key = row.key
DELETE r"""


@cache
def of_any_type(statement: str) -> str:
    """Return the statement so that it matches relations of every type. FROM_CHUNK is the only other edge of an entity."""
    return statement.replace("[r:RELATES_TO]", "[r:!FROM_CHUNK]")
