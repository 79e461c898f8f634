"""The document index of Qdrant's local mode, while two processes write to one collection and each has an index of its own."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from aegis_assets.stores import qdrant_local_index
from aegis_assets.stores.qdrant_points import Payload, pages_of
from aegis_assets.stores.vectors import QdrantVectors
from tests.stores.points import DOCUMENT, INFO, ONE, SECOND, chunk, embedding, payload, point


@lru_cache(maxsize=1)
def store_of_this_process(path: Path) -> QdrantVectors:
    return QdrantVectors(path=path, lock_seconds=30)


def call(path: Path, operation: str, *arguments: Any) -> Any:
    return getattr(store_of_this_process(path), operation)(ONE, *arguments)


class OtherProcess:
    """A process with a store of its own on the path. It lives on between calls, and its store stays open as long as it may."""

    def __init__(self, pool: ProcessPoolExecutor, path: Path) -> None:
        self._pool, self._path = pool, path

    def __call__(self, operation: str, *arguments: Any) -> Any:
        return self._pool.submit(call, self._path, operation, *arguments).result(60)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "vectors"


@pytest.fixture
def other(path: Path) -> Iterator[OtherProcess]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        yield OtherProcess(pool, path)


def test_chunks_are_those_that_another_process_has_left_and_so_the_other_way_round(
    local_vectors: QdrantVectors, other: OtherProcess
) -> None:
    local_vectors.upsert(ONE, [point(1), point(2)])
    both = [DOCUMENT, SECOND]
    assert local_vectors.chunks_of(ONE, both) == {DOCUMENT: {chunk(1), chunk(2)}, SECOND: set()}, "this process has its index"

    other("upsert", [point(3), point(4, document=SECOND)])
    other("delete", [chunk(1)])
    assert local_vectors.chunks_of(ONE, both) == {DOCUMENT: {chunk(2), chunk(3)}, SECOND: {chunk(4)}}

    local_vectors.delete_document(ONE, SECOND)
    local_vectors.upsert(ONE, [point(5)])
    assert other("chunks_of", both) == {DOCUMENT: {chunk(2), chunk(3), chunk(5)}, SECOND: set()}


def test_what_another_process_wrote_goes_live_and_what_it_deleted_is_said_to_be_missing(
    local_vectors: QdrantVectors, other: OtherProcess
) -> None:
    local_vectors.upsert(ONE, [point(1, live=False)])
    assert local_vectors.set_live(ONE, [payload(1, live=False)]) == set(), "this process has its index"

    other("upsert", [point(2, live=False), point(3, live=False)])
    other("delete", [chunk(1)])
    assert local_vectors.set_live(ONE, [payload(number) for number in (1, 2, 3)]) == {chunk(1)}
    assert {hit.id for hit in local_vectors.search(ONE, embedding(2), 10)} == {chunk(2), chunk(3)}

    assert other("set_live", [payload(2, live=False), payload(3)]) == set()
    assert {hit.id for hit in local_vectors.search(ONE, embedding(2), 10)} == {chunk(3)}


def test_a_delete_removes_what_another_process_wrote_and_passes_over_what_it_deleted(
    local_vectors: QdrantVectors, other: OtherProcess
) -> None:
    local_vectors.upsert(ONE, [point(1), point(2)])
    assert local_vectors.chunk_ids(ONE, DOCUMENT) == {chunk(1), chunk(2)}, "this process has its index"

    other("upsert", [point(3), point(4)])
    other("delete", [chunk(1)])
    local_vectors.delete(ONE, [chunk(1), chunk(3), UUID(int=999)])
    assert local_vectors.chunk_ids(ONE, DOCUMENT) == other("chunk_ids", DOCUMENT) == {chunk(2), chunk(4)}
    assert local_vectors.count(ONE) == 2


def test_a_point_that_was_deleted_is_missing_until_it_is_written_again(local_vectors: QdrantVectors) -> None:
    local_vectors.upsert(ONE, [point(1), point(2)])
    for _ in range(2):
        assert local_vectors.chunk_ids(ONE, DOCUMENT) == {chunk(1), chunk(2)}
        local_vectors.delete(ONE, [chunk(1)])
        assert local_vectors.chunk_ids(ONE, DOCUMENT) == {chunk(2)}
        assert local_vectors.set_live(ONE, [payload(1), payload(2)]) == {chunk(1)}
        local_vectors.upsert(ONE, [point(1)])

    local_vectors.delete_document(ONE, DOCUMENT)
    assert local_vectors.chunk_ids(ONE, DOCUMENT) == set()
    local_vectors.delete_collection(ONE)
    local_vectors.ensure(ONE, INFO)
    assert local_vectors.chunk_ids(ONE, DOCUMENT) == set()


def test_while_a_collection_is_open_its_points_are_read_for_the_index_once(
    local_vectors: QdrantVectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise each document of a run would cost what the collection holds."""
    read = []

    def counted(*arguments: Any) -> Iterator[Payload]:
        read.append(arguments)
        return pages_of(*arguments)

    monkeypatch.setattr(qdrant_local_index, "pages_of", counted)
    for number in range(5):
        local_vectors.upsert(ONE, [point(number)])
        assert local_vectors.chunk_ids(ONE, DOCUMENT) == {chunk(n) for n in range(number + 1)}
    assert len(read) == 1
