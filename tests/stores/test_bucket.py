"""The bucket port, the same on a directory and on a real S3 server."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aegis_assets.errors import BadInput, Misconfigured, NotFound, StoreUnavailable
from aegis_assets.settings import Settings
from aegis_assets.stores.bucket import ObjectBucket, open_bucket
from tests.stores.conftest import S3

MAKERS = ["directory", "s3"]


@pytest.fixture(params=MAKERS)
def bucket(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectBucket:
    if request.param == "s3":
        server: S3 = request.getfixturevalue("s3")
        return open_bucket(f"s3://documents/{tmp_path.name}", server.settings())
    return open_bucket((tmp_path / "bucket").as_uri(), Settings())


def test_what_is_put_is_got_and_a_second_put_replaces_it(bucket: ObjectBucket) -> None:
    bucket.put("artifacts/a/1.json", b"one")
    bucket.put("artifacts/a/1.json", b"two")

    assert bucket.get("artifacts/a/1.json") == b"two"
    assert bucket.exists("artifacts/a/1.json")
    assert not bucket.exists("artifacts/a/2.json")


def test_a_file_over_several_parts_comes_back_with_the_same_bytes(bucket: ObjectBucket, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "deep" / "target"
    source.write_bytes(os.urandom(1024) * 20_500)  # 20 MB: three parts

    bucket.put_file("blobs/large", source)
    bucket.download("blobs/large", target)

    assert hashlib.sha256(target.read_bytes()).digest() == hashlib.sha256(source.read_bytes()).digest()
    assert os.listdir(target.parent) == ["target"]


def test_a_missing_object_is_not_found_and_leaves_no_half_file(bucket: ObjectBucket, tmp_path: Path) -> None:
    bucket.put("present", b"1")
    with pytest.raises(NotFound):
        bucket.get("absent/object")
    with pytest.raises(NotFound):
        bucket.download("absent/object", tmp_path / "out" / "file")
    assert os.listdir(tmp_path / "out") == []
    bucket.delete("absent/object")


def test_a_prefix_is_whole_segments_and_deleting_it_twice_changes_nothing(bucket: ObjectBucket) -> None:
    for key in ("artifacts/a/1", "artifacts/a/deep/2", "artifacts/ab/3"):
        bucket.put(key, b"x")

    assert sorted(bucket.keys("artifacts/a/")) == ["artifacts/a/1", "artifacts/a/deep/2"]
    assert bucket.delete_prefix("artifacts/a/") == 2
    assert bucket.delete_prefix("artifacts/a") == 0
    assert sorted(bucket.keys("")) == ["artifacts/ab/3"]
    with pytest.raises(BadInput):
        bucket.delete_prefix("/")


def test_only_what_was_written_before_a_moment_is_listed(bucket: ObjectBucket) -> None:
    bucket.put("runs/a/1", b"x")
    hour = timedelta(hours=1)
    assert list(bucket.keys("runs", datetime.now(UTC) + hour)) == ["runs/a/1"]
    assert list(bucket.keys("runs", datetime.now(UTC) - hour)) == []


@pytest.mark.parametrize(
    "key", ["../x", "a/../b", "/etc/passwd", "", "a//b", "a/", "a\x00b", "a\nb", "x" * 2000, "y" * 256, "\udcff"]
)
def test_a_key_that_could_lead_elsewhere_is_refused_by_every_call(bucket: ObjectBucket, key: str, tmp_path: Path) -> None:
    calls: list[Callable[[], object]] = [
        lambda: bucket.put(key, b"x"),
        lambda: bucket.get(key),
        lambda: bucket.exists(key),
        lambda: bucket.delete(key),
        lambda: bucket.download(key, tmp_path / "out"),
    ]
    for call in calls:
        with pytest.raises(BadInput):
            call()


def test_more_keys_than_one_page_are_all_listed_and_deleted(bucket: ObjectBucket) -> None:
    for number in range(1100):
        bucket.put(f"many/{number}", b"")

    assert len(set(bucket.keys("many"))) == 1100
    assert bucket.delete_prefix("many") == 1100


def test_the_check_passes_and_leaves_nothing(bucket: ObjectBucket) -> None:
    bucket.check()
    assert list(bucket.keys("")) == []


def test_the_directory_is_private_and_empty_folders_go_with_their_last_object(tmp_path: Path) -> None:
    bucket = open_bucket((tmp_path / "new" / "bucket").as_uri(), Settings())
    bucket.put("artifacts/a/1", b"x")
    bucket.delete_prefix("artifacts/a")

    assert (tmp_path / "new" / "bucket").stat().st_mode & 0o777 == 0o700
    assert os.listdir(tmp_path / "new" / "bucket") == []


def test_wrong_credentials_a_missing_bucket_and_a_dead_server_each_say_so(s3: S3) -> None:
    open_bucket("s3://documents/", s3.settings()).put("first", b"1")
    wrong = s3.settings(s3_region="us-east-1").model_copy(update={"s3_secret_key": Settings(s3_secret_key="wrong").s3_secret_key})
    with pytest.raises(Misconfigured, match="refuses access"):
        open_bucket("s3://documents/", wrong).get("first")
    with pytest.raises(Misconfigured, match="refuses access"):
        list(open_bucket("s3://documents/", wrong).keys(""))
    with pytest.raises(Misconfigured, match="does not exist"):
        list(open_bucket("s3://no-such-bucket/", s3.settings()).keys(""))
    dead = s3.settings().model_copy(update={"s3_endpoint": "http://127.0.0.1:9"})
    with pytest.raises(StoreUnavailable) as caught:
        open_bucket("s3://documents/", dead, outage_seconds=0.3).get("first")
    assert "test-secret" not in caught.value.message
    assert "127.0.0.1" not in caught.value.message


@pytest.mark.parametrize("url", ["ftp://x/y", "/relative", "file://host/path", "s3://", "file:relative", ""])
def test_an_address_that_is_none_is_named(url: str) -> None:
    with pytest.raises(Misconfigured, match="address"):
        open_bucket(url, Settings())


def test_plain_http_is_for_near_servers_only() -> None:
    with pytest.raises(Misconfigured, match="https"):
        open_bucket("s3://documents/", Settings(s3_endpoint="http://storage.example.com"))
    for near in ("http://127.0.0.1:9", "http://10.1.2.3:9", "http://seaweedfs:8333", "https://storage.example.com"):
        open_bucket("s3://documents/", Settings(s3_endpoint=near, s3_access_key="a", s3_secret_key="b"))  # type: ignore[arg-type]
