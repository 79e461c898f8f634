"""A watched directory over time: what is looked at, and what is not; real files, and the operating system's own word."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
import watchfiles
from watchfiles import Change

from aegis_assets.errors import Misconfigured
from aegis_assets.settings import ROOT
from aegis_assets.stores import watch_directory
from aegis_assets.stores.watch_directory import DirectoryWatcher, tells_of_changes
from aegis_assets.stores.watch_listing import Listing
from tests.waiting import until

LATER = timedelta(seconds=60)


def clock(ahead: timedelta) -> Callable[[], float]:
    return lambda: time.time() + ahead.total_seconds()


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    path = tmp_path / "inbox"
    (path / "sub").mkdir(parents=True)
    (path / "sub" / "first.md").write_text("x")
    return path


@pytest.fixture
def watcher(inbox: Path) -> Iterator[DirectoryWatcher]:
    """It has seen everything."""
    watching = DirectoryWatcher(inbox)
    assert [one.key for one in look(watching)[0].objects] == ["sub/first.md"]
    yield watching
    watching.close()


def look(watcher: DirectoryWatcher, settle: float = 5.0, later: timedelta = LATER) -> list[Listing]:
    return list(watcher.listings(settle, clock(later)))


def seen(watcher: DirectoryWatcher, enough: Callable[[Listing], object], settle: float = 5.0) -> Listing:
    """The first listing that has what is looked for: the system's word takes a moment."""
    found: list[Listing] = []

    def there() -> bool:
        found[:] = [part for part in look(watcher, settle) if enough(part)]
        return bool(found)

    until(there)
    return found[0]


def names(listing: Listing) -> list[str]:
    return [one.key for one in listing.objects]


