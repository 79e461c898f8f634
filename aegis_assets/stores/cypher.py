"""The Cypher of the graph store, in the subset that ArcadeDB and Neo4j share; below it, what only one of them understands.

Nodes carry `key` = collection:id, so that tenants cannot meet. No statement on the path of one document walks the edges of a hub
(an entity that much of the collection mentions), so its cost grows with its rows: evidence is looked for from the chunk, relations
by the index on their key, or on Neo4j with both ends bound. What looks roundabout is measured on ArcadeDB 26.10: UNWIND with an
equality uses the index of nodes where IN does not, and for relations it is the other way round (6 ms, or 2.6 s at a hub of 20,000
edges); deleting edges while walking them from one node fails, so they are collected first.
"""

from __future__ import annotations

from typing import Final

SCHEMA: Final = (
    "CREATE CONSTRAINT aegis_document_key IF NOT EXISTS FOR (n:Document) REQUIRE n.key IS UNIQUE",
    "CREATE CONSTRAINT aegis_chunk_key IF NOT EXISTS FOR (n:Chunk) REQUIRE n.key IS UNIQUE",
    "CREATE CONSTRAINT aegis_entity_key IF NOT EXISTS FOR (n:Entity) REQUIRE n.key IS UNIQUE",
    "CREATE INDEX aegis_chunk_document IF NOT EXISTS FOR (n:Chunk) ON (n.document)",
    "CREATE INDEX aegis_entity_collection IF NOT EXISTS FOR (n:Entity) ON (n.collection)",
)
# Of two writers that create the same relation one fails and begins again. It replaces the index that ArcadeDB had before.
UNIQUE_RELATIONS: Final = "CREATE CONSTRAINT aegis_relation_key IF NOT EXISTS FOR ()-[r:RELATES_TO]-() REQUIRE r.key IS UNIQUE"
# On Neo4j relations may be of many types, of which no constraint knows all: there, writers lock the target. This is for readers.
INDEXED_RELATIONS: Final = "CREATE INDEX aegis_relates_key IF NOT EXISTS FOR ()-[r:RELATES_TO]-() ON (r.key)"

# The lexical graph

# Grows with the documents asked for.
DOCUMENTS_HELD: Final = """
UNWIND $keys AS key
MATCH (d:Document {key: key})
RETURN d.key AS key, d.name AS name, d.generation AS generation"""
# Grows with the documents written.
WRITE_DOCUMENTS: Final = """
UNWIND $rows AS row
MERGE (d:Document {key: row.key}) SET d += row.values"""
# Grows with the chunks asked for: each has one document.
CHUNKS_HELD: Final = """
UNWIND $keys AS key
MATCH (c:Chunk {key: key})
OPTIONAL MATCH (c)-[:FROM_DOCUMENT]->(d:Document)
RETURN c.key AS key, c.ordinal AS ordinal, c.headings AS headings, c.pages AS pages, d.key AS document"""
# Grows with the chunks written and the length of their texts.
ADD_CHUNKS: Final = """
UNWIND $rows AS row
MERGE (c:Chunk {key: row.key}) SET c += row.values"""
# Grows with the chunks written.
MOVE_CHUNKS: Final = """
UNWIND $rows AS row
MATCH (c:Chunk {key: row.key}) SET c += row.values"""
# Grows with the chunks written.
FROM_DOCUMENT: Final = """
UNWIND $rows AS row
MATCH (c:Chunk {key: row.key}) MATCH (d:Document {key: row.document}) WHERE NOT (c)-[:FROM_DOCUMENT]->(d)
CREATE (c)-[:FROM_DOCUMENT]->(d)"""
# Makes the transaction conflict with every other that changes these chunks: two that look for the same edge and find none would
# both create it. Grows with the chunks.
LOCK_CHUNKS: Final = """
UNWIND $keys AS key
MATCH (c:Chunk {key: key}) SET c.ordinal = c.ordinal"""
# Grows with the chunks of the documents.
CHAIN: Final = """
UNWIND $documents AS document
MATCH (a:Chunk {document: document})-[:NEXT_CHUNK]->(b:Chunk) WHERE a.collection = $collection
RETURN a.key AS a, b.key AS b"""
# Grows with the edges deleted.
UNCHAIN: Final = """
UNWIND $rows AS row
MATCH (a:Chunk {key: row.a})-[r:NEXT_CHUNK]->(b:Chunk {key: row.b})
WITH collect(r) AS old UNWIND old AS r DELETE r"""
# Grows with the edges created.
NEXT_CHUNK: Final = """
UNWIND $rows AS row
MATCH (a:Chunk {key: row.a}) MATCH (b:Chunk {key: row.b})
MERGE (a)-[:NEXT_CHUNK]->(b)"""
# Grows with the chunks of the documents.
CHUNK_IDS: Final = """
UNWIND $documents AS document
MATCH (c:Chunk {document: document}) WHERE c.collection = $collection
RETURN document, collect(c.id) AS ids"""
# Grows with the chunks and their edges; ArcadeDB also looks for each edge among those of its entity.
DELETE_CHUNKS: Final = """
UNWIND $keys AS key
MATCH (c:Chunk {key: key})
WITH collect(c) AS old UNWIND old AS c DETACH DELETE c"""
# Grows with the chunks that the document still has.
DELETE_DOCUMENT: Final = "MATCH (d:Document {key: $key}) DETACH DELETE d"

