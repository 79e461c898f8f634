"""All stores, real ones, and an ingestion small enough to read: capitalised words are entities, a word between two a relation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest

from aegis_assets.model import ids
from aegis_assets.model.document import State
from aegis_assets.model.embedding import EmbedderInfo, Embedding, VectorPoint
from aegis_assets.model.extraction import Extraction, Mention, Relation
from aegis_assets.model.ledger import Extracted
from aegis_assets.model.parsing import ParsedWindow, Picture
from aegis_assets.pipeline.drain import sweep
from aegis_assets.pipeline.outbox import Stores
from aegis_assets.pipeline.publish import PublishResult, consistency, publish
from aegis_assets.stores.bolt import Bolt
from aegis_assets.stores.bucket import ObjectBucket
from aegis_assets.stores.graph import BoltGraph
from aegis_assets.stores.ledger import Ledger, homes, outbox
from aegis_assets.stores.ledger.base import rows
from aegis_assets.stores.ledger.graph_view import GraphView
from aegis_assets.stores.vectors import QdrantVectors
from tests.stores.ledger.build import CHUNKS, EMBED, EXTRACT, PARSE, PLAN, dead, draft, inspection, plans, sha

INFO = EmbedderInfo(name="small", dimension=3, sparse="lexical", max_tokens=256, fingerprint=EMBED)
NAME = re.compile(r"[A-Z][a-z]+[0-9]*")
TABLES = (
    *(
        "document",
        "generation",
        "window",
        "chunk",
        "embedding",
        "placement",
        "chunk_task",
        "extraction",
        "entity",
        "merge",
        "decision",
        "mention",
        "relation",
    ),
    *("failure", "run_document", "bucket_object", "lease", "graph_entity", "graph_relation", "outbox"),
    *("entity_block", "crowded_block", "surface_form", "home", "description", "description_source"),
)
LIVE = "aegis_document d JOIN aegis_placement p ON p.generation_id = d.live_id"
ENTITIES = f"""
SELECT e.canonical_id, count(DISTINCT m.chunk_id) AS chunks, count(DISTINCT m.document_id) AS documents
FROM {LIVE} JOIN aegis_mention m ON m.chunk_id = p.chunk_id JOIN aegis_entity e ON e.id = m.entity_id
WHERE e.collection_id = %s GROUP BY e.canonical_id"""
KEPT_ENTITIES = "SELECT id, chunks, documents FROM aegis_graph_entity WHERE collection_id = %s"
RELATIONS = f"""
SELECT s.canonical_id AS source, r.type, t.canonical_id AS target, count(DISTINCT r.chunk_id) AS chunks,
    count(DISTINCT r.document_id) AS documents
