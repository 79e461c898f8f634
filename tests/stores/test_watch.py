"""What the bucket sensor sees of a watched directory, and what it fetches from there."""

from __future__ import annotations

import errno
import io
import os
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from aegis_assets.errors import BadInput, Misconfigured, NotFound, StoreUnavailable, is_outage
from aegis_assets.settings import Settings
from aegis_assets.stores import watch
from aegis_assets.stores.watch import fetch, open_watcher
from aegis_assets.stores.watch_listing import Listing

LATER = timedelta(seconds=60)


def clock(ahead: timedelta) -> Callable[[], float]:
    return lambda: time.time() + ahead.total_seconds()


def seen(root: Path, later: timedelta = LATER, settle: float = 5.0) -> Listing:
    return listed(root.as_uri(), Settings(), settle, later)


def listed(url: str, settings: Settings, settle: float, later: timedelta = LATER) -> Listing:
    """What a fresh watcher sees, in one listing."""
    parts = list(open_watcher(url, settings).listings(settle, clock(later)))
    return Listing(
        objects=tuple(sorted((one for part in parts for one in part.objects), key=lambda one: one.key)),
        pending=frozenset(key for part in parts for key in part.pending),
        complete=parts[-1].complete or parts[-1].seen is not None,
        problems=tuple(dict.fromkeys(problem for part in parts for problem in part.problems)),
    )


def keys(listing: Listing) -> list[str]:
    return [one.key for one in listing.objects]


def test_hidden_temporary_and_office_files_are_left_out_and_the_rest_is_sorted(inbox: Path) -> None:
    (inbox / "sub" / ".git").mkdir(parents=True)
    for name in ("b.md", "sub/a.md", "ü x#%.md", ".hidden", "c.part", "d.TMP", "~$e.docx", "f.crdownload", "g~", "sub/.git/h.md"):
        (inbox / name).write_text("x")

    listing = seen(inbox)

    assert keys(listing) == ["b.md", "sub/a.md", "ü x#%.md"]
    assert listing.complete
    assert listing.problems == ()


def test_a_file_still_being_written_is_pending_and_absence_means_nothing_meanwhile(inbox: Path) -> None:
    (inbox / "a.md").touch()

    young, settled = seen(inbox, later=timedelta(0)), seen(inbox)

    assert (keys(young), young.pending, young.complete) == ([], {"a.md"}, False)
    assert (keys(settled), settled.pending, settled.complete) == (["a.md"], frozenset(), True)


def test_a_copy_with_old_time_stamps_is_young_and_a_stamp_from_the_future_settles(inbox: Path) -> None:
    for name, stamp in (("old.md", 1_000_000_000), ("future.md", time.time() + 10**8)):
        (inbox / name).write_text("x")
        os.utime(inbox / name, (stamp, stamp))

    assert seen(inbox, later=timedelta(0)).pending == {"old.md", "future.md"}
    assert keys(seen(inbox)) == ["future.md", "old.md"]


def test_a_file_server_s_clock_that_is_a_little_ahead_does_not_settle_a_file_at_once(inbox: Path) -> None:
    (inbox / "a.md").write_text("x")
    assert seen(inbox, later=timedelta(seconds=-2)).pending == {"a.md"}


def test_the_etag_changes_with_the_content_even_at_the_same_size(inbox: Path) -> None:
    path = inbox / "a.md"
    path.write_text("one")
    before = seen(inbox).objects[0].etag
    assert seen(inbox).objects[0].etag == before
    path.write_text("two")
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 1))
    assert seen(inbox).objects[0].etag != before


