"""Names as people and other systems send them -> names that the ledger keeps. Pure.

Cleaning instead of refusing: a document whose file name is odd is still a document, and its name is only shown, never opened.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import Final

from aegis_assets.errors import BadInput

NAME_LENGTH: Final = 255
KEY_LENGTH: Final = 1024
COLLECTION: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}")
JOINERS: Final = frozenset("\u200c\u200d")  # without them Persian words and some emoji fall apart


def collection_name(name: str) -> str:
    """Raises BadInput."""
    if not COLLECTION.fullmatch(name):
        raise BadInput("A collection's name has 1 to 63 letters, digits, '-', '_' or '.', and does not begin with '-' or '.'.")
    return name


def document_name(name: str, length: int = NAME_LENGTH) -> str:
    """The last part of a path, without what cannot be seen (control characters, writing direction), cut but with its ending."""
    last = [part for part in re.split(r"[/\\]", name) if part.strip(". \t")][-1:]
    kept = "".join(char for char in unicodedata.normalize("NFC", "".join(last)) if char in JOINERS or _visible(char))
    kept = " ".join(kept.split())
    if len(kept) > length:
        stem, dot, ending = kept.rpartition(".")
        ending = dot + ending if stem and len(ending) <= 16 else ""
        kept = kept[: length - len(ending)] + ending
    return kept or "unnamed"


def upload_key(path: str) -> str:
    """A relative path with each part cleaned: two files of one name in different directories are two documents.

    Of a path that is too long the end stays, under a hash of the whole: cut alone, two could be one.
    """
    parts = [part for part in re.split(r"[/\\]", path) if part.strip(". \t")]
    key = "/".join(document_name(part) for part in parts) or document_name("")
    if len(key) <= KEY_LENGTH:
        return key
    digest = hashlib.sha256(key.encode()).hexdigest()[:32]
    return f"{digest}/{key[len(digest) + 1 - KEY_LENGTH :]}"


def _visible(char: str) -> bool:
    return char in "\t\r\n" or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Cn")


def holdable(key: str) -> bool:
    """An object's key is its identity and must stay as it is: what PostgreSQL cannot hold is refused."""
    if not key or len(key) > KEY_LENGTH or "\x00" in key:
        return False
    try:
        key.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
