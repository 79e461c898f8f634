"""A loaded collection into the graph, past the store's own statements: a million entities by those would take hours.

ArcadeDB takes nodes and edges by its HTTP endpoint for batches, where an edge names its ends by their place on disk; Neo4j by Bolt,
some thousands in a statement. What nodes and edges carry is made by the store's own functions, so that it is what publish writes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, Protocol
from uuid import UUID

import httpx

from aegis_assets.embedded import arcadedb
from aegis_assets.model.graph import SENTENCES, GraphChunk, GraphDocument, GraphEntity, GraphRelation
from aegis_assets.model.ids import relation_id
from aegis_assets.stores import graph_rows
from aegis_assets.stores.bolt import Bolt
from aegis_assets.stores.graph_rows import batches
from bench.growth_corpus import RELATION, TYPE, VERB, Loaded, name
from bench.growth_ledger import CONFIDENCE, Keys, chunks_of_entities, stated

Row = Mapping[str, Any]
Edge = tuple[str, str, Row]  # what `Sink.nodes` returned for the two ends, and properties

LINES: Final = 50_000  # of a request: 10 to 20 MB
STATEMENT_ROWS: Final = 5_000
SECONDS: Final = 600.0

# Of Neo4j. Both grow with the rows alone: a constraint answers for each key.
CREATE_NODES: Final = "UNWIND $rows AS row CREATE (n:%s) SET n = row"
CREATE_EDGES: Final = """
UNWIND $rows AS row
MATCH (a:%s {key: row.a}) MATCH (b:%s {key: row.b})
CREATE (a)-[r:%s]->(b) SET r = row.values"""


class Sink(Protocol):
    """Takes nodes, then edges.

    nodes: rows have a `key`; returns what edges name them by. ends: the labels of an edge's two nodes.
    """

    def nodes(self, label: str, rows: Iterable[Row]) -> list[str]: ...
    def edges(self, type: str, ends: tuple[str, str], edges: Iterable[Edge]) -> int: ...


class ArcadeSink:
    """A sink that uses `POST /api/v1/batch`."""

    def __init__(self, http_port: int, password: str) -> None:
        self._client = httpx.Client(
            base_url=f"http://127.0.0.1:{http_port}", auth=(arcadedb.USER, password), timeout=SECONDS, trust_env=False
        )

    def close(self) -> None:
        self._client.close()

    def types(self, edges: Sequence[str]) -> None:
        """Create the types of edges, which a batch does not."""
        for edge in edges:
            command = {"language": "sql", "command": f"CREATE EDGE TYPE {edge} IF NOT EXISTS"}
            self._client.post(f"/api/v1/command/{arcadedb.DATABASE}", json=command).raise_for_status()

    def nodes(self, label: str, rows: Iterable[Row]) -> list[str]:
        requests = (
            [{"@type": "vertex", "@class": label, "@id": str(number), **row} for number, row in enumerate(batch)]
            for batch in batches(rows, LINES)
        )
        mappings = (answer["idMapping"] for answer in self._answers(requests))
        return [mapping[str(number)] for mapping in mappings for number in range(len(mapping))]

    def edges(self, type: str, ends: tuple[str, str], edges: Iterable[Edge]) -> int:
        requests = (
            [{"@type": "edge", "@class": type, "@from": a, "@to": b, **values} for a, b, values in batch]
            for batch in batches(edges, LINES)
        )
        return sum(answer["edgesCreated"] for answer in self._answers(requests))

    def _answers(self, requests: Iterable[Sequence[Row]]) -> Iterator[dict[str, Any]]:
        """Send each request while the next one is made."""
        with ThreadPoolExecutor(1, thread_name_prefix="batch") as pool:
            sent: Future[dict[str, Any]] | None = None
            for request in requests:
                lines = [json.dumps(row, ensure_ascii=False) for row in request]
                if sent is not None:
                    yield sent.result()
                sent = pool.submit(self._send, lines)
            if sent is not None:
                yield sent.result()

    def _send(self, lines: Sequence[str]) -> dict[str, Any]:
        answer = self._client.post(
            f"/api/v1/batch/{arcadedb.DATABASE}",
            params={"expectedRecords": len(lines), "wal": "false", "idMapping": "true"},
            headers={"Content-Type": "application/x-ndjson"},
            content="\n".join(lines).encode(),
        )
        if answer.is_error:
            raise RuntimeError(f"the graph server refused a batch: {answer.text[:2000]}")
        found: dict[str, Any] = answer.json()
        return found


class BoltSink:
    """A sink that uses Cypher, for Neo4j."""

    def __init__(self, address: str, user: str, password: str) -> None:
        self._bolt = Bolt(address, user, password, timeout=SECONDS, patience=SECONDS)

    def close(self) -> None:
        self._bolt.close()

    def nodes(self, label: str, rows: Iterable[Row]) -> list[str]:
        keys: list[str] = []
        for batch in batches(rows, STATEMENT_ROWS):
            self._bolt.run((CREATE_NODES % label, {"rows": batch}))
            keys += [row["key"] for row in batch]
        return keys

    def edges(self, type: str, ends: tuple[str, str], edges: Iterable[Edge]) -> int:
        made = 0
        for batch in batches(edges, STATEMENT_ROWS):
            rows = [{"a": a, "b": b, "values": values} for a, b, values in batch]
            self._bolt.run((CREATE_EDGES % (*ends, type), {"rows": rows}))
            made += len(rows)
        return made


def load(sink: Sink, loaded: Loaded, keys: Keys, url: str) -> int:
    """Load nodes and edges and return their number. url: of the ledger, which has the collection already."""
    documents = sink.nodes("Document", (_document(keys, number) for number in range(loaded.documents)))
    chunks = sink.nodes("Chunk", _chunks(loaded, keys))
    counted = chunks_of_entities(url)
    entities = sink.nodes("Entity", (_entity(keys, number, counted[one]) for number, one in enumerate(keys.entities)))
    place = {identity: entities[number] for number, identity in enumerate(keys.entities)}
    made = len(documents) + len(chunks) + len(entities)
    spans = [loaded.of_document(number) for number in range(loaded.documents)]
    made += sink.edges(
        "FROM_DOCUMENT", ("Chunk", "Document"), ((chunks[c], documents[n], {}) for n, span in enumerate(spans) for c in span)
    )
    made += sink.edges("NEXT_CHUNK", ("Chunk", "Chunk"), ((chunks[c], chunks[c + 1], {}) for span in spans for c in span[:-1]))
    made += sink.edges(
        "FROM_CHUNK",
        ("Entity", "Chunk"),
        ((entities[entity], chunks[number], {}) for number, chunk in loaded.all_chunks() for entity, _ in chunk.mentions),
    )
    made += sink.edges("RELATES_TO", ("Entity", "Entity"), _relations(keys, place, url))
    return made


def _document(keys: Keys, number: int) -> Row:
    document = GraphDocument(id=UUID(keys.documents[number]), name=f"loaded-{number}.pdf", generation=1)
    return _row(graph_rows.document(keys.collection, document))


def _chunks(loaded: Loaded, keys: Keys) -> Iterator[Row]:
    made = loaded.all_chunks()
    for number, document in enumerate(keys.documents):
        for ordinal, _ in enumerate(loaded.of_document(number)):
            chunk, content = next(made)
            node = GraphChunk(id=UUID(keys.chunks[chunk]), ordinal=ordinal, text=content.text, headings=(), pages=(1,))
            yield _row(graph_rows.chunk(keys.collection, UUID(document), node))


def _entity(keys: Keys, entity: int, chunks: int) -> Row:
    node = GraphEntity(id=UUID(keys.entities[entity]), name=name(entity), type=TYPE, aliases=(), chunks=chunks)
    return _row(graph_rows.entity(keys.collection, node))


def _relations(keys: Keys, place: Mapping[str, str], url: str) -> Iterator[Edge]:
    said = {identity: name(entity) for entity, identity in enumerate(keys.entities)}
    for row in stated(url):
        source, target = str(row["source"]), str(row["target"])
        edge = GraphRelation(
            id=relation_id(row["source"], RELATION, row["target"]),
            source=row["source"],
            target=row["target"],
            type=RELATION,
            confidence=CONFIDENCE,
            sentences=(f"{said[source]} {VERB} {said[target]}.",) * min(row["chunks"], SENTENCES),
            chunks=row["chunks"],
            documents=row["documents"],
            in_schema=True,
        )
        yield place[source], place[target], graph_rows.relation(keys.collection, edge, typed=False)["values"]


def _row(made: Row) -> Row:
    """Return the properties as the store's statements set them."""
    return {"key": made["key"], **made["values"]}