def test_links_that_lead_out_or_round_and_what_is_no_file_are_skipped(inbox: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    (inbox / "real").mkdir()
    (inbox / "real" / "a.md").write_text("x")
    (inbox / "out.txt").symlink_to(tmp_path / "secret.txt")
    (inbox / "up").symlink_to(tmp_path)
    (inbox / "round").symlink_to(inbox / "real")
    (inbox / "real" / "self").symlink_to(inbox / "real")
    (inbox / "inside.md").symlink_to(inbox / "real" / "a.md")
    (inbox / "nowhere").symlink_to(inbox / "absent")
    os.mkfifo(inbox / "pipe")

    listing = seen(inbox)

    assert keys(listing) == ["inside.md", "real/a.md"]
    assert listing.complete
    for key in ("out.txt", "up/secret.txt", "pipe", "nowhere", "real/a.md/x"):
        with pytest.raises(NotFound):
            fetch(inbox.as_uri(), Settings(), key, tmp_path / "fetched")
    with pytest.raises(BadInput):
        fetch(inbox.as_uri(), Settings(), "../secret.txt", tmp_path / "fetched")
    assert not (tmp_path / "fetched").exists()


def test_a_name_that_is_no_text_is_reported_and_hides_nothing_else(inbox: Path) -> None:
    (inbox / "good.md").write_text("x")
    with open(os.fsencode(inbox) + b"/bad\xff.md", "wb") as stream:
        stream.write(b"x")
    (inbox / "line\nbreak.md").write_text("x")

    listing = seen(inbox)

    assert keys(listing) == ["good.md"]
    assert len(listing.problems) == 1
    assert listing.complete


def test_thousands_of_files_are_all_seen(inbox: Path) -> None:
    for number in range(5000):
        (inbox / f"{number:05}.md").touch()
    assert len(seen(inbox).objects) == 5000


def test_a_missing_directory_is_a_setting_to_correct_not_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="AEGIS_WATCH_URL"):
        seen(tmp_path / "absent")


def test_fetch_copies_the_bytes_and_refuses_what_is_over_the_limit(inbox: Path, tmp_path: Path) -> None:
    (inbox / "a.bin").write_bytes(os.urandom(1024 * 1024 + 1))

    fetch(inbox.as_uri(), Settings(), "a.bin", tmp_path / "out" / "a")
    assert (tmp_path / "out" / "a").read_bytes() == (inbox / "a.bin").read_bytes()
    with pytest.raises(BadInput, match="limit is 1 MB"):
        fetch(inbox.as_uri(), Settings(max_file_mb=1), "a.bin", tmp_path / "out" / "b")
    assert os.listdir(tmp_path / "out") == ["a"]


def fetched(inbox: Path, key: str = "a.md") -> Path:
    target = inbox.parent / "fetched"
    fetch(inbox.as_uri(), Settings(), key, target)
    return target


@pytest.mark.parametrize("mount_point", ["missing", "empty", "hidden files only"])
def test_an_object_of_a_directory_that_is_not_mounted_waits(inbox: Path, mount_point: str) -> None:
    if mount_point == "missing":
        inbox.rmdir()
    elif mount_point == "hidden files only":
        (inbox / ".not-mounted").touch()
    with pytest.raises(StoreUnavailable, match="is it mounted") as caught:
        fetched(inbox, "sub/a.md")
    assert is_outage(caught.value)
    assert caught.value.server == "the watched bucket"


def test_an_object_that_is_gone_from_a_mounted_directory_is_not_waited_for(inbox: Path) -> None:
    (inbox / "other.md").write_text("x")
    with pytest.raises(NotFound):
        fetched(inbox)


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE])
def test_a_disk_that_fails_while_it_is_read_is_an_outage_and_leaves_no_half_file(
    inbox: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    class FailsAfterABlock(io.FileIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell():
                raise OSError(code, os.strerror(code))
            return super().read(size) or b""

    (inbox / "a.md").write_bytes(bytes(watch.BLOCK + 1))
    monkeypatch.setattr(watch, "_opened", lambda root, key: FailsAfterABlock(root / key))
    with pytest.raises(StoreUnavailable) as caught:
        fetched(inbox)
    assert caught.value.server == "the watched bucket"
    assert os.listdir(inbox.parent) == ["inbox"]


def test_a_file_that_may_not_be_read_is_no_outage(inbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (inbox / "a.md").write_text("x")
    open_file = os.open

    def refusing(path: str | Path, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if str(path).endswith("a.md"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return open_file(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", refusing)  # the tests may run as root, whom no mode keeps out
    with pytest.raises(Misconfigured, match="permission") as caught:
        fetched(inbox)
    assert not is_outage(caught.value)
