"""A loaded collection into the ledger, by COPY: what a search or a publish reads of it, as if its documents had been ingested.

Left out are embeddings and points. Foreign keys are not checked, and indexes are made when the rows are there. Names count as
compared with each other, by the rules of now and the engine double's embedder.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, LiteralString
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.rows import DictRow, dict_row

from aegis_assets.model import ids
from aegis_assets.pipeline.blocking import MAX_BLOCK, blocks
from aegis_assets.pipeline.resolve import rules_fingerprint
from bench.growth_corpus import HUBS, RELATION, TYPE, Loaded, name
from tests.doubles.engine import EMBEDDER

FINGERPRINT: Final = "loaded"
RULES: Final = rules_fingerprint(EMBEDDER.fingerprint)
CONFIDENCE: Final = 0.9
PIECE: Final = 2_000  # lines of a write
ROWS: Final = 5_000  # of a fetch

TABLES: Final[dict[str, tuple[str, ...]]] = {
    "aegis_document": (
        "id", "collection_id", "name", "source", "source_key", "state", "blob", "sha256", "size", "format", "live_id", "fraction",
    ),
    "aegis_generation": ("id", "document_id", "number", "sha256", "blob", "state", "plan_fingerprint", "pages"),
    "aegis_window": ("id", "generation_id", "document_id", "ordinal", "first", "last", "key", "parse_state", "enrich_state"),
    "aegis_run_document": ("run_id", "document_id"),
    "aegis_chunk": ("id", "document_id", "text_hash", "repeat", "text", "tokens", "since"),
    "aegis_placement": ("generation_id", "window_id", "chunk_id", "ordinal", "pages", "headings"),
    "aegis_chunk_task": ("chunk_id", "document_id", "stage", "state", "fingerprint"),
    "aegis_extraction": ("text_hash", "fingerprint", "payload"),
    "aegis_entity": ("id", "collection_id", "canonical_id", "type", "name", "normalised", "resolved"),
    "aegis_entity_block": ("collection_id", "key", "entity_id"),
    "aegis_mention": ("chunk_id", "document_id", "entity_id", "name", "type", "start", "end"),
    "aegis_home": ("collection_id", "document_id", "chunk_id", "name", "lead"),
    "aegis_relation": ("chunk_id", "document_id", "source_id", "target_id", "type", "confidence", "start", "end"),
}  # fmt: skip
COLLECTION: Final = """
INSERT INTO aegis_collection (id, name, entity_types, relation_types) VALUES (%(id)s, %(name)s, %(entities)s, %(relations)s)"""
SEQUENCES: Final = "SELECT setval(pg_get_serial_sequence('aegis_generation', 'id'), max(id)) FROM aegis_generation"
INDEXES: Final = """
SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS definition
FROM pg_index i WHERE i.indrelid = ANY(%(tables)s::regclass[]) AND NOT i.indisunique"""
GRAPH_RELATION: Final = ("id", "collection_id", "source_id", "type", "target_id", "chunks", "documents")

# These five grow with the collection: they are asked once, to load it.
CROWDED_KEYS: Final = """
INSERT INTO aegis_crowded_block (collection_id, key)
SELECT collection_id, key FROM aegis_entity_block WHERE key NOT LIKE '=%%'
GROUP BY collection_id, key HAVING count(*) > %(bound)s"""
GRAPH_ENTITIES: Final = """
INSERT INTO aegis_graph_entity (id, collection_id, chunks, documents)
SELECT entity_id, %(collection)s, count(DISTINCT chunk_id), count(DISTINCT document_id) FROM aegis_mention GROUP BY entity_id"""
SURFACE_FORMS: Final = """
INSERT INTO aegis_surface_form (entity_id, name, type, normalised, mentions, weight)
SELECT entity_id, '', type, '', count(*), 1000 * count(*) FROM aegis_mention GROUP BY entity_id, type"""
STATED: Final = """
SELECT source_id AS source, target_id AS target, count(DISTINCT chunk_id) AS chunks, count(DISTINCT document_id) AS documents
FROM aegis_relation WHERE source_id <> target_id GROUP BY source_id, target_id ORDER BY source_id"""
COUNTED: Final = "SELECT id, chunks FROM aegis_graph_entity"


@dataclass(frozen=True)
class Keys:
    """Ids by number, as text."""

    collection: UUID
    documents: tuple[str, ...]
    chunks: tuple[str, ...]
    entities: tuple[str, ...]


def keys_of(loaded: Loaded, collection: str) -> Keys:
    scope = ids.collection_id(collection)
    documents = [ids.document_id(scope, "upload", f"loaded-{number}.pdf") for number in range(loaded.documents)]
    chunks = []
    for document, identity in enumerate(documents):
        chunks += [str(ids.chunk_id(identity, str(chunk), 0)) for chunk in loaded.of_document(document)]
    entities = tuple(str(ids.entity_id(scope, name(entity))) for entity in range(loaded.entities))
    return Keys(scope, tuple(map(str, documents)), tuple(chunks), entities)


def load(url: str, loaded: Loaded, collection: str, keys: Keys) -> None:
    """Load all tables and analyse them. url: of an empty, migrated database."""
    with psycopg.connect(url) as connection:
        connection.execute("SET session_replication_role = replica")  # no foreign keys, no triggers
        connection.execute("SET maintenance_work_mem = '256MB'")
        schema = {"entities": [TYPE], "relations": [RELATION]}
        connection.execute(COLLECTION, {"id": keys.collection, "name": collection, **schema})
        with _without_indexes(connection):
            for table, lines in _tables(loaded, keys).items():
                _copy(connection, table, lines)
        connection.execute(SEQUENCES)
        connection.execute(CROWDED_KEYS, {"bound": MAX_BLOCK})
        connection.execute(GRAPH_ENTITIES, {"collection": keys.collection})
        connection.execute(SURFACE_FORMS)
        connection.commit()
        _copy(connection, "aegis_graph_relation", (_graph_relation(keys.collection, row) for row in stated(url)), GRAPH_RELATION)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


def stated(url: str) -> Iterator[DictRow]:
    """Yield the relations between two entities, with the numbers of chunks and documents that state them."""
    return _streamed(url, STATED)


def chunks_of_entities(url: str) -> dict[str, int]:
    """Return how many chunks mention each entity."""
    return {str(row["id"]): row["chunks"] for row in _streamed(url, COUNTED)}


def _streamed(url: str, query: LiteralString) -> Iterator[DictRow]:
    with psycopg.connect(url, row_factory=dict_row) as connection, connection.cursor("streamed") as cursor:
        cursor.itersize = ROWS
        cursor.execute(query)
        yield from cursor


@contextmanager
def _without_indexes(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """Drop all indexes but the unique ones, which guard against a load that is wrong, and make them anew at the end."""
    found = connection.execute(INDEXES, {"tables": list(TABLES)}).fetchall()
    for index, _ in found:
        connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(index)))
    yield
    for _, definition in found:
        connection.execute(definition)


def _copy(connection: psycopg.Connection[Any], table: str, lines: Iterable[str], columns: Sequence[str] = ()) -> None:
    """Copy lines, in COPY's text format, into a table."""
    names = sql.SQL(", ").join(map(sql.Identifier, columns or TABLES[table]))
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), names)
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        piece: list[str] = []
        for line in lines:
            piece.append(line)
            if len(piece) == PIECE:
                copy.write("".join(piece))
                piece.clear()
        copy.write("".join(piece))