# Entities and their evidence

# Grows with the entities written.
WRITE_ENTITIES: Final = """
UNWIND $rows AS row
MERGE (e:Entity {key: row.key}) SET e += row.values"""
# Grows with the entities asked for.
ENTITIES_HELD: Final = """
UNWIND $keys AS key
MATCH (e:Entity {key: key})
RETURN e.id AS id, e.chunks AS chunks"""
# Grows with the entities that the chunks mention.
EVIDENCE: Final = """
UNWIND $keys AS key
MATCH (c:Chunk {key: key})<-[:FROM_CHUNK]-(e:Entity)
RETURN c.key AS c, e.key AS e"""
# Grows with the edges deleted; ArcadeDB also looks for each among the edges of its entity.
REMOVE_EVIDENCE: Final = """
UNWIND $rows AS row
MATCH (c:Chunk {key: row.c})<-[r:FROM_CHUNK]-(e:Entity {key: row.e})
WITH collect(r) AS old UNWIND old AS r DELETE r"""
# Grows with the edges created and the entities that their chunks mention.
ADD_EVIDENCE: Final = """
UNWIND $rows AS row
MATCH (e:Entity {key: row.e}) MATCH (c:Chunk {key: row.c}) WHERE NOT (c)<-[:FROM_CHUNK]-(e)
CREATE (e)-[:FROM_CHUNK]->(c)"""
# Grows with the mentions in the documents.
ENTITY_IDS: Final = """
UNWIND $documents AS document
MATCH (c:Chunk {document: document})<-[:FROM_CHUNK]-(e:Entity) WHERE c.collection = $collection
RETURN DISTINCT e.id AS id"""
# Grows with the mentions in the documents.
COUNT_ENTITIES: Final = """
UNWIND $documents AS document
MATCH (c:Chunk {document: document})<-[:FROM_CHUNK]-(e:Entity) WHERE c.collection = $collection
RETURN document, count(DISTINCT e.key) AS n"""
# Grows with the edges that the entities still have: none, if their evidence and relations are deleted before.
DELETE_ENTITIES: Final = """
UNWIND $keys AS key
MATCH (e:Entity {key: key})
WITH collect(e) AS old UNWIND old AS e DETACH DELETE e"""

# Relations, where all are RELATES_TO and their key is indexed

