"""Deterministic ids: the same input gives the same id on every machine and in every run."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from uuid import UUID, uuid5

NAMESPACE = UUID("6f3f0d4e-3b0f-5e0c-9a55-ae915a5e7c01")


def collection_id(name: str) -> UUID:
    return uuid5(NAMESPACE, f"collection\x1f{name}")


def document_id(collection: UUID, source: str, key: str) -> UUID:
    """source: 'upload' or 'bucket'; key: the file's name or the object's key. Never a temporary path."""
    return uuid5(collection, f"document\x1f{source}\x1f{key}")


def window_id(document: UUID, generation: int, ordinal: int) -> UUID:
    return uuid5(document, f"window\x1f{generation}\x1f{ordinal}")


def text_hash(text: str) -> str:
    """sha256, hex, of the text in NFC."""
    return hashlib.sha256(unicodedata.normalize("NFC", text).encode("utf-8", "surrogatepass")).hexdigest()


def chunk_id(document: UUID, hash_of_text: str, repeat: int) -> UUID:
    """repeat: 0 for the first occurrence of this text in the document."""
    return uuid5(document, f"chunk\x1f{hash_of_text}\x1f{repeat}")


def document_path(document: UUID) -> str:
    """Return the path of a document's page in the admin."""
    return f"/admin/documents/document/{document}/change/"


def chunk_path(document: UUID, chunk: UUID) -> str:
    """Return the path of the page in the admin that shows a chunk, for stores that carry a link to it."""
    return f"/admin/documents/document/{document}/chunk/{chunk}"


def normalised(name: str) -> str:
    """Case-folded NFKC with punctuation and white space made single spaces. Never empty for a name with a letter or digit.

    What tells C, C++ and C#, or net and .NET apart stays: plus and number signs at a word's end, a full stop at its start.
    """
    folded = unicodedata.normalize("NFKC", name).casefold()
    words = re.sub(r"[^\w+#.]|_", " ", folded)
    words = re.sub(r"(?<![\w+#])[+#]+|[+#]+(?=\w)", " ", words)
    words = re.sub(r"(?<=[\w+#.])\.|\.(?!\w)", " ", words)
    return " ".join(words.split())


def entity_id(collection: UUID, name: str) -> UUID:
    """Return the id of a name, whatever its spelling and its type."""
    return uuid5(collection, f"entity\x1f{normalised(name)}")


def relation_id(source: UUID, relation_type: str, target: UUID) -> UUID:
    return uuid5(source, f"relation\x1f{relation_type}\x1f{target}")


def fingerprint(**parts: object) -> str:
    """Short hash of everything that decides a stage's result: engine, model, version, options, prompt."""
    text = "\x1e".join(f"{key}\x1f{parts[key]!r}" for key in sorted(parts))
    return hashlib.sha256(text.encode()).hexdigest()[:20]
