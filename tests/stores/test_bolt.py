"""A graph server that hangs, refuses or is not there, and what a person is told; the server is a real ArcadeDB."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from aegis_assets.errors import Misconfigured, StoreUnavailable
from aegis_assets.stores.graph import BoltGraph
from tests.arcadedb_service import start_arcadedb, stop
from tests.conftest import GraphServer
from tests.waiting import until


@pytest.fixture
def graph(graph_server: GraphServer) -> Iterator[BoltGraph]:
    store = BoltGraph(graph_server.address, graph_server.user, graph_server.password)
    yield store
    store.close()


def stopped(process: int) -> bool:
    """Each of its threads, by the state that the kernel shows behind the name."""
    states = [path.read_text().rpartition(")")[2].split()[0] for path in Path(f"/proc/{process}/task").glob("*/stat")]
    return set(states) == {"T"}


def test_a_server_that_hangs_is_given_up(tmp_path: Path) -> None:
    process, address, password = start_arcadedb(tmp_path / "hung")
    store = BoltGraph(address, "root", password, timeout=1.0, patience=1.0)
    try:
        store.check()
        os.kill(process.pid, signal.SIGSTOP)
        until(lambda: stopped(process.pid), 30)  # a thread that has not seen the signal yet may still answer
        with pytest.raises(StoreUnavailable, match="does not answer"):
            store.check()
    finally:
        os.kill(process.pid, signal.SIGCONT)
        store.close()
        stop(process)


def test_what_is_wrong_is_said_and_a_wrong_password_is_not_tried_again(graph_server: GraphServer) -> None:
    with pytest.raises(Misconfigured, match="AEGIS_NEO4J_PASSWORD"):
        BoltGraph(graph_server.address, graph_server.user, "wrong").check()
    with pytest.raises(StoreUnavailable, match="AEGIS_NEO4J_URL") as caught:
        BoltGraph("bolt://127.0.0.1:9", "root", "x", patience=0.2).check()
    assert caught.value.retryable
    with pytest.raises(Misconfigured, match="AEGIS_NEO4J_URL"):
        BoltGraph("http://127.0.0.1", "root", "x").check()


def test_a_forked_child_opens_connections_of_its_own(graph: BoltGraph) -> None:
    graph.check()
    child = os.fork()
    if child == 0:
        try:
            graph.check()
            gc.collect()  # what the parent had open is not closed
            os._exit(0)
        except BaseException:  # noqa: BLE001  the child must not return into pytest
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    graph.check()
