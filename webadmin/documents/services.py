"""A stream of bytes with a name -> a document in the ledger, its bytes in the bucket under their own hash.

The bytes are stored before the row is written: a row never points at bytes that are not there. Bytes without a row, from a process
that died between the two, are found again by the same upload, since their key is their hash.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Final, Literal, Protocol
from uuid import UUID

from aegis_assets.errors import AegisError, BadInput, NotAllowed, StoreUnavailable
from aegis_assets.model.document import State
from aegis_assets.model.ledger import Registered
from aegis_assets.model.parsing import Frozen
from aegis_assets.settings import settings
from aegis_assets.stores.ledger.naming import document_name
from webadmin.documents import platform

PIECE: Final = 1 << 20
TWICE: Final = "Another file of this upload has the same name. Upload it alone to make it a revision."


class Stream(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


class Named(Stream, Protocol):
    name: str | None


class Outcome(Frozen):
    """What became of one file. pending: it waits for a run. made_pending, made_collection: because of this file, see Registered."""

    name: str
    document: UUID | None
    outcome: Literal["new", "revised", "unchanged", "duplicate", "refused"]
    sentence: str
    pending: bool = False
    made_pending: bool = False
    made_collection: bool = False
    state: State | None = None


def upload(stream: Stream, name: str, collection: str) -> Outcome:
    """A file from the upload page: its name, cleaned, is its key. Never raises for what is wrong with one file."""
    shown = document_name(name)
    return receive(stream, shown, shown, collection)


def upload_all(files: Sequence[Named], collection: str) -> list[Outcome]:
    """The files of one upload. Two of one name lie beside each other, so the second is no revision of the first."""
    outcomes: list[Outcome] = []
    seen: set[str] = set()
    for file in files:
        name = document_name(file.name or "")
        if name in seen:
            outcomes.append(Outcome(name=name, document=None, outcome="refused", sentence=f"Refused: {TWICE}"))
        else:
            outcomes.append(upload(file, name, collection))
        seen.add(name)
    return outcomes


def receive(stream: Stream, name: str, key: str, collection: str) -> Outcome:
    """key: names the document within the collection, so that the same key later means a revision of it."""
    try:
        registered = register(stream, name, key, collection)
    except AegisError as error:
        return Outcome(name=name, document=None, outcome="refused", sentence=f"Refused: {error.message}")
    return Outcome(
        name=name,
        document=registered.document,
        outcome=registered.outcome,
        sentence=_sentence(registered),
        pending=registered.state == State.PENDING,
        made_pending=registered.made_pending,
        made_collection=registered.made_collection,
        state=registered.state,
    )


def register(stream: Stream, name: str, key: str, collection: str) -> Registered:
    """Raises BadInput for an empty file and one over the limit, StoreUnavailable."""
    with tempfile.NamedTemporaryFile(prefix="aegis-upload-") as copy:
        digest, size = hashlib.sha256(), 0
        for piece in _pieces(stream):
            size += len(piece)
            if size > settings().max_file_bytes:
                raise BadInput(too_large_sentence())
            digest.update(piece)
            _written(copy, piece)
        if size == 0:
            raise BadInput("The file is empty.")
        return _stored(Path(copy.name), collection, key, name, digest.hexdigest(), size)


def _stored(copy: Path, collection: str, key: str, name: str, sha256: str, size: int) -> Registered:
    """Bytes that no row needs in the end go again: those of a refused name, and those that newer ones replaced unread."""
    ledger, bucket, blob = platform.ledger(), platform.bucket(), f"blobs/{sha256}"
    try:
        with ledger.storing(blob):
            if not bucket.exists(blob):
                bucket.put_file(blob, copy)
            registered = ledger.register(
                collection=collection, source="upload", key=key, name=name, blob=blob, sha256=sha256, size=size
            )
    except (BadInput, NotAllowed):
        ledger.discard(blob, bucket.delete)
        raise
    if registered.replaced:
        ledger.discard(registered.replaced, bucket.delete)
    return registered


def limits_changed() -> None:
    """Running work sees a changed limit within seconds; told, it sees it at once."""
    platform.leases().announce()


def too_large(name: str) -> Outcome:
    return Outcome(name=document_name(name), document=None, outcome="refused", sentence=f"Refused: {too_large_sentence()}")


def too_large_sentence() -> str:
    return f"The file is larger than {settings().max_file_mb} MB (AEGIS_MAX_FILE_MB)."


def _written(copy: IO[bytes], piece: bytes) -> None:
    try:
        copy.write(piece)
        copy.flush()
    except OSError as error:
        raise StoreUnavailable(f"There is no room for uploads in {tempfile.gettempdir()}: free some space.") from error


def _pieces(stream: Stream) -> Iterator[bytes]:
    while piece := stream.read(PIECE):
        yield piece


def _sentence(registered: Registered) -> str:
    if registered.outcome == "duplicate":
        return f"Duplicate of {registered.duplicate_name}: the same bytes are in this collection under that name."
    return {
        "new": "New document.",
        "revised": "Revised: the bytes differ from the last ones under this name.",
        "unchanged": "Unchanged: these bytes are known under this name.",
    }[registered.outcome]
