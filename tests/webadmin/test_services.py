"""Uploads: what becomes of bytes and names, the hostile ones included."""

from __future__ import annotations

import hashlib
import io
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


def test_a_collection_with_a_bad_name_is_refused(site: Path) -> None:
    assert put("a.md", collection="../x").outcome == "refused"
