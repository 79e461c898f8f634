"""Objects that are fetched once, however many windows ask for them."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from select import select

import pytest

from aegis_assets.engines.service.blob_cache import BlobCache
from aegis_assets.errors import NotFound

MB = 2**20


class Slow:
    """A bucket that counts what is fetched from it, and waits until it is told to go on."""

    def __init__(self) -> None:
        self.objects = {"blobs/a": b"a" * MB, "blobs/b": b"b" * MB, "blobs/c": b"c"}
        self.fetched: list[str] = []
        self.go_on = threading.Event()
        self.go_on.set()

    def download(self, key: str, path: Path) -> None:
        self.fetched.append(key)
        self.go_on.wait(20)
        if key not in self.objects:
            raise NotFound("The object is not in the bucket.")
        path.with_suffix(".draft").write_bytes(self.objects[key])
        os.replace(path.with_suffix(".draft"), path)


@pytest.fixture
def bucket() -> Slow:
    return Slow()


@pytest.fixture
def kept(bucket: Slow, tmp_path: Path) -> BlobCache:
    return BlobCache(bucket, tmp_path / "kept", limit_mb=1)  # type: ignore[arg-type]


def test_each_window_gets_the_bytes_and_one_fetches_them(kept: BlobCache, bucket: Slow, tmp_path: Path) -> None:
    for window in range(3):
        assert kept.link("blobs/c", tmp_path / f"window{window}").read_bytes() == b"c"
    assert bucket.fetched == ["blobs/c"]


def test_of_two_windows_that_ask_at_once_one_fetches(kept: BlobCache, bucket: Slow, tmp_path: Path) -> None:
    bucket.go_on.clear()
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(kept.link, "blobs/a", tmp_path / f"window{window}") for window in range(2)]
        while not bucket.fetched:
            pass
        bucket.go_on.set()
        assert all(one.result(20).read_bytes() == b"a" * MB for one in both)
    assert bucket.fetched == ["blobs/a"]


def test_the_oldest_go_and_calls_that_work_on_them_keep_theirs(kept: BlobCache, bucket: Slow, tmp_path: Path) -> None:
    first = kept.link("blobs/a", tmp_path / "first")
    kept.link("blobs/b", tmp_path / "second")
    assert first.read_bytes() == b"a" * MB
    kept.link("blobs/b", tmp_path / "third")
    kept.link("blobs/a", tmp_path / "fourth")
    assert bucket.fetched == ["blobs/a", "blobs/b", "blobs/a"]
    assert len(list((tmp_path / "kept").iterdir())) == 1


def test_a_file_that_somebody_wrote_into_is_fetched_anew(kept: BlobCache, bucket: Slow, tmp_path: Path) -> None:
    file = kept.link("blobs/c", tmp_path / "first")
    file.chmod(0o600)
    file.write_bytes(b"other")
    assert kept.link("blobs/c", tmp_path / "second").read_bytes() == b"c"


def test_a_file_system_without_hard_links_gets_copies(
    kept: BlobCache, bucket: Slow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError("Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    assert kept.link("blobs/c", tmp_path / "first").read_bytes() == b"c"
    assert kept.link("blobs/c", tmp_path / "second").read_bytes() == b"c"
    assert bucket.fetched == ["blobs/c"]


def test_what_could_not_be_fetched_is_asked_for_again(kept: BlobCache, bucket: Slow, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        kept.link("blobs/d", tmp_path / "first")
    assert not kept._fetching, "nobody fetches any more"
    bucket.objects["blobs/d"] = b"d"
    assert kept.link("blobs/d", tmp_path / "second").read_bytes() == b"d"


def test_a_copy_keeps_nobody_else_waiting(kept: BlobCache, bucket: Slow, tmp_path: Path) -> None:
    """As slow as whoever reads the pipe, to which no link can be made."""
    os.mkfifo(tmp_path / "slow")
    with open(os.open(tmp_path / "slow", os.O_RDONLY | os.O_NONBLOCK), "rb") as pipe, ThreadPoolExecutor(2) as pool:
        slow = pool.submit(kept.link, "blobs/a", tmp_path / "slow")
        try:
            assert select([pipe], [], [], 20)[0], "it is being copied"
            other = pool.submit(kept.link, "blobs/c", tmp_path / "other")
            assert other.result(10).read_bytes() == b"c"
            assert not slow.done()
        finally:
            os.set_blocking(pipe.fileno(), True)
            copied = pipe.read()
        assert slow.result(20)
    assert copied == b"a" * MB
