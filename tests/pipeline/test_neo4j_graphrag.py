"""neo4j-graphrag, the official package, reads what we write: its retrievers on a real Neo4j, over a document and its revision."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import UUID

import neo4j
import pytest
from neo4j_graphrag.embeddings.base import Embedder
from neo4j_graphrag.indexes import retrieve_vector_index_info
from neo4j_graphrag.retrievers import HybridRetriever, VectorCypherRetriever, VectorRetriever
from neo4j_graphrag.types import RetrieverResult

from aegis_assets.errors import Misconfigured, StoreUnavailable
from aegis_assets.model.document import State
from aegis_assets.pipeline.flow.rebuild import rebuild_graph
from aegis_assets.stores.bolt import Bolt
from aegis_assets.stores.graph import BoltGraph
from tests.conftest import GraphServer
from tests.pipeline.crashes import Crash, broken
from tests.pipeline.world import INFO, World, embedding

pytestmark = pytest.mark.neo4j

VECTOR_INDEX = f"aegis_chunk_embedding_{INFO.dimension}"
TEXT_INDEX = "aegis_chunk_text"
OLD = [["Ada uses Engine", "Bob likes Engine"], ["Zebra crosses Road"]]
NEW = [["Ada uses Engine", "Bob paints Engine"], ["Heron crosses River"]]
GONE = {"Bob likes Engine", "Zebra crosses Road"}
NEIGHBOURS = """
MATCH (node)-[:FROM_DOCUMENT]->(d:Document)
OPTIONAL MATCH (node)<-[:FROM_CHUNK]-(e:Entity)
RETURN node.text AS text, d.name AS document, collect(e.name) AS entities, node.collection AS collection"""

RELATIONS = """
MATCH (node)<-[:FROM_CHUNK]-(s:Entity)-[r:!FROM_CHUNK]->(t:Entity) WHERE node.collection = $collection
RETURN s.name AS source, r.type AS type, t.name AS target, r.chunks AS chunks, r.documents AS documents, r.sentences AS sentences"""


class WorldEmbedder(Embedder):
    """The embedder that made the world's vectors, in neo4j-graphrag's clothes."""

    def embed_query(self, text: str) -> list[float]:
        return list(embedding(text).dense)


@pytest.fixture
def driver(neo4j_server: GraphServer) -> Iterator[neo4j.Driver]:
    with neo4j.GraphDatabase.driver(neo4j_server.address, auth=(neo4j_server.user, neo4j_server.password)) as driver:
        yield driver


@pytest.fixture
def searchable(world: World, neo4j_server: GraphServer) -> Iterator[World]:
    where = (neo4j_server.address, neo4j_server.user, neo4j_server.password)
    graph, bolt = BoltGraph(*where, searchable=True), Bolt(*where)
    graph.ensure_schema()
    yield replace(world, graph=graph, bolt=bolt)
    bolt.run(("MATCH (n) WHERE n.collection = $c DETACH DELETE n", {"c": str(world.id)}))  # indexes are the server's, not a world's
    graph.close()
    bolt.close()


def texts(result: RetrieverResult, world: World) -> set[str]:
    """Texts of the world's chunks among the hits, however they are written down."""
    mine = {row["text"] for row in world.rows("SELECT text FROM aegis_chunk")} | GONE
    return {text for text in mine if any(f"'{text}'" in str(item.content) for item in result.items)}


def revise(world: World, document: UUID, **doubles: Any) -> None:
    world.prepare("a.md", NEW, run_id="run-2")
    world.publish(document, "run-2", **doubles)
    world.ledger.finish(document, "run-2", State.SUCCEEDED, "")


def rebuild(world: World) -> None:
    list(rebuild_graph(world.ledger, world.bucket, world.vectors, world.graph, world.id))


