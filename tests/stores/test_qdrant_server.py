"""What only a Qdrant server has: indexes, strict mode, quantisation, settings, keys, and its own words when it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import stamina

from aegis_assets.errors import Misconfigured, StoreUnavailable
from aegis_assets.model.vector_settings import VectorSettings
from aegis_assets.stores import qdrant
from aegis_assets.stores.qdrant import reason_of
from aegis_assets.stores.vectors import QdrantVectors, named
from tests.doubles.qdrant_server import QdrantDouble
from tests.stores.points import DOCUMENT, INFO, ONE, SECOND, chunk, embedding, payload, point

STRICT = {
    "enabled": True,
    "max_query_limit": 50,
    "unindexed_filtering_retrieve": False,
    "unindexed_filtering_update": False,
    "upsert_max_batchsize": 20,
    "search_max_batchsize": 1,
    "search_max_oversampling": 1.5,
    "condition_max_size": 10,
}
NAME = named(ONE)


@pytest.fixture
def open_store() -> Iterator[Callable[..., QdrantVectors]]:
    stores = []

    def open_it(double: QdrantDouble, **options: Any) -> QdrantVectors:
        store = QdrantVectors(url=double.url, **options)
        stores.append(store)
        return store

    yield open_it
    for store in stores:
        store.close()


@pytest.fixture
def no_pauses() -> Iterator[None]:
    """As many attempts as ever, without the waits between them."""
    with stamina.set_testing(True, attempts=qdrant.ATTEMPTS):
        yield


def refusal(reason: str, status: int = 400) -> tuple[int, bytes, dict[str, str]]:
    return status, json.dumps({"status": {"error": reason}, "time": 0.1}).encode(), {}


def test_indexes_that_a_killed_process_did_not_create_are_created_by_the_next(open_store: Callable[..., QdrantVectors]) -> None:
    with QdrantDouble(forgets_indexes=True) as double:
        store = open_store(double)
        store.ensure(ONE, INFO)
        assert double.collections[NAME].indexes == {}
        double.forgets_indexes = False
        store.ensure(ONE, INFO)
        assert double.collections[NAME].indexes == {"document": "keyword", "live": "bool"}
        double.asked.clear()
        store.ensure(ONE, INFO)
        assert double.requests("/index") == []


def test_a_collection_in_strict_mode_works(open_store: Callable[..., QdrantVectors]) -> None:
    with QdrantDouble(strict=STRICT) as double:
        store = open_store(double)
        store.ensure(ONE, INFO, VectorSettings(quantization="binary"))
        points = [point(n, live=False, words=(n,)) for n in range(120)] + [point(n, document=SECOND) for n in range(200, 215)]
        store.upsert(ONE, points)
        assert store.set_live(ONE, [payload(n) for n in range(120)]) == set()
        assert {hit.id for hit in store.search(ONE, embedding(7, words=(7,)), 20)} >= {chunk(7)}
        assert len(store.chunk_ids(ONE, DOCUMENT)) == 120
        store.delete(ONE, [chunk(n) for n in range(60)])
        store.delete_document(ONE, SECOND)
        assert (store.count(ONE), store.documents(ONE)) == (60, {DOCUMENT})


def test_a_strict_mode_that_somebody_sets_meanwhile_is_kept_to_at_once(open_store: Callable[..., QdrantVectors]) -> None:
    with QdrantDouble() as double:
        store = open_store(double)
        store.ensure(ONE, INFO)
        store.upsert(ONE, [point(n) for n in range(100)])
        double.strict = STRICT
        store.upsert(ONE, [point(n) for n in range(100, 200)])
        assert len(store.chunk_ids(ONE, DOCUMENT)) == 200


def test_without_an_index_strict_mode_s_refusal_says_what_the_server_said(open_store: Callable[..., QdrantVectors]) -> None:
    with QdrantDouble(strict=STRICT, forgets_indexes=True) as double:
        store = open_store(double)
        store.ensure(ONE, INFO)
        with pytest.raises(
            Misconfigured, match=r'refused a request: Bad request: Index required but not found for "live".*filter\.$'
        ):
            store.search(ONE, embedding(1), 3)


def test_a_wrong_size_is_another_embedder_and_any_other_refusal_is_what_the_server_says(
    open_store: Callable[..., QdrantVectors],
) -> None:
    with QdrantDouble() as double:
        store = open_store(double)
        store.ensure(ONE, INFO)
        store.upsert(ONE, [point(1)])
        wide = embedding(1).model_copy(update={"dense": (0.5,) * 8})
        with pytest.raises(Misconfigured, match="another embedder made them"):
            store.upsert(ONE, [point(1).model_copy(update={"embedding": wide})])
        double.answers = [refusal("Some vectors\n are\x1b[31m wrong.")] * 2
        with pytest.raises(Misconfigured, match=r"^The Qdrant server refused a request: Some vectors are \[31m wrong\.$"):
            store.upsert(ONE, [point(1)])


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (
            b'{"status":{"error":"Service internal error: No space left on device."}}',
            "Service internal error: No space left on device",
        ),
        (b'{"status":"error"}', "error"),
        (b"<html>Bad Gateway</html>", ""),
        (b'{"status":null}', ""),
        (b"[1]", ""),
        (b"\xff\xfe", ""),
    ],
)
def test_the_reason_is_what_an_answer_of_qdrant_says_and_nothing_of_another_server(body: bytes, reason: str) -> None:
    assert reason_of(body) == reason


def test_a_reason_of_a_megabyte_is_cut() -> None:
    assert len(reason_of(json.dumps({"status": {"error": "x" * 1_000_000}}).encode())) == qdrant.REASON_LENGTH


def test_a_full_disk_is_retried_and_then_said(open_store: Callable[..., QdrantVectors], no_pauses: None) -> None:
    with QdrantDouble() as double:
        store = open_store(double)
        store.ensure(ONE, INFO)
        store.upsert(ONE, [point(1)])
        double.answers = [refusal("Service internal error: No space left on device", 500)] * qdrant.ATTEMPTS
        with pytest.raises(StoreUnavailable, match="status 500: Service internal error: No space left on device"):
            store.upsert(ONE, [point(1)])
        assert double.answers == []


def test_too_many_requests_are_sent_again_when_the_server_says(open_store: Callable[..., QdrantVectors], no_pauses: None) -> None:
    with QdrantDouble() as double:
        store = open_store(double)
        store.ensure(ONE, INFO)
        status, body, _ = refusal("Rate limiting exceeded: Write rate limit exceeded, retry later", 429)
        double.answers = [(status, body, {"Retry-After": "1"}), (status, body, {})]
        store.upsert(ONE, [point(1)])
        assert store.count(ONE) == 1


def test_a_collection_that_somebody_deleted_is_an_empty_one(open_store: Callable[..., QdrantVectors]) -> None:
    with QdrantDouble() as double:
        store = open_store(double)
        store.ensure(ONE, INFO)
        store.upsert(ONE, [point(1)])
        double.collections.clear()
        assert store.search(ONE, embedding(1), 3) == []
        assert store.set_live(ONE, [payload(1)]) == {chunk(1)}


def test_an_address_that_is_not_qdrant_s_is_no_empty_collection(open_store: Callable[..., QdrantVectors], no_pauses: None) -> None:
    with QdrantDouble() as double:
        double.answers = [(404, b"Not Found", {})] * qdrant.ATTEMPTS
        with pytest.raises(StoreUnavailable, match="status 404"):
            open_store(double).search(ONE, embedding(1), 3)


def test_going_live_reads_no_point_of_another_document(open_store: Callable[..., QdrantVectors]) -> None:
    """20,000 hidden points of other documents cost nothing: counted, not timed."""
    with QdrantDouble() as double:
        store = open_store(double)
        store.ensure(ONE, INFO)
        others = [point(n, document=SECOND, live=False) for n in range(1000, 21_000)]
        for start in range(0, len(others), 5000):
            store.upsert(ONE, others[start : start + 5000])
        store.upsert(ONE, [point(n, live=False) for n in range(50)])
        double.asked.clear()
        double.given = 0
        assert store.set_live(ONE, [payload(n) for n in range(50)]) == set()
        assert double.given == 50
        assert [len(double.requests(path)) for path in ("/scroll", "/payload")] == [1, 1]
        double.given = 0
        store.set_live(ONE, [payload(n) for n in range(50)])
        assert (double.given, len(double.requests("/payload"))) == (50, 1), "what is live already is not written again"


def test_settings_reach_the_server_when_the_collection_is_created(open_store: Callable[..., QdrantVectors]) -> None:
    chosen = VectorSettings(on_disk=True, quantization="scalar", hnsw_m=32, hnsw_ef_construct=200, shards=3, replicas=2)
    with QdrantDouble() as double:
        open_store(double).ensure(ONE, INFO, chosen)
        (created,) = [body for method, path, body in double.asked if (method, path) == ("PUT", f"/collections/{NAME}")]
        assert created["vectors"]["dense"]["on_disk"] is True
        assert created["quantization_config"]["scalar"] == {"type": "int8", "quantile": 0.99, "always_ram": True}
        assert (created["hnsw_config"]["m"], created["hnsw_config"]["ef_construct"]) == (32, 200)
        assert (created["shard_number"], created["replication_factor"]) == (3, 2)


def test_settings_that_change_are_applied_once_and_shards_stay(open_store: Callable[..., QdrantVectors]) -> None:
    with QdrantDouble() as double:
        store = open_store(double)
        store.ensure(ONE, INFO)
        chosen = VectorSettings(on_disk=True, quantization="binary", hnsw_m=8, shards=6)
        for _ in range(2):
            store.ensure(ONE, INFO, chosen)
        (change,) = [body for method, _, body in double.asked if method == "PATCH"]
        assert change["vectors"]["dense"]["on_disk"] is True
        assert "binary" in change["quantization_config"]
        assert change["hnsw_config"]["m"] == 8
        assert "shard_number" not in json.dumps(change)

        store.configure(ONE, VectorSettings())
        assert double.collections[NAME].config["quantization_config"] is None
        assert double.collections[NAME].config["vectors"]["dense"]["on_disk"] is False


@pytest.mark.parametrize(("kind", "oversampling"), [("none", None), ("scalar", 2.0), ("binary", 3.0)])
def test_a_quantised_collection_is_searched_with_rescoring(
    open_store: Callable[..., QdrantVectors], kind: Any, oversampling: float | None
) -> None:
    with QdrantDouble() as double:
        store = open_store(double)
        store.ensure(ONE, INFO, VectorSettings(quantization=kind))
        store.upsert(ONE, [point(1, words=(1,))])
        store.search(ONE, embedding(1, words=(1,)), 3)
        (body,) = double.requests("/query/batch")
        dense, sparse = (search.get("params") for search in body["searches"])
        assert sparse is None
        if oversampling is None:
            assert dense is None
        else:
            assert (dense["quantization"]["rescore"], dense["quantization"]["oversampling"]) == (True, oversampling)


def test_a_wrong_key_is_named_and_a_key_over_http_is_said_but_works_nearby(open_store: Callable[..., QdrantVectors]) -> None:
    with QdrantDouble(api_key="right") as double:
        with pytest.raises(Misconfigured, match="AEGIS_QDRANT_API_KEY"):
            open_store(double, api_key="wrong").check()
        assert open_store(double, api_key="right").check() == "1.16.3, AEGIS_QDRANT_API_KEY is sent over http, unencrypted"
    with QdrantDouble() as double:
        assert open_store(double).check() == "1.16.3"
        assert set(double.keys) == {None}


@pytest.mark.parametrize(
    ("url", "key", "sentence"),
    [
        ("http://qdrant.example.com:6333", "k", "must be https"),
        ("qdrant:6333", "", "an address like"),
        ("ftp://qdrant", "", "an address like"),
        ("http://127.0.0.1:1", "schlüssel", "AEGIS_QDRANT_API_KEY"),
        ("http://127.0.0.1:1", "with\nbreak", "AEGIS_QDRANT_API_KEY"),
        ("https://127.0.0.1:1", "k", "does not answer"),
    ],
)
def test_a_wrong_address_or_key_is_a_sentence(url: str, key: str, sentence: str, no_pauses: None) -> None:
    store = QdrantVectors(url=url, api_key=key)
    with pytest.raises((Misconfigured, StoreUnavailable), match=sentence):
        store.check()


def test_no_warning_of_the_client_reaches_a_terminal() -> None:
    code = """
import sys
from aegis_assets.stores.vectors import QdrantVectors
store = QdrantVectors(url=sys.argv[1], api_key="right")
store.check()
store.close()
"""
    with QdrantDouble(api_key="right") as double:
        done = subprocess.run([sys.executable, "-c", code, double.url], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_client_still_warns_of_what_these_filters_are_for() -> None:
    """Where it does not any more, `WARNINGS` has nothing to silence."""
    from qdrant_client import QdrantClient

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        QdrantClient(url="http://127.0.0.1:9", api_key="k", check_compatibility=False).close()
    assert any(str(warning.message).startswith(qdrant.WARNINGS[0]) for warning in caught)