# Grows with the relations asked for.
RELATIONS_HELD: Final = """
MATCH ()-[r:RELATES_TO]->() WHERE r.key IN $keys
RETURN r.id AS id, r.chunks AS chunks, r.documents AS documents"""
# Grows with the relations written.
SET_RELATIONS: Final = """
MATCH ()-[r:RELATES_TO]->() WHERE r.key IN $keys
SET r = $values[r.key]"""
# Grows with the relations written.
ADD_RELATIONS: Final = """
MATCH ()-[r:RELATES_TO]->() WHERE r.key IN $keys
WITH collect(r.key) AS held
UNWIND $rows AS row
WITH row, held WHERE NOT row.values.key IN held
MATCH (s:Entity {key: row.source}) MATCH (t:Entity {key: row.target})
CREATE (s)-[r:RELATES_TO]->(t) SET r = row.values"""
# Grows with the relations deleted; ArcadeDB also looks for each among the edges of its ends.
DELETE_RELATIONS: Final = """
MATCH ()-[r:RELATES_TO]->() WHERE r.key IN $keys
WITH collect(r) AS old UNWIND old AS r DELETE r"""
# Grows with all relations of the entities, a hub's too: for a rebuild, not for the path of one document.
TRIPLES_OF: Final = """
UNWIND $keys AS key
MATCH (s:Entity {key: key})-[r:RELATES_TO]-(t:Entity)
RETURN DISTINCT startNode(r).id AS source, r.type AS type, endNode(r).id AS target"""

# What a collection has in the graph, a page after another by key: grows with the page.
DOCUMENT_PAGE: Final = """
MATCH (d:Document) WHERE d.key > $after AND d.key < $end
RETURN d.id AS id ORDER BY d.key LIMIT $limit"""
ENTITY_PAGE: Final = """
MATCH (e:Entity) WHERE e.key > $after AND e.key < $end
RETURN e.id AS id ORDER BY e.key LIMIT $limit"""

# Neo4j only: labels, relationship types and property names as parameters, never as part of a statement's text. FROM_CHUNK is the
# only edge of an entity that is no relation. DISTINCT makes the planner bind both ends before it looks for the edge between them
# from the end that has fewer. MERGE would look through all relations of the database for a type that is a parameter.

# Grows with the entities written.
LABELLED_ENTITIES: Final = """
UNWIND $rows AS row
MERGE (e:Entity {key: row.key})
WITH e, row, [old IN [e.label] WHERE old IS NOT NULL AND NOT old IN row.labels] AS stale
REMOVE e:$(stale)
SET e:$(row.labels)
SET e += row.values"""
_BOTH_ENDS = """
UNWIND $rows AS row
MATCH (s:Entity {key: row.source}) MATCH (t:Entity {key: row.target})
WITH DISTINCT row, s, t"""
# Grows with the rows, and with the relations of the end that has fewer.
RELATIONS_HELD_BETWEEN: Final = f"""{_BOTH_ENDS}
MATCH (s)-[r:!FROM_CHUNK]->(t) WHERE r.key = row.key
RETURN r.id AS id, r.chunks AS chunks, r.documents AS documents"""
# Makes writers of the same relation wait for each other. Grows with the rows.
LOCK_TARGETS: Final = """
UNWIND $rows AS row
MATCH (t:Entity {key: row.target}) SET t.name = t.name"""
# Grows like RELATIONS_HELD_BETWEEN.
DELETE_OTHER_TYPES: Final = f"""{_BOTH_ENDS}
MATCH (s)-[r:!FROM_CHUNK]->(t) WHERE r.key = row.key AND type(r) <> row.relationship_type
DELETE r"""
# Grows like RELATIONS_HELD_BETWEEN.
ADD_TYPED_RELATIONS: Final = f"""{_BOTH_ENDS}
OPTIONAL MATCH (s)-[held:!FROM_CHUNK]->(t) WHERE held.key = row.key
WITH row, s, t, held WHERE held IS NULL
CREATE (s)-[r:$(row.relationship_type)]->(t) SET r = row.values"""
# Grows like RELATIONS_HELD_BETWEEN.
SET_TYPED_RELATIONS: Final = f"""{_BOTH_ENDS}
MATCH (s)-[r:!FROM_CHUNK]->(t) WHERE r.key = row.key
SET r = row.values"""
# Grows like RELATIONS_HELD_BETWEEN.
DELETE_RELATIONS_BETWEEN: Final = f"""{_BOTH_ENDS}
MATCH (s)-[r:!FROM_CHUNK]->(t) WHERE r.key = row.key
DELETE r"""
# Grows like TRIPLES_OF.
TRIPLES_OF_ANY_TYPE: Final = TRIPLES_OF.replace(":RELATES_TO", ":!FROM_CHUNK")
