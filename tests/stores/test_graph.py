"""The contract of the graph's port on every real server that there is: ArcadeDB and Neo4j."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID, uuid4, uuid5

import pytest

from aegis_assets.model.graph import GraphChunk, GraphCounts, GraphDocument, GraphEntity, GraphRelation
from aegis_assets.model.ids import relation_id
from aegis_assets.stores.bolt import Bolt
from aegis_assets.stores.graph import BoltGraph, keyed
from tests.arcadedb_service import free_ports, start_arcadedb, stop
from tests.conftest import GraphServer

DOCUMENT, SECOND = UUID(int=21), UUID(int=22)


def chunk(number: int, document: UUID = DOCUMENT) -> GraphChunk:
    return GraphChunk(
        id=uuid5(document, str(number)), ordinal=number, text=f"text {number} ' \" $x {{}} ü", headings=("One", "Two"), pages=(1, 2)
    )


def ids(*numbers: int, document: UUID = DOCUMENT) -> tuple[UUID, ...]:
    return tuple(chunk(number, document).id for number in numbers)


def entity(name: str, *chunks: UUID) -> GraphEntity:
    return GraphEntity(id=uuid5(DOCUMENT, f"entity {name}"), name=name, type="tool", aliases=(f"{name}s",), chunks=chunks)


def relation(source: GraphEntity, kind: str, target: GraphEntity, *chunks: UUID, confidence: float = 0.5) -> GraphRelation:
    made = relation_id(source.id, kind, target.id)
    return GraphRelation(
        id=made,
        source=source.id,
        target=target.id,
        type=kind,
        confidence=confidence,
        chunks=chunks,
        documents=tuple(one for one in (DOCUMENT, SECOND) if set(ids(*range(300), document=one)) & set(chunks)),
        evidence=f"{source.name} {kind}.",
    )


@pytest.fixture(scope="module")
def server_graph(graph_server: GraphServer) -> Iterator[BoltGraph]:
    store = BoltGraph(graph_server.address, graph_server.user, graph_server.password)
    store.ensure_schema()
    yield store
    store.close()


@pytest.fixture
def graph(server_graph: BoltGraph) -> BoltGraph:
    return server_graph


@pytest.fixture(scope="module")
def bolt(graph_server: GraphServer) -> Iterator[Bolt]:
    store = Bolt(graph_server.address, graph_server.user, graph_server.password)
    yield store
    store.close()


@pytest.fixture
def collection() -> UUID:
    return uuid4()


def chain(bolt: Bolt, collection: UUID) -> list[tuple[int, int]]:
    rows = bolt.query(
        "MATCH (a:Chunk)-[:NEXT_CHUNK]->(b:Chunk) WHERE a.collection = $c RETURN a.ordinal AS a, b.ordinal AS b", c=str(collection)
    )
    return sorted((row["a"], row["b"]) for row in rows)


def everything(bolt: Bolt, collection: UUID) -> dict[str, int]:
    counted = {}
    for label in ("Document", "Chunk", "Entity"):
        counted[label] = bolt.query(f"MATCH (n:{label}) WHERE n.collection = $c RETURN count(n) AS n", c=str(collection))[0]["n"]
    for edge in ("FROM_DOCUMENT", "NEXT_CHUNK", "FROM_CHUNK", "RELATES_TO"):
        counted[edge] = bolt.query(f"MATCH (n)-[r:{edge}]->() WHERE n.collection = $c RETURN count(r) AS n", c=str(collection))[0][
            "n"
        ]
    return counted


def test_a_document_written_twice_is_there_once_with_its_chain_in_order(graph: BoltGraph, bolt: Bolt, collection: UUID) -> None:
    chunks = [chunk(number) for number in range(600)]
    for _ in range(2):
        graph.write_documents(collection, [(GraphDocument(id=DOCUMENT, name="a.md", generation=1), iter(chunks))])

    assert everything(bolt, collection) == {
        "Document": 1, "Chunk": 600, "Entity": 0, "FROM_DOCUMENT": 600, "NEXT_CHUNK": 599, "FROM_CHUNK": 0, "RELATES_TO": 0,
    }  # fmt: skip
    assert chain(bolt, collection) == [(n, n + 1) for n in range(599)]
    assert graph.chunk_ids(collection, DOCUMENT) == {one.id for one in chunks}
    stored = bolt.query(
        "MATCH (c:Chunk {key: $key}) RETURN c.text AS text, c.headings AS headings, c.pages AS pages",
        key=keyed(collection, chunks[7].id),
    )
    assert stored == [{"text": chunks[7].text, "headings": ["One", "Two"], "pages": [1, 2]}]


def test_a_new_order_replaces_the_chain_and_old_chunks_stay_out_of_it(graph: BoltGraph, bolt: Bolt, collection: UUID) -> None:
    graph.write_documents(collection, [(GraphDocument(id=DOCUMENT, name="a.md", generation=1), [chunk(n) for n in range(5)])])
    renumbered = [chunk(n).model_copy(update={"ordinal": place}) for place, n in enumerate((3, 0, 4))]

    graph.write_documents(collection, [(GraphDocument(id=DOCUMENT, name="a.md", generation=2), renumbered)])

    rows = bolt.query(
        "MATCH (a:Chunk)-[:NEXT_CHUNK]->(b:Chunk) WHERE a.collection = $c RETURN a.id AS a, b.id AS b", c=str(collection)
    )
    assert {(UUID(row["a"]), UUID(row["b"])) for row in rows} == {(ids(3)[0], ids(0)[0]), (ids(0)[0], ids(4)[0])}
    assert everything(bolt, collection)["Chunk"] == 5
    graph.delete_chunks(collection, ids(1, 2))
    assert graph.chunk_ids(collection, DOCUMENT) == set(ids(0, 3, 4))
    assert graph.counts(collection, [DOCUMENT])[DOCUMENT] == GraphCounts(entities=0, relations=0)


def test_an_entity_has_exactly_the_evidence_of_its_last_writing(graph: BoltGraph, bolt: Bolt, collection: UUID) -> None:
    graph.write_documents(collection, [(GraphDocument(id=DOCUMENT, name="a", generation=1), [chunk(n) for n in range(300)])])
    hub = entity("hub", *ids(*range(300)))
    graph.write_entities(collection, [hub, entity("leaf", *ids(1)), entity("unknown chunk", uuid4())])
    assert graph.counts(collection, [DOCUMENT])[DOCUMENT].entities == 2

    for _ in range(2):
        graph.write_entities(collection, [entity("hub", *ids(0, 299))])

    assert everything(bolt, collection)["FROM_CHUNK"] == 3
    assert graph.entity_ids(collection, DOCUMENT) == {entity("hub").id, entity("leaf").id}
    assert [row["name"] for row in graph.entities(collection, limit=2)] == ["hub", "leaf"]


def test_two_types_between_one_pair_are_two_edges_and_a_rewrite_changes_one_in_place(
    graph: BoltGraph, bolt: Bolt, collection: UUID
) -> None:
    a, b = entity("a", *ids(0)), entity("b", *ids(0, 1))
    graph.write_documents(collection, [(GraphDocument(id=DOCUMENT, name="a", generation=1), [chunk(0), chunk(1)])])
    graph.write_entities(collection, [a, b])
    both = [relation(a, "uses", b, *ids(0)), relation(a, "replaces", b, *ids(0)), relation(b, "uses", a, *ids(1))]
    for _ in range(2):
        graph.write_relations(collection, both)
    assert everything(bolt, collection)["RELATES_TO"] == 3

    graph.write_relations(
        collection, [relation(a, "uses", b, *ids(0, 1), confidence=0.9), relation(a, "uses", entity("absent"), *ids(0))]
    )

    assert everything(bolt, collection)["RELATES_TO"] == 3
    best = graph.relations(collection, DOCUMENT, limit=1)[0]
    assert (best["source"], best["type"], best["target"], best["confidence"]) == ("a", "uses", "b", 0.9)
    assert best["evidence"] == "a uses."
    assert best["chunks"] == [str(one) for one in ids(0, 1)]
    assert len(graph.relations(collection)) == 3
    assert graph.relation_triples(collection, DOCUMENT) == {(a.id, "uses", b.id), (a.id, "replaces", b.id), (b.id, "uses", a.id)}
    assert graph.relation_triples_of(collection, [b.id]) == graph.relation_triples(collection, DOCUMENT)


def test_counts_are_of_one_document_only(graph: BoltGraph, collection: UUID) -> None:
    for document in (DOCUMENT, SECOND):
        graph.write_documents(
            collection, [(GraphDocument(id=document, name="x", generation=1), [chunk(n, document) for n in range(3)])]
        )
    shared = entity("shared", *ids(0), *ids(0, document=SECOND))
    only = entity("only", *ids(1))
    graph.write_entities(collection, [shared, only])
    graph.write_relations(
        collection, [relation(only, "uses", shared, *ids(1)), relation(shared, "has", only, *ids(0, document=SECOND))]
    )

    assert graph.counts(collection, [DOCUMENT, SECOND]) == {
        DOCUMENT: GraphCounts(entities=2, relations=1), SECOND: GraphCounts(entities=1, relations=1),
    }  # fmt: skip
    assert graph.counts(collection, [SECOND]) == {SECOND: GraphCounts(entities=1, relations=1)}
    assert graph.chunks_of(collection, [DOCUMENT, SECOND]) == {one: set(ids(0, 1, 2, document=one)) for one in (DOCUMENT, SECOND)}


def test_deleting_leaves_nothing_behind_and_twice_is_once(graph: BoltGraph, bolt: Bolt, collection: UUID) -> None:
    graph.write_documents(collection, [(GraphDocument(id=DOCUMENT, name="a", generation=1), [chunk(n) for n in range(300)])])
    a, b, c = entity("a", *ids(*range(300))), entity("b", *ids(0)), entity("c", *ids(1))
    graph.write_entities(collection, [a, b, c])
    graph.write_relations(
        collection, [relation(a, "uses", b, *ids(0)), relation(c, "uses", a, *ids(1)), relation(b, "uses", c, *ids(1))]
    )
    for _ in range(2):
        graph.delete_relations(collection, [(b.id, "uses", c.id)])
        assert everything(bolt, collection)["RELATES_TO"] == 2
    for _ in range(2):
        graph.delete_document(collection, DOCUMENT)
        assert everything(bolt, collection)["Entity"] == 3
    for _ in range(2):
        graph.delete_entities(collection, [a.id, b.id, c.id])
        assert set(everything(bolt, collection).values()) == {0}


def test_the_same_ids_in_two_collections_do_not_touch(graph: BoltGraph, bolt: Bolt) -> None:
    one, other = uuid4(), uuid4()
    for collection in (one, other):
        graph.write_documents(collection, [(GraphDocument(id=DOCUMENT, name="a", generation=1), [chunk(0), chunk(1)])])
        graph.write_entities(collection, [entity("a", *ids(0)), entity("b", *ids(1))])
        graph.write_relations(collection, [relation(entity("a"), "uses", entity("b"), *ids(0))])
    before = everything(bolt, other)

    graph.delete_document(one, DOCUMENT)
    graph.delete_relations(one, [(entity("a").id, "uses", entity("b").id)])
    graph.delete_entities(one, [entity("a").id, entity("b").id])

    assert set(everything(bolt, one).values()) == {0}
    assert everything(bolt, other) == before


def test_writers_at_once_end_as_one_after_the_other(graph: BoltGraph, bolt: Bolt, collection: UUID) -> None:
    graph.write_documents(collection, [(GraphDocument(id=DOCUMENT, name="a", generation=1), [chunk(n) for n in range(50)])])
    names = [f"n{n}" for n in range(120)]
    barrier = threading.Barrier(3)

    def write(worker: int) -> None:
        barrier.wait()
        for start in range(0, 120, 40):
            shift = names[(start + worker * 40) % 120 :][:40]
            graph.write_entities(collection, [entity(name, *ids(*range(10))) for name in shift])

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(write, range(3)))
    graph.write_entities(collection, [entity(name, *ids(*range(10))) for name in names])

    assert everything(bolt, collection)["Entity"] == 120
    assert len(graph.entity_ids(collection, DOCUMENT)) == 120


def test_processes_racing_to_make_the_schema_all_succeed(tmp_path: Path) -> None:
    process, address, password = start_arcadedb(tmp_path / "race")
    try:
        graphs = [BoltGraph(address, "root", password) for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda one: one.ensure_schema(), graphs))
        names = {row["name"] for row in Bolt(address, "root", password).query("SHOW INDEXES") if row["name"].startswith("aegis_")}
        assert {"aegis_chunk_document", "aegis_relates_key"} <= names
        for one in graphs:
            one.close()
    finally:
        stop(process)


def test_a_server_killed_in_mid_work_is_waited_for_and_nothing_committed_is_lost(tmp_path: Path, collection: UUID) -> None:
    ports = (free_ports(2)[0], free_ports(2)[1])
    process, address, password = start_arcadedb(tmp_path / "killed", ports)
    store = BoltGraph(address, "root", password)
    started: list[subprocess.Popen[bytes]] = [process]
    try:
        store.ensure_schema()
        store.write_documents(collection, [(GraphDocument(id=DOCUMENT, name="a", generation=1), [chunk(n) for n in range(300)])])
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        restart = threading.Thread(target=lambda: started.append(start_arcadedb(tmp_path / "killed", ports)[0]))
        restart.start()
        store.write_documents(collection, [(GraphDocument(id=DOCUMENT, name="a", generation=2), [chunk(n) for n in range(310)])])
        restart.join()
        assert store.chunk_ids(collection, DOCUMENT) == set(ids(*range(310)))
    finally:
        store.close()
        stop(started[-1])
