"""Qdrant's local mode among threads and processes: who has a collection open, who gets it next, and what a kill leaves."""

from __future__ import annotations

import fcntl
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from aegis_assets.errors import Misconfigured, StoreUnavailable
from aegis_assets.model.embedding import Embedding, VectorPoint
from aegis_assets.stores import qdrant_local
from aegis_assets.stores.vectors import QdrantVectors, named
from tests.stores.points import DOCUMENT, INFO, ONE, OTHER, chunk, embedding, point


def test_many_threads_take_turns_and_nothing_is_lost(local_vectors: QdrantVectors) -> None:
    def write(number: int) -> None:
        local_vectors.upsert(ONE, [point(number * 10 + n) for n in range(10)])
        local_vectors.search(ONE, embedding(number), 3)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, range(12)))
    assert local_vectors.count(ONE) == 120


HOLDER = """
import fcntl, os, sys, time
handle = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o600)
fcntl.flock(handle, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(60)
"""


def test_a_store_in_use_is_waited_for_then_said_and_free_when_its_holder_dies(local_vectors: QdrantVectors, tmp_path: Path) -> None:
    local_vectors.close()  # the holder says to nobody that it waits
    lock = tmp_path / "vectors" / f"{named(ONE)}.lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(lock)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    with pytest.raises(StoreUnavailable, match="AEGIS_QDRANT_URL"):
        QdrantVectors(path=tmp_path / "vectors", lock_seconds=0.3).upsert(ONE, [point(1)])
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    local_vectors.upsert(ONE, [point(1)])
    assert local_vectors.count(ONE) == 1


VISITOR = """
import sys
from pathlib import Path
from tests.stores.points import ONE, point
from aegis_assets.stores.vectors import QdrantVectors
store = QdrantVectors(path=Path(sys.argv[1]), lock_seconds=20)
for number in range(int(sys.argv[2]), int(sys.argv[3])):
    store.upsert(ONE, [point(number)])
print(store.count(ONE))
"""


def visitor(path: Path, first: int, last: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", VISITOR, str(path), str(first), str(last)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_an_open_store_goes_to_the_process_that_waits_and_both_see_what_the_other_wrote(
    local_vectors: QdrantVectors, tmp_path: Path
) -> None:
    local_vectors.upsert(ONE, [point(0)])  # open here from now on
    said, _ = visitor(tmp_path / "vectors", 1, 2).communicate(timeout=30)
    assert said.strip() == "2"
    assert local_vectors.chunk_ids(ONE, DOCUMENT) == {chunk(0), chunk(1)}


def test_processes_that_write_all_the_time_share_the_store_and_lose_nothing(local_vectors: QdrantVectors, tmp_path: Path) -> None:
    others = [visitor(tmp_path / "vectors", 100_000 * n, 100_000 * n + 300) for n in (1, 2)]
    number = 0
    while any(other.poll() is None for other in others):
        local_vectors.upsert(ONE, [point(number)])
        number += 1
    assert [other.wait() for other in others] == [0, 0]
    assert local_vectors.count(ONE) == 600 + number
    for other in others:
        other.communicate()


def test_a_forked_child_opens_its_own_and_its_parent_sees_what_it_wrote(local_vectors: QdrantVectors) -> None:
    local_vectors.upsert(ONE, [point(0)])
    child = multiprocessing.get_context("fork").Process(target=local_vectors.upsert, args=(ONE, [point(1)]))
    child.start()
    child.join(30)
    assert child.exitcode == 0
    assert local_vectors.chunk_ids(ONE, DOCUMENT) == {chunk(0), chunk(1)}


def test_a_forked_child_that_lives_on_does_not_keep_the_store(local_vectors: QdrantVectors, tmp_path: Path) -> None:
    local_vectors.upsert(ONE, [point(0)])  # open here, and a copy of the lock's handle in the child from now on
    child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
    child.start()
    try:
        local_vectors.close()
        other = QdrantVectors(path=tmp_path / "vectors", lock_seconds=0.3)
        assert other.count(ONE) == 1
        other.close()
    finally:
        child.kill()
        child.join()


@pytest.mark.timeout(20)
def test_a_process_that_stopped_in_the_middle_of_a_look_is_not_waited_for_without_end(
    local_vectors: QdrantVectors, tmp_path: Path
) -> None:
    local_vectors.upsert(ONE, [point(0)])
    local_vectors.close()
    with (tmp_path / "vectors" / f"{named(ONE)}.wanted").open() as looking:
        fcntl.flock(looking, fcntl.LOCK_EX)
        with pytest.raises(StoreUnavailable, match="AEGIS_QDRANT_URL"):
            QdrantVectors(path=tmp_path / "vectors", lock_seconds=0.3).count(ONE)
    assert local_vectors.count(ONE) == 1


def test_a_store_that_nobody_uses_is_closed(local_vectors: QdrantVectors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qdrant_local, "KEEP_SECONDS", 0.1)
    local_vectors.upsert(ONE, [point(0)])
    with (tmp_path / "vectors" / f"{named(ONE)}.lock").open() as lock:
        with pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        deadline = time.monotonic() + 60
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
    assert local_vectors.count(ONE) == 1


def test_an_operation_that_fails_leaves_the_store_usable(local_vectors: QdrantVectors) -> None:
    wrong = Embedding(dense=(1.0, 0.0), indices=(), values=())
    with pytest.raises(Misconfigured):
        local_vectors.upsert(ONE, [point(0), VectorPoint(id=chunk(1), document=DOCUMENT, embedding=wrong, live=True)])
    local_vectors.upsert(ONE, [point(2)])
    assert local_vectors.chunk_ids(ONE, DOCUMENT) == {chunk(2)}


WRITER = """
import sys
from pathlib import Path
from tests.stores.points import INFO, ONE, point
from aegis_assets.stores.vectors import QdrantVectors
store = QdrantVectors(path=Path(sys.argv[1]))
store.ensure(ONE, INFO)
print("writing", flush=True)
store.upsert(ONE, [point(n, words=(1, 2, 3)) for n in range(20000)])
"""


def test_sigkill_in_the_middle_of_an_upsert_leaves_a_store_that_opens_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "killed"
    for _ in range(2):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        writer.stdout.readline()
        storage = path / named(ONE) / "collection" / named(ONE) / "storage.sqlite"
        size, deadline = storage.stat().st_size, time.monotonic() + 30
        while storage.stat().st_size < size + 20_000 and time.monotonic() < deadline:
            time.sleep(0.01)
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
        store = QdrantVectors(path=path)
        assert 0 < store.count(ONE) < 20_000
        store.upsert(ONE, [point(n) for n in range(50)])
        assert {chunk(n) for n in range(50)} <= store.chunk_ids(ONE, DOCUMENT)


def test_a_half_made_collection_left_by_a_kill_is_made_anew(tmp_path: Path) -> None:
    half = tmp_path / "vectors" / f"{named(ONE)}.making"
    half.mkdir(parents=True)
    (half / "meta.json").write_text('{"collec')
    store = QdrantVectors(path=tmp_path / "vectors")
    store.ensure(ONE, INFO)
    assert store.count(ONE) == 0
    assert not half.exists()


def test_a_damaged_store_is_a_sentence_and_others_stay_usable(local_vectors: QdrantVectors, tmp_path: Path) -> None:
    local_vectors.ensure(OTHER, INFO)
    local_vectors.close()
    (tmp_path / "vectors" / named(ONE) / "meta.json").write_text(json.dumps({"collections": None}))
    with pytest.raises(StoreUnavailable, match="cannot be opened"):
        local_vectors.count(ONE)
    assert local_vectors.count(OTHER) == 0