@pytest.fixture
def stats(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Files and folders that are looked at."""
    counted: list[str] = []
    visit, scandir = watch_directory.visit, os.scandir
    monkeypatch.setattr(watch_directory, "visit", lambda path, *rest: (counted.append(path), visit(path, *rest))[1])
    monkeypatch.setattr(watch_directory.os, "scandir", lambda path: (counted.append(str(path)), scandir(path))[1])
    return counted


def test_a_directory_in_which_nothing_changes_is_not_looked_at(watcher: DirectoryWatcher, stats: list[str]) -> None:
    for _ in range(20):
        assert look(watcher) == []
    assert stats == []


def test_a_new_file_among_many_is_looked_at_alone(watcher: DirectoryWatcher, inbox: Path, stats: list[str]) -> None:
    (inbox / "sub" / "second.md").write_text("x")
    listing = seen(watcher, lambda part: part.objects)
    assert names(listing) == ["sub/second.md"]
    assert not listing.complete, "what it leaves out is not gone"
    assert set(stats) == {str(inbox / "sub" / "second.md")}


def test_a_file_is_looked_at_until_it_is_settled_and_then_listed_once(watcher: DirectoryWatcher, inbox: Path) -> None:
    (inbox / "young.md").write_text("x")
    until(lambda: watcher._unsettled or look(watcher, later=timedelta(0)))
    assert look(watcher, later=timedelta(0)) == []
    assert [names(part) for part in look(watcher)] == [["young.md"]]
    assert look(watcher) == []


def test_a_file_that_is_written_during_a_long_scan_is_not_settled(inbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the scan's beginning is compared with lies in its future, and so says nothing."""
    scandir, ahead = os.scandir, [timedelta(seconds=-60)]

    def a_minute_later(path: Path) -> object:
        if path.name == "sub":
            ahead[0] = timedelta(0)
            (path / "growing.md").write_text("half")
        return scandir(path)

    monkeypatch.setattr(watch_directory.os, "scandir", a_minute_later)
    (listing,) = DirectoryWatcher(inbox, is_told=lambda _: False).listings(30.0, lambda: clock(ahead[0])())
    assert "sub/growing.md" in listing.pending
    assert not listing.complete


def test_a_deleted_file_is_gone_once_that_has_lasted(watcher: DirectoryWatcher, inbox: Path) -> None:
    (inbox / "sub" / "first.md").unlink()
    until(lambda: look(watcher, later=timedelta(0)) or watcher._missing)
    assert look(watcher, later=timedelta(0)) == []
    assert [part.gone for part in look(watcher)] == [("sub/first.md",)]
    assert look(watcher) == []


def test_a_file_that_is_replaced_was_never_gone(watcher: DirectoryWatcher, inbox: Path) -> None:
    (inbox / "sub" / "first.md").unlink()
    until(lambda: look(watcher, later=timedelta(0)) or watcher._missing)
    (inbox / "sub" / "first.md").write_text("again")
    listing = seen(watcher, lambda part: part.objects)
    assert (names(listing), listing.gone) == (["sub/first.md"], ())


def test_a_folder_that_is_moved_in_is_listed_with_all_that_it_holds(watcher: DirectoryWatcher, inbox: Path, tmp_path: Path) -> None:
    (tmp_path / "made" / "deep").mkdir(parents=True)
    (tmp_path / "made" / "deep" / "a.md").write_text("x")
    (tmp_path / "made").rename(inbox / "made")
    assert names(seen(watcher, lambda part: part.objects)) == ["made/deep/a.md"]


def test_a_folder_that_is_moved_out_leads_to_a_full_listing(watcher: DirectoryWatcher, inbox: Path, tmp_path: Path) -> None:
    (inbox / "sub").rename(tmp_path / "elsewhere")
    listing = seen(watcher, lambda part: part.complete)
    assert (listing.objects, listing.gone) == ((), ())


def test_many_files_that_go_at_once_lead_to_a_full_listing(watcher: DirectoryWatcher, inbox: Path) -> None:
    """The ledger believes no empty listing: it is what a disk that is not mounted looks like."""
    many = [inbox / f"{number}.md" for number in range(12)]
    for path in many:
        path.write_text("x")
    until(lambda: len({name for part in look(watcher) for name in names(part)} | set(map(str, many))) >= 12)
    for path in many:
        path.unlink()
    assert names(seen(watcher, lambda part: part.complete)) == ["sub/first.md"]


def test_hidden_files_and_links_to_folders_are_left_out(watcher: DirectoryWatcher, inbox: Path, tmp_path: Path) -> None:
    (inbox / ".git").mkdir()
    (inbox / ".git" / "a.md").write_text("x")
    (inbox / "b.part").write_text("x")
    (inbox / "round").symlink_to(inbox / "sub")
    (inbox / "sub" / "seen.md").write_text("x")
    assert names(seen(watcher, lambda part: part.objects)) == ["sub/seen.md"]


def test_where_the_reader_fails_everything_is_listed_again(watcher: DirectoryWatcher, inbox: Path) -> None:
    (inbox / "a.md").write_text("x")
    until(lambda: watcher._unsettled or look(watcher, later=timedelta(0)))
    with closing(watcher.listings(5.0, clock(LATER))) as parts:
        assert names(next(parts)) == ["a.md"], "and here its reader fails"
    (listing,) = look(watcher)
    assert (names(listing), listing.complete) == (["a.md", "sub/first.md"], True)


def test_what_could_not_be_stored_is_listed_again_soon(watcher: DirectoryWatcher, monkeypatch: pytest.MonkeyPatch) -> None:
    watcher.look_again()
    assert look(watcher) == []
    monkeypatch.setattr(watch_directory, "AGAIN_SECONDS", 0.0)
    watcher.look_again()
    assert [names(part) for part in look(watcher)] == [["sub/first.md"]]
    assert look(watcher) == []


def test_now_and_then_everything_is_compared(watcher: DirectoryWatcher, monkeypatch: pytest.MonkeyPatch) -> None:
    watcher._full_at = 0.0
    (listing,) = look(watcher)
    assert (names(listing), listing.complete) == (["sub/first.md"], True)
    assert look(watcher) == []


def test_another_directory_in_its_place_is_listed_and_watched(watcher: DirectoryWatcher, inbox: Path, tmp_path: Path) -> None:
    inbox.rename(tmp_path / "before")
    with pytest.raises(Misconfigured, match="AEGIS_WATCH_URL"):
        look(watcher)
    inbox.mkdir()
    (inbox / "a.md").write_text("x")
    assert names(seen(watcher, lambda part: part.complete)) == ["a.md"]
    (inbox / "b.md").write_text("x")
    assert names(seen(watcher, lambda part: part.objects)) == ["b.md"]


def test_a_file_system_that_tells_nothing_is_polled_for_a_part_of_the_time(inbox: Path, stats: list[str]) -> None:
    watcher = DirectoryWatcher(inbox, is_told=lambda _: False)
    assert len(look(watcher)) == 1
    watcher._full_at += 3600.0
    stats.clear()
    assert look(watcher) == []
    assert stats == []
    watcher._full_at = 0.0
    (inbox / "a.md").write_text("x")
    assert names(look(watcher)[0]) == ["a.md", "sub/first.md"]


def test_a_system_without_room_for_more_watches_is_polled(inbox: Path, monkeypatch: pytest.MonkeyPatch, stats: list[str]) -> None:
    tries: list[object] = []

    def full(*positional: object, **_: object) -> Iterator[set[tuple[Change, str]]]:
        tries.append(positional)
        raise OSError("OS file watch limit reached.")
        yield set()

    monkeypatch.setattr(watchfiles, "watch", full)
    watcher = DirectoryWatcher(inbox)
    assert names(look(watcher)[0]) == ["sub/first.md"]
    watcher._full_at = 0.0
    assert names(look(watcher)[0]) == ["sub/first.md"]
    assert len(tries) == 1, "a tree too large for the limit is not walked for nothing every second"


@pytest.mark.parametrize(
    ("kind", "told"), [("ext4", True), ("overlay", True), ("nfs4", False), ("fuse.sshfs", False), ("cifs", False)]
)
def test_file_systems_of_a_network_tell_nothing(kind: str, told: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Mount:
        mountpoint, fstype = str(tmp_path), kind

    monkeypatch.setattr(watch_directory.psutil, "disk_partitions", lambda all: [Mount])
    assert tells_of_changes(tmp_path) is told


def test_watching_ends_with_its_process(inbox: Path) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from aegis_assets.stores.watch_directory import DirectoryWatcher\n"
        "watcher = DirectoryWatcher(Path(sys.argv[1])); print(len(list(watcher.listings(0.0))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(inbox)], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "1"), done.stderr