def _tables(loaded: Loaded, keys: Keys) -> dict[str, Iterable[str]]:
    """Return the rows of each table, which are made when they are asked for."""
    per_document = [(number, document, loaded.of_document(number)) for number, document in enumerate(keys.documents)]
    placed = [(chunk, number) for number, _, chunks in per_document for chunk in chunks]
    document_of = [keys.documents[number] for _, number in placed]
    windows = [str(ids.window_id(UUID(document), 1, 0)) for document in keys.documents]
    chunks, named, scope = keys.chunks, keys.entities, keys.collection
    hashes = [ids.text_hash(chunk) for chunk in chunks]  # unlike the texts', and as long
    made = loaded.all_chunks
    return {
        "aegis_document": (
            f"{document}\t{scope}\tloaded-{n}.pdf\tupload\tloaded-{n}.pdf\tsucceeded\tblobs/{n}\t{n}\t9\tpdf\t{n + 1}\t1\n"
            for n, document, _ in per_document
        ),
        "aegis_generation": (
            f"{n + 1}\t{document}\t1\t{n}\tblobs/{n}\tlive\t{FINGERPRINT}\t1\n" for n, document, _ in per_document
        ),
        "aegis_window": (
            f"{windows[n]}\t{n + 1}\t{document}\t0\t1\t1\t{FINGERPRINT}\tdone\tdone\n" for n, document, _ in per_document
        ),
        "aegis_run_document": (f"{FINGERPRINT}\t{document}\n" for document in keys.documents),
        "aegis_chunk": (
            f"{chunks[n]}\t{document_of[n]}\t{hashes[n]}\t0\t{chunk.text}\t{len(chunk.text) // 4}\t1\n" for n, chunk in made()
        ),
        "aegis_placement": (
            f"{n + 1}\t{windows[n]}\t{chunks[chunk]}\t{chunk - of.start}\t{{1}}\t{{{_heading(loaded, chunk)}}}\n"
            for n, _, of in per_document
            for chunk in of
        ),
        "aegis_chunk_task": (
            f"{chunk}\t{document_of[n]}\t{stage}\tdone\t{FINGERPRINT}\n"
            for n, chunk in enumerate(chunks)
            for stage in ("embed", "extract")
        ),
        "aegis_extraction": (f"{one}\t{FINGERPRINT}\t{{}}\n" for one in hashes),
        "aegis_entity": (_entity(scope, entity, identity) for entity, identity in enumerate(named)),
        "aegis_entity_block": (_blocks(scope, entity, identity) for entity, identity in enumerate(named)),
        "aegis_mention": (
            f"{chunks[n]}\t{document_of[n]}\t{named[entity]}\t{name(entity)}\t{TYPE}\t{start}\t{end}\n"
            for n, chunk in made()
            for entity, (start, end) in chunk.mentions
        ),
        "aegis_home": (
            f"{scope}\t{document_of[n]}\t{chunk}\t{ids.normalised(_heading(loaded, n))}\t{ids.normalised(_heading(loaded, n))}\n"
            for n, chunk in enumerate(chunks)
        ),
        "aegis_relation": (
            f"{chunks[n]}\t{document_of[n]}\t{named[source]}\t{named[target]}\t{RELATION}\t{CONFIDENCE}\t{start}\t{end}\n"
            for n, chunk in made()
            for source, target, (start, end) in chunk.relations
        ),
    }


def _heading(loaded: Loaded, chunk: int) -> str:
    """Return the heading of a chunk, which is about an entity that it need not name."""
    return name(HUBS + chunk * 2 % (loaded.entities - HUBS))


def _entity(scope: UUID, entity: int, identity: str) -> str:
    said = name(entity)
    return f"{identity}\t{scope}\t{identity}\t{TYPE}\t{said}\t{ids.normalised(said)}\t{RULES}\n"


def _blocks(scope: UUID, entity: int, identity: str) -> str:
    keys = sorted(set(blocks(ids.normalised(name(entity)))))
    return "".join(f"{scope}\t{key}\t{identity}\n" for key in keys)


def _graph_relation(scope: UUID, row: DictRow) -> str:
    source, target = row["source"], row["target"]
    identity = ids.relation_id(source, RELATION, target)
    return f"{identity}\t{scope}\t{source}\t{RELATION}\t{target}\t{row['chunks']}\t{row['documents']}\n"
