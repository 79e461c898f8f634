"""Writers of one graph at the same time, and a server that is killed in the middle of a write."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from uuid import UUID

from aegis_assets.model.graph import GraphDocument
from aegis_assets.stores import cypher
from aegis_assets.stores.bolt import Bolt
from aegis_assets.stores.graph import BoltGraph
from tests.arcadedb_service import start_arcadedb, stop
from tests.services import free_ports
from tests.stores.graph_build import DOCUMENT, chunk, entity, everything, ids, relation, triples, write_chunks


def test_writers_of_the_same_nodes_and_edges_at_once_end_as_one(graph: BoltGraph, bolt: Bolt, collection: UUID) -> None:
    chunks = [chunk(number) for number in range(4)]
    entities = [entity(f"n{number}") for number in range(10)]
    relations = [relation(one, "uses", other) for one, other in pairwise(entities)]
    barrier = threading.Barrier(3, timeout=120)

    def write(_: int) -> None:
        barrier.wait()
        graph.write_documents(collection, [(GraphDocument(id=DOCUMENT, name="a", generation=1), chunks)])
        barrier.wait()
        graph.write_entities(collection, entities)
        barrier.wait()
        graph.write_evidence(collection, {one.id: [each.id for each in entities] for one in chunks})
        barrier.wait()
        graph.write_relations(collection, relations)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(write, range(3)))

    assert everything(bolt, collection) == {
        "Document": 1, "Chunk": 4, "Entity": 10, "FROM_DOCUMENT": 4, "NEXT_CHUNK": 3, "FROM_CHUNK": 40, "RELATES_TO": 9,
    }  # fmt: skip


def test_of_a_writer_and_a_deleter_at_once_either_may_win_and_both_end(graph: BoltGraph, bolt: Bolt, collection: UUID) -> None:
    entities = [entity(f"n{number}") for number in range(10)]
    relations = [relation(one, "uses", other) for one, other in pairwise(entities)]
    graph.write_entities(collection, entities)
    graph.write_relations(collection, relations)
    with ThreadPoolExecutor(2) as pool:
        list(
            pool.map(
                lambda act: act(),
                (
                    lambda: graph.write_relations(collection, relations),
                    lambda: graph.delete_relations(collection, triples(*relations)),
                ),
            )
        )
    assert everything(bolt, collection)["RELATES_TO"] in range(10)

    graph.write_relations(collection, relations)
    assert graph.relations_held(collection, triples(*relations)) == {one.id: (1, 1) for one in relations}
    assert everything(bolt, collection)["RELATES_TO"] == 9


def test_processes_racing_to_make_the_schema_all_succeed_also_where_relations_had_an_index(tmp_path: Path) -> None:
    process, address, password = start_arcadedb(tmp_path / "race")
    try:
        bolt, graphs = Bolt(address, "root", password), [BoltGraph(address, "root", password) for _ in range(4)]
        bolt.run((cypher.INDEXED_RELATIONS, {}))
        bolt.run(("CREATE (:Entity {key: 'a'})-[:RELATES_TO {key: 'r'}]->(:Entity {key: 'b'})", {}))
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda one: one.ensure_schema(), graphs))
        indexes = bolt.query("SHOW INDEXES")
        assert "aegis_chunk_document" in {row["name"] for row in indexes}
        assert "aegis_relation_key" in {row["owningConstraint"] for row in indexes}
        bolt.close()
        for graph in graphs:
            graph.close()
    finally:
        stop(process)


def test_a_server_killed_in_mid_work_is_waited_for_and_nothing_committed_is_lost(tmp_path: Path, collection: UUID) -> None:
    ports = (free_ports(2)[0], free_ports(2)[1])
    process, address, password = start_arcadedb(tmp_path / "killed", ports)
    store = BoltGraph(address, "root", password)
    started: list[subprocess.Popen[bytes]] = [process]
    try:
        store.ensure_schema()
        write_chunks(store, collection, range(300))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        restart = threading.Thread(target=lambda: started.append(start_arcadedb(tmp_path / "killed", ports)[0]))
        restart.start()
        write_chunks(store, collection, range(310), generation=2)
        restart.join()
        assert store.chunk_ids(collection, DOCUMENT) == set(ids(*range(310)))
    finally:
        store.close()
        stop(started[-1])
