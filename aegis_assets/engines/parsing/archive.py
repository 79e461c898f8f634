"""A ZIP-based document (OOXML, ODF, EPUB) into its member names, after proof that opening it is safe.

Every member is inflated once, in pieces, and counted: docling's readers trust what the archive declares of itself. The questionable
decision: any entity declaration in an XML member is refused, though ODF and EPUB allow them: no office program writes one, and
entity bombs need nothing else.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from aegis_assets.errors import BadInput, LimitExceeded

MEMBERS: Final = 20_000  # a 1,000-slide deck has about 6,000
INFLATED: Final = 512 * 2**20  # all members; a parser child may use 1,400 MB in all
XML_MEMBER: Final = 96 * 2**20  # one XML part; its tree takes 5 to 10 times as much memory
RATIO: Final = 100  # inflated to stored, of members over RATIO_FROM; an XLSX sheet of 600,000 equal cells has 16, white space 229
RATIO_FROM: Final = 4 * 2**20
_PIECE: Final = 2**20
_ENTITY: Final = tuple("<!ENTITY".encode(encoding) for encoding in ("ascii", "utf-16-le", "utf-16-be"))
_OVERLAP: Final = 32
_XML: Final = (".xml", ".rels", ".xhtml", ".html", ".htm", ".opf", ".ncx", ".vml", ".svg")

DAMAGED: Final = (
    "The file is damaged: its ZIP container cannot be read. Open it in the program that made it, save it again and upload that."
)
BOMB: Final = (
    "The file unpacks to far more than a document needs (a 'zip bomb'), so it was not opened. Save it anew in its own program."
)


def members(path: Path) -> frozenset[str]:
    """Names only, nothing inflated. Raises BadInput where the container is damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, OSError, struct.error, ValueError, NotImplementedError) as error:
        raise BadInput(DAMAGED) from error
    if len(infos) > MEMBERS:
        raise LimitExceeded(f"The file holds {len(infos)} parts, more than the {MEMBERS} allowed. Split the document.")
    return frozenset(info.filename for info in infos)


def member(path: Path, name: str, limit: int) -> bytes:
    """The first `limit` bytes of a member."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(name) as stream:
            return stream.read(limit)
    except (zipfile.BadZipFile, KeyError, RuntimeError, zlib.error, EOFError, OSError, struct.error, NotImplementedError) as error:
        raise BadInput(DAMAGED) from error


def read(path: Path, endings: tuple[str, ...]) -> Iterator[bytes]:
    """The members with one of these endings, of an archive that passed `check`."""
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if info.filename.lower().endswith(endings):
                yield archive.read(info)


def check(path: Path) -> None:
    """Raises BadInput or LimitExceeded unless every member is sound, modest and free of entity declarations."""
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
            if len(infos) > MEMBERS or sum(info.file_size for info in infos) > INFLATED:
                raise LimitExceeded(BOMB)
            for info in infos:
                _declared(info)
            total = 0
            for info in infos:
                total += _inflate(archive, info, INFLATED - total)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, struct.error, NotImplementedError, ValueError) as error:
        raise BadInput(DAMAGED) from error


def _declared(info: zipfile.ZipInfo) -> None:
    if info.flag_bits & 0x1:
        raise BadInput("The file is protected by a password. Remove the protection and upload it again.")
    if info.filename.lower().endswith(_XML) and info.file_size > XML_MEMBER:
        raise LimitExceeded(
            f"One part of the file has {info.file_size // 2**20} MB of XML, more than {XML_MEMBER // 2**20}. Split the document."
        )
    if info.file_size > RATIO_FROM and info.file_size > RATIO * max(1, info.compress_size):
        raise LimitExceeded(BOMB)


def _inflate(archive: zipfile.ZipFile, info: zipfile.ZipInfo, left: int) -> int:
    """Bytes that the member really has."""
    is_xml = info.filename.lower().endswith(_XML)
    size, tail = 0, b""
    with archive.open(info) as stream:
        while piece := stream.read(_PIECE):
            size += len(piece)
            if size > left or (size > RATIO_FROM and size > RATIO * max(1, info.compress_size)):
                raise LimitExceeded(BOMB)
            if is_xml:
                text = tail + piece
                if any(mark in text for mark in _ENTITY):
                    raise BadInput(
                        "The file declares XML entities, as attacks do and documents need not. Save it anew in its own program."
                    )
                tail = text[-_OVERLAP:]
    return size
