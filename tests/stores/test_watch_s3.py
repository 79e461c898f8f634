"""A watched bucket of S3: what is listed, in pages, and what a key that is no path does."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from aegis_assets.errors import BadInput, NotFound, StoreUnavailable
from aegis_assets.settings import Settings
from aegis_assets.stores import watch_s3
from aegis_assets.stores.bucket import open_bucket
from aegis_assets.stores.watch import fetch, open_watcher
from aegis_assets.stores.watch_listing import Listing
from aegis_assets.stores.watch_s3 import BucketWatcher
from tests.stores.conftest import S3
from tests.stores.test_watch import LATER, clock, keys, listed


def test_s3_objects_are_listed_by_their_etag_and_fetched(s3: S3, tmp_path: Path) -> None:
    url = f"s3://watched/{tmp_path.name}"
    bucket = open_bucket(url, s3.settings())
    for name in ("a.md", "sub/ü x#%.md", ".hidden.md", "sub/.cache/x.md", "b.part"):
        bucket.put(name, name.encode())
    listing = listed(url, s3.settings(), 5.0)

    assert keys(listing) == ["a.md", "sub/ü x#%.md"]
    assert listing.complete
    before = {one.key: one.etag for one in listing.objects}
    bucket.put("a.md", b"changed")
    after = {one.key: one.etag for one in listed(url, s3.settings(), 5.0).objects}
    assert after["a.md"] != before["a.md"]
    assert after["sub/ü x#%.md"] == before["sub/ü x#%.md"]
    fetch(url, s3.settings(), "sub/ü x#%.md", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == "sub/ü x#%.md".encode()
    assert listed(url, s3.settings(), 3600).pending == {"a.md", "sub/ü x#%.md"}
    with pytest.raises(NotFound):
        fetch(url, s3.settings(), "absent", tmp_path / "out2")
    bucket.put("large.md", b"x" * (1024 * 1024 + 1))
    with pytest.raises(BadInput, match="limit"):
        fetch(url, s3.settings(max_file_mb=1), "large.md", tmp_path / "out3")


def test_one_s3_key_that_is_no_path_hides_only_its_folder_and_stops_deletions(s3: S3, tmp_path: Path) -> None:
    url = f"s3://watched/{tmp_path.name}"
    bucket = open_bucket(url, s3.settings())
    bucket.put("good/a.md", b"a")
    bucket.put("top.md", b"a")
    place = f"{s3.filer}/buckets/watched/{tmp_path.name}"
    assert httpx.put(f"{place}/bad/line%0Abreak.md", files={"file": ("x", b"hostile")}).status_code == 201

    listing = listed(url, s3.settings(), 0.0)

    assert keys(listing) == ["good/a.md", "top.md"]
    assert not listing.complete
    assert len(listing.problems) == 1


def test_a_listing_of_s3_with_a_key_that_is_no_path_goes_on_in_pages_too(s3: S3, tmp_path: Path) -> None:
    url = f"s3://watched/{tmp_path.name}"
    bucket, names = open_bucket(url, s3.settings()), {"good/a.md", "good/b.md", "good/deep/c.md", "top.md", "up.md"}
    for name in names:
        bucket.put(name, b"a")
    place = f"{s3.filer}/buckets/watched/{tmp_path.name}"
    assert httpx.put(f"{place}/bad/line%0Abreak.md", files={"file": ("x", b"hostile")}).status_code == 201

    hurried = BucketWatcher(url, s3.settings(), page=1, look_seconds=0.0)
    parts: list[Listing] = []
    for _ in range(20):
        look = list(hurried.listings(0.0, clock(LATER)))
        assert sum(len(part.objects) for part in look) <= 1, "a look that has no time stores one page"
        parts += look
        if any(part.problems for part in look):
            break
    assert sorted(key for part in parts for key in keys(part)) == sorted(names)
    assert parts[-1].problems == hurried.problems == (watch_s3.BAD_KEY,)
    assert not any(part.complete or part.seen for part in parts), "nothing counts as gone"
    assert httpx.delete(f"{place}/bad?recursive=true").status_code == 204
    for _ in range(len(names) + 1):
        pages(hurried)
    assert hurried.problems == ()


@pytest.mark.parametrize("kind", ["directory", "s3"])
def test_a_look_that_begins_during_another_sees_nothing_and_does_not_wait(
    request: pytest.FixtureRequest, inbox: Path, kind: str
) -> None:
    settings, url = Settings(), inbox.as_uri()
    (inbox / "a.md").write_text("x")
    if kind == "s3":
        settings, url = request.getfixturevalue("s3").settings(), f"s3://watched/{inbox.parent.name}"
        open_bucket(url, settings).put("a.md", b"x")
    watcher = open_watcher(url, settings)
    with ThreadPoolExecutor(1) as pool, closing(watcher.listings(0.0, clock(LATER))) as parts:
        assert keys(next(parts)) == ["a.md"]
        assert pool.submit(lambda: list(watcher.listings(0.0))).result(timeout=10) == []
    assert keys(next(iter(watcher.listings(0.0, clock(LATER))))) == ["a.md"]


def test_thousands_of_s3_objects_are_all_seen(s3: S3, tmp_path: Path) -> None:
    url = f"s3://watched/{tmp_path.name}"
    bucket = open_bucket(url, s3.settings())
    for number in range(1100):
        bucket.put(f"{number:05}.md", b"x")
    assert len(listed(url, s3.settings(), 0.0).objects) == 1100


def pages(watcher: BucketWatcher) -> list[list[str]]:
    return [keys(part) for part in watcher.listings(0.0, clock(LATER))]


def test_s3_is_listed_in_pages_and_what_is_gone_is_told_at_the_end(s3: S3, tmp_path: Path) -> None:
    url = f"s3://watched/{tmp_path.name}"
    bucket, names = open_bucket(url, s3.settings()), {"a/1.md", "a-b.md", "B.md", "c.md", "ü.md"}
    for name in names:
        bucket.put(name, b"x")
    *parts, last = BucketWatcher(url, s3.settings(), page=2).listings(0.0, clock(LATER))
    assert [len(part.objects) for part in parts] == [2, 2, 1]
    assert {key for part in parts for key in keys(part)} == names
    assert all(not part.complete and part.seen is None for part in parts), "no part says that the others are gone"
    assert last.seen is not None
    assert {name for name in (*names, "d.md") if name not in last.seen} == {"d.md"}
    for name in names:
        bucket.delete(name)
    (empty,) = BucketWatcher(url, s3.settings()).listings(0.0, clock(LATER))
    assert empty.complete


def test_a_listing_of_s3_that_takes_long_goes_on_and_one_that_broke_off_begins_anew(s3: S3, tmp_path: Path) -> None:
    url = f"s3://watched/{tmp_path.name}"
    bucket = open_bucket(url, s3.settings())
    for name in ("a.md", "b.md", "c.md"):
        bucket.put(name, b"x")
    hurried = BucketWatcher(url, s3.settings(), page=1, look_seconds=0.0)
    assert [pages(hurried) for _ in range(5)] == [[["a.md"]], [["b.md"]], [["c.md"]], [[]], [["a.md"]]]
    watcher = BucketWatcher(url, s3.settings(), page=1)
    with closing(watcher.listings(0.0, clock(LATER))) as parts:
        next(parts)
        assert keys(next(parts)) == ["b.md"], "and here its reader fails"
    assert pages(watcher) == [["a.md"], ["b.md"], ["c.md"], []]


def test_a_dead_s3_server_is_an_error_not_an_empty_bucket(s3: S3) -> None:
    dead = s3.settings().model_copy(update={"s3_endpoint": "http://127.0.0.1:9"})
    with pytest.raises(StoreUnavailable):
        pages(BucketWatcher("s3://watched/x", dead, outage_seconds=0.3))