def all_found(driver: neo4j.Driver, world: World) -> dict[str, set[str]]:
    """What each retriever finds of the world, asked for every text that there is or was."""
    embedder = WorldEmbedder()
    retrievers: dict[str, Callable[[str], RetrieverResult]] = {
        "vector": lambda text: VectorRetriever(driver, VECTOR_INDEX, embedder).search(query_text=text, top_k=50),
        "hybrid": lambda text: HybridRetriever(driver, VECTOR_INDEX, TEXT_INDEX, embedder).search(query_text=text, top_k=50),
        "cypher": lambda text: VectorCypherRetriever(driver, VECTOR_INDEX, NEIGHBOURS, embedder).search(query_text=text, top_k=50),
        "filtered": lambda text: VectorRetriever(driver, VECTOR_INDEX, embedder).search(
            query_text=text, top_k=50, filters={"collection": str(world.id)}
        ),
    }
    asked = sorted({text for windows in (OLD, NEW) for window in windows for text in window})
    return {name: set().union(*(texts(search(text), world) for text in asked)) for name, search in retrievers.items()}


def test_its_retrievers_find_a_document_and_after_its_revision_no_old_text(searchable: World, driver: neo4j.Driver) -> None:
    document = searchable.ingest("a.md", OLD)
    old = {text for window in OLD for text in window}
    assert all_found(driver, searchable) == dict.fromkeys(("vector", "hybrid", "cypher", "filtered"), old)

    revise(searchable, document)

    new = {text for window in NEW for text in window}
    assert all_found(driver, searchable) == dict.fromkeys(("vector", "hybrid", "cypher", "filtered"), new)
    assert searchable.agreed(document)


def test_the_nearest_text_comes_first_and_its_neighbours_by_cypher(searchable: World, driver: neo4j.Driver) -> None:
    searchable.ingest("a.md", OLD)
    retriever = VectorCypherRetriever(driver, VECTOR_INDEX, NEIGHBOURS, WorldEmbedder())
    result = retriever.search(query_text="Ada uses Engine", top_k=50)
    mine = [item.content for item in result.items if str(searchable.id) in str(item.content)]
    assert "text='Ada uses Engine' document='a.md'" in mine[0]
    assert "'Ada'" in mine[0]
    assert "'Engine'" in mine[0]
    words = HybridRetriever(driver, VECTOR_INDEX, TEXT_INDEX, WorldEmbedder(), return_properties=["text", "collection"])
    hits = words.search(query_text="Zebra", top_k=50).items
    assert any("Zebra crosses Road" in str(hit.content) for hit in hits)


def test_a_chunk_leads_to_relations_with_their_counters_and_best_sentences(searchable: World, driver: neo4j.Driver) -> None:
    for name, windows in (("a.md", OLD), ("b.md", NEW)):
        searchable.ingest(name, windows)
    retriever = VectorCypherRetriever(driver, VECTOR_INDEX, RELATIONS, WorldEmbedder())
    asked = {"collection": str(searchable.id)}
    items = [str(item.content) for item in retriever.search(query_text="Ada uses Engine", top_k=50, query_params=asked).items]
    uses = {item for item in items if "source='Ada' type='uses' target='Engine'" in item}
    assert uses == {"<Record source='Ada' type='uses' target='Engine' chunks=2 documents=2 sentences=['Ada uses Engine']>"}


@pytest.mark.parametrize("method", ["set_live", "switch", "mark_live", "drop_old"])
def test_what_is_not_live_is_not_found_wherever_publishing_breaks_off(searchable: World, driver: neo4j.Driver, method: str) -> None:
    document = searchable.ingest("a.md", OLD)
    old, new = ({text for window in windows for text in window} for windows in (OLD, NEW))
    with pytest.raises(Crash):
        revise(searchable, document, **broken(searchable, method))
    expected = new if method == "drop_old" else old
    assert all_found(driver, searchable) == dict.fromkeys(("vector", "hybrid", "cypher", "filtered"), expected)

    searchable.publish(document, "run-2")
    assert set(map(frozenset, all_found(driver, searchable).values())) == {frozenset(new)}