FROM {LIVE} JOIN aegis_relation r ON r.chunk_id = p.chunk_id
JOIN aegis_entity s ON s.id = r.source_id JOIN aegis_entity t ON t.id = r.target_id
WHERE s.canonical_id <> t.canonical_id AND s.collection_id = %s GROUP BY s.canonical_id, r.type, t.canonical_id"""
HOMES = "SELECT collection_id, document_id, name, chunk_id FROM aegis_home WHERE collection_id = %s"
KEPT_RELATIONS = "SELECT source_id, type, target_id, chunks, documents FROM aegis_graph_relation WHERE collection_id = %s"


def extraction(text: str) -> Extraction:
    found = list(NAME.finditer(text))
    mentions = tuple(Mention(name=one.group(), type="thing", start=one.start(), end=one.end()) for one in found)
    relations = tuple(
        Relation(source=n, target=n + 1, type=between, confidence=0.4 + len(between) / 100, start=left.start(), end=right.end())
        for n, (left, right) in enumerate(pairwise(found))
        if (between := text[left.end() : right.start()].strip()).isalpha()
    )
    return Extraction(mentions=mentions, relations=relations, calls=1)


def embedding(text: str) -> Embedding:
    length = float(len(text) % 7 + 1)
    return Embedding(dense=(1.0 / length, 1.0, 0.5), indices=(len(text),), values=(1.0,))


@dataclass
class World:
    collection: str
    ledger: Ledger
    view: GraphView
    vectors: QdrantVectors
    graph: BoltGraph
    bucket: ObjectBucket
    bolt: Bolt
    salt: str = ""  # worlds with the same one have the same bytes for the same texts
    headings: tuple[str, ...] = ("Title",)  # of the chunks of what is prepared next

    @property
    def id(self) -> UUID:
        return ids.collection_id(self.collection)

    def prepare(self, name: str, windows: Sequence[Sequence[str]], run_id: str = "run-1", merges: bool = False) -> UUID:
        """Everything up to publish: registered, parsed, chunked, embedded, extracted."""
        content = f"{self.salt}{windows!r}"
        blob = f"blobs/{sha(content)}"
        self.bucket.put(blob, content.encode())
        document = self.ledger.register(self.collection, "upload", name, name, blob, sha(content), len(content)).document
        self.ledger.begin(document, run_id, dead)
        self.vectors.ensure(self.id, INFO)
        generation = self.ledger.generation_for(document, run_id, sha(content), blob, len(content), PLAN)
        keys = [sha(repr(window)) for window in windows]
        self.ledger.save_plan(generation.id, run_id, inspection(len(keys)), PLAN, plans(*keys))
        for row, texts in zip(self.ledger.windows(generation.id), windows, strict=True):
            self.ledger.save_parsed(row.id, run_id, self._artifacts(document, row.key), PARSE, 0.1)
            chunks = self.ledger.save_chunks(row.id, run_id, [draft(text, row.first, self.headings) for text in texts], CHUNKS, 0.1)
            self._embed_and_extract(document, generation.id, chunks, run_id)
        if merges:
            self.merge_plurals()
        return document

    def _artifacts(self, document: UUID, key: str) -> ParsedWindow:
        place = f"artifacts/{document}/{key[:16]}-{PARSE}"
        self.bucket.put(f"{place}/window.json", b"{}")
        self.bucket.put(f"{place}/picture-0.png", b"png")
        picture = Picture(ref="#/pictures/0", image=f"{place}/picture-0.png", box=None, caption="")
        return ParsedWindow(
            artifact=f"{place}/window.json",
            items=1,
            characters=9,
            headings=(),
            pictures=(picture,),
            parser="rules",
            seconds=0.1,
            peak_mb=1.0,
        )

    def _embed_and_extract(self, document: UUID, generation: int, chunks: Sequence[UUID], run_id: str) -> None:
        texts = {row["id"]: row["text"] for row in self.rows("SELECT id, text FROM aegis_chunk WHERE document_id = %s", document)}
        visible = self.ledger.visible(dict.fromkeys(chunks, generation))
        points = [VectorPoint(id=one, document=document, embedding=embedding(texts[one]), live=one in visible) for one in chunks]
        self.vectors.upsert(self.id, points)
        self.ledger.save_embedded(document, run_id, chunks, EMBED, 0.1, [point.embedding for point in points])
        for one in chunks:
            self.ledger.save_extractions(document, run_id, EXTRACT, [Extracted(one, extraction(texts[one]), seconds=0.1)])

    def merge_plurals(self) -> None:
        """Ada and Adas are one, by a recorded merge that a publish follows."""
        names = self.rows("SELECT id, name FROM aegis_entity WHERE collection_id = %s", self.id)
        by_name = {row["name"]: row["id"] for row in names}
        for name, one in by_name.items():
            if f"{name}s" in by_name:
                left, right = sorted([one, by_name[f"{name}s"]])
                self.execute(
                    "INSERT INTO aegis_merge (collection_id, left_id, right_id, reason, score) VALUES (%s, %s, %s, 'exact', 1)"
                    " ON CONFLICT DO NOTHING",
                    self.id, left, right,
                )  # fmt: skip

    def stores(self) -> dict[str, Any]:
        return {"ledger": self.view, "vectors": self.vectors, "graph": self.graph, "bucket": self.bucket}

    def publish(self, document: UUID, run_id: str = "run-1", **doubles: Any) -> PublishResult:
        return publish([document], run_id, **self.stores() | doubles)[document]

    def agreed(self, document: UUID) -> bool:
        return consistency(document, self.view, self.vectors, self.graph).agree

    def ingest(self, name: str, windows: Sequence[Sequence[str]], run_id: str = "run-1", merges: bool = False) -> UUID:
        document = self.prepare(name, windows, run_id, merges)
        self.publish(document, run_id)
        self.ledger.finish(document, run_id, State.SUCCEEDED, "")
        return document

    def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        with self.ledger.connection() as connection:
            return connection.execute(query, values).fetchall()  # type: ignore[arg-type]

    def execute(self, query: str, *values: object) -> None:
        with self.ledger.connection() as connection:
            connection.execute(query, values)  # type: ignore[arg-type]

    def tables(self) -> dict[str, int]:
        return {table: self.rows(f"SELECT count(*) AS n FROM aegis_{table}")[0]["n"] for table in TABLES}

    def nodes(self) -> dict[str, Any]:
        """The collection's graph by names and texts, so that two collections can be compared."""
        scope = {"c": str(self.id)}
        entities = self.bolt.query(
            "MATCH (e:Entity {collection: $c}) OPTIONAL MATCH (e)-[:FROM_CHUNK]->(k:Chunk) WITH e, collect(k.text) AS texts"
            " RETURN e.name AS name, e.type AS type, e.aliases AS aliases, e.chunks AS chunks, texts",
            **scope,
        )
        relations = self.bolt.query(
            "MATCH (s:Entity {collection: $c})-[r:RELATES_TO]->(t:Entity) RETURN s.name AS s, r.type AS type, t.name AS t,"
            " r.confidence AS confidence, r.sentences AS sentences, r.chunks AS chunks, r.documents AS documents",
            **scope,
        )
        chunks = self.bolt.query(
            "MATCH (k:Chunk)-[:FROM_DOCUMENT]->(d:Document) WHERE k.collection = $c"
            " RETURN d.name AS name, d.generation AS generation, k.ordinal AS ordinal, k.text AS text, k.id AS id",
            **scope,
        )
        chain = self.bolt.query(
            "MATCH (a:Chunk)-[:NEXT_CHUNK]->(b:Chunk) WHERE a.collection = $c RETURN a.text AS a, b.text AS b", **scope
        )
        return {
            "entities": sorted((row["name"], row["type"], tuple(row["aliases"]), tuple(sorted(row["texts"]))) for row in entities),
            "counted": sorted((row["name"], row["chunks"]) for row in entities),
            "relations": sorted(
                (
                    row["s"],
                    row["type"],
                    row["t"],
                    row["confidence"],
                    tuple(sorted(row["sentences"])),
                    row["chunks"],
                    row["documents"],
                )
                for row in relations
            ),
            "chunks": sorted((row["name"], row["generation"], row["ordinal"], row["text"]) for row in chunks),
            "chain": sorted((row["a"], row["b"]) for row in chain),
        }

    def dirty(self) -> list[tuple[str, UUID]]:
        """What is still to be written to graph and vectors."""
        return [
            (row["kind"], row["key"]) for row in self.rows("SELECT kind, key FROM aegis_outbox WHERE collection_id = %s", self.id)
        ]

    def sweep(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Write what was left in the outbox, as if it had been left long ago."""
        monkeypatch.setattr(outbox, "SWEPT_AFTER", 0)
        monkeypatch.setattr(outbox, "CLAIM_SECONDS", 0)
        while sweep(Stores(self.view, self.vectors, self.graph)):
            pass
        monkeypatch.undo()

    def require_mirror(self) -> None:
        """What the ledger keeps by difference is what a count over all live rows gives."""
        assert self.counted(ENTITIES) == self.counted(KEPT_ENTITIES)
        assert self.counted(RELATIONS) == self.counted(KEPT_RELATIONS)
        documents = [row["id"] for row in self.rows("SELECT id FROM aegis_document WHERE collection_id = %s", self.id)]
        with self.ledger.connection() as connection:
            placed = rows(connection, homes.LIVE_HEADINGS, documents=documents)
        assert self.counted(HOMES) == sorted(homes.homes_of(placed))

    def counted(self, query: str) -> list[tuple[Any, ...]]:
        return sorted(tuple(row.values()) for row in self.rows(query, self.id))

    def _named(self, key: str, documents: dict[str, str]) -> str:
        head, _, rest = key.partition("/")
        return "blobs/" if head == "blobs" else f"{head}/{documents.get(rest[:36], rest[:36])}{rest[36:]}"

    def files(self) -> list[str]:
        return sorted(self.bucket.keys(""))

    def state(self) -> dict[str, Any]:
        """What all stores hold of the collection, by names and texts."""
        names = self.rows(
            "SELECT e.name, c.name AS canonical FROM aegis_entity e JOIN aegis_entity c ON c.id = e.canonical_id"
            " WHERE e.collection_id = %s",
            self.id,
        )
        documents = self.rows("SELECT id, name FROM aegis_document WHERE collection_id = %s", self.id)
        texts = {
            row["id"]: row["text"]
            for row in self.rows(
                "SELECT k.id, k.text FROM aegis_chunk k JOIN aegis_document d ON d.id = k.document_id WHERE d.collection_id = %s",
                self.id,
            )
        }
        found = {hit.id for hit in self.vectors.search(self.id, embedding("x"), 1000)}
        stored = {row["name"]: self.vectors.chunk_ids(self.id, row["id"]) for row in documents}
        known = {str(row["id"]): row["name"] for row in documents}
        return {
            **self.nodes(),
            "names": sorted((row["name"], row["canonical"]) for row in names),
            "searchable": sorted(texts.get(chunk, f"?{chunk}") for chunk in found),
            "vectors": {name: sorted(texts.get(chunk, f"?{chunk}") for chunk in chunks) for name, chunks in stored.items()},
            "keys": sorted(self._named(key, known) for key in self.files()),
            "texts": sorted(texts.values()),
        }
