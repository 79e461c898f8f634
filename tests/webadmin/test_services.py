"""Uploads: what becomes of bytes and names, the hostile ones included."""

from __future__ import annotations

import hashlib
import io
import tempfile
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from aegis_assets.model.document import State
from aegis_assets.stores.ledger import Ledger
from webadmin.documents import platform, services
from webadmin.documents.models import Document

HOSTILE = {
    "../../etc/passwd": "passwd",
    "..\\..\\boot.ini": "boot.ini",
    "a\x00b\tc\x1b[31m.txt": "ab c[31m.txt",
    "<script>alert(1)</script>.md": "script>.md",
    "\u202egpj.exe": "gpj.exe",
}


def put(name: str, content: bytes = b"text", collection: str = "default") -> services.Outcome:
    return services.upload(io.BytesIO(content), name, collection)


def test_an_upload_becomes_a_pending_document_and_its_bytes_lie_under_their_hash(ledger: Ledger) -> None:
    outcome = put("notes.md", b"# Notes")
    assert outcome.outcome == "new"
    assert outcome.pending
    assert outcome.document is not None
    row = ledger.document(outcome.document)
    digest = hashlib.sha256(b"# Notes").hexdigest()
    assert (row.name, row.state, row.blob, row.sha256, row.size) == ("notes.md", State.PENDING, f"blobs/{digest}", digest, 7)
    assert platform.bucket().get(row.blob) == b"# Notes"


def test_the_same_bytes_under_the_same_name_are_unchanged_and_new_ones_a_revision(ledger: Ledger) -> None:
    first = put("notes.md", b"one")
    assert put("notes.md", b"one").outcome == "unchanged"
    second = put("notes.md", b"two")
    assert second.outcome == "revised"
    assert second.document == first.document


def test_a_duplicate_is_recognised_and_names_the_other_document(ledger: Ledger) -> None:
    first = put("notes.md", b"same")
    again = put("copy.md", b"same")
    assert again.outcome == "duplicate"
    assert again.document == first.document
    assert "notes.md" in again.sentence
    assert Document.objects.count() == 1


def blobs() -> list[str]:
    return sorted(platform.bucket().keys("blobs"))


def test_bytes_that_were_never_worked_on_go_when_newer_ones_come(ledger: Ledger) -> None:
    put("notes.md", b"one")
    put("notes.md", b"two")
    assert blobs() == [f"blobs/{hashlib.sha256(b'two').hexdigest()}"]


def test_a_refused_upload_leaves_no_bytes(ledger: Ledger) -> None:
    put("a.md", b"one", collection="../x")
    document = put("b.md", b"two").document
    assert document is not None
    ledger.request_removal(document)
    assert put("b.md", b"three").outcome == "refused"
    assert blobs() == [f"blobs/{hashlib.sha256(b'two').hexdigest()}"]


def test_bytes_are_not_deleted_between_being_found_and_being_needed(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another document that had the same bytes is removed at that very moment."""
    other = put("a.md", b"same", "left").document
    assert other is not None
    ledger.request_removal(other)
    register, removals = ledger.register, ThreadPoolExecutor(1)

    def late(**row: object) -> object:
        removal = removals.submit(ledger.discard, str(row["blob"]), platform.bucket().delete)
        wait([removal], 0.5)
        return register(**row)

    monkeypatch.setattr(ledger, "register", late)
    outcome = put("b.md", b"same", "right")
    removals.shutdown()
    assert outcome.document is not None
    assert platform.bucket().exists(ledger.document(outcome.document).blob)


def test_the_same_bytes_in_two_collections_are_two_documents(ledger: Ledger) -> None:
    assert put("notes.md", b"same", "left").document != put("notes.md", b"same", "right").document


def test_an_empty_file_is_refused_in_one_sentence(site: Path) -> None:
    outcome = put("empty.pdf", b"")
    assert (outcome.outcome, outcome.sentence) == ("refused", "Refused: The file is empty.")
    assert not Document.objects.exists()


def test_a_file_over_the_limit_is_refused_before_it_is_read_whole(site: Path) -> None:
    class Endless(io.RawIOBase):
        given = 0

        def read(self, size: int = -1, /) -> bytes:
            self.given += size
            return b"x" * size

    endless = Endless()
    outcome = services.upload(endless, "huge.bin", "default")
    assert outcome.outcome == "refused"
    assert "larger than 1 MB" in outcome.sentence
    assert endless.given < 4_000_000


@pytest.mark.parametrize(("given", "kept"), HOSTILE.items())
def test_a_hostile_name_is_shown_without_its_sting(ledger: Ledger, given: str, kept: str) -> None:
    outcome = put(given)
    assert outcome.document is not None
    assert ledger.document(outcome.document).name == kept


def test_a_name_of_unicode_to_the_limit_keeps_its_ending(ledger: Ledger) -> None:
    outcome = put("ü" * 400 + ".pdf")
    assert outcome.document is not None
    name = ledger.document(outcome.document).name
    assert len(name) <= 255
    assert name.endswith(".pdf")


def test_a_full_disk_is_said_and_is_not_the_files_fault(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("wb", buffering=0) as full:
        monkeypatch.setattr(tempfile, "NamedTemporaryFile", lambda **_: full)
        outcome = put("a.md", b"x" * 100_000)
    assert outcome.outcome == "refused"
    assert "free some space" in outcome.sentence


def test_a_collection_with_a_bad_name_is_refused(site: Path) -> None:
    assert put("a.md", collection="../x").outcome == "refused"