def test_a_document_that_is_prepared_or_removed_is_not_found(searchable: World, driver: neo4j.Driver) -> None:
    document = searchable.prepare("a.md", OLD)
    assert set(map(frozenset, all_found(driver, searchable).values())) == {frozenset()}
    searchable.publish(document)
    assert all_found(driver, searchable)["vector"]
    searchable.graph.delete_document(searchable.id, document)
    assert set(map(frozenset, all_found(driver, searchable).values())) == {frozenset()}


def test_an_existing_collection_is_found_after_a_rebuild_and_not_any_more_with_the_setting_off(
    searchable: World, driver: neo4j.Driver, neo4j_server: GraphServer
) -> None:
    plain = BoltGraph(neo4j_server.address, neo4j_server.user, neo4j_server.password)
    document = replace(searchable, graph=plain).ingest("a.md", OLD)
    assert set(map(frozenset, all_found(driver, searchable).values())) == {frozenset()}

    rebuild(searchable)
    old = frozenset(text for window in OLD for text in window)
    assert set(map(frozenset, all_found(driver, searchable).values())) == {old}

    rebuild(replace(searchable, graph=plain))
    assert set(map(frozenset, all_found(driver, searchable).values())) == {frozenset()}
    left = searchable.bolt.query("MATCH (c:Chunk {document: $d}) RETURN keys(c) AS keys", d=str(document))
    assert not {key for row in left for key in row["keys"] if key.startswith("embed")}
    plain.close()


def test_a_rebuild_without_kept_embeddings_says_what_to_run_first(searchable: World) -> None:
    searchable.ingest("a.md", OLD)
    searchable.execute("DELETE FROM aegis_embedding")
    searchable.bolt.run(("MATCH (n) WHERE n.collection = $c DETACH DELETE n", {"c": str(searchable.id)}))
    with pytest.raises(StoreUnavailable, match=r"no embedding of 3 chunks.*rebuild vectors"):
        rebuild(searchable)


def test_each_number_of_dimensions_has_its_index_and_a_chunk_has_one_embedding(searchable: World, driver: neo4j.Driver) -> None:
    document = searchable.ingest("a.md", OLD)
    (chunk, *_) = searchable.graph.chunk_ids(searchable.id, document)
    searchable.graph.write_embeddings(searchable.id, {chunk: (1.0, 0.0, 0.0, 0.0, 0.0)}, "another embedder")

    info = retrieve_vector_index_info(driver, "aegis_chunk_embedding_5", "LiveChunk", "embedding_5")
    assert info is not None
    assert searchable.graph.embedded(searchable.id, [document], "another embedder") == {chunk}
    (keys,) = searchable.bolt.query("MATCH (c:Chunk {id: $id}) RETURN keys(c) AS keys", id=str(chunk))
    assert [key for key in keys["keys"] if key.startswith("embedding")] == ["embedding_5"]
    with pytest.raises(Misconfigured, match="at most 4096 dimensions and the embedder gives 4097"):
        searchable.graph.write_embeddings(searchable.id, {chunk: (0.1,) * 4097}, "too long")


def test_processes_racing_to_make_an_index_all_succeed(searchable: World, neo4j_server: GraphServer) -> None:
    document = searchable.ingest("a.md", OLD)
    (chunk, *_) = searchable.graph.chunk_ids(searchable.id, document)
    where = (neo4j_server.address, neo4j_server.user, neo4j_server.password)
    graphs = [BoltGraph(*where, searchable=True) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda graph: graph.ensure_schema(), graphs))
        list(pool.map(lambda graph: graph.write_embeddings(searchable.id, {chunk: (0.5,) * 7}, "seven"), graphs))
    assert searchable.graph.embedded(searchable.id, [document], "seven") == {chunk}
    for graph in graphs:
        graph.close()
