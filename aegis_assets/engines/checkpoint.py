"""Files of a model's checkpoint: a digest of each, by which the same model elsewhere is known again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path


def file_digests(directory: Path, names: Iterable[str]) -> list[tuple[str, str]]:
    """Return name and SHA-256 of those of the files that are there, sorted."""
    digests = []
    for name in sorted(names):
        if (directory / name).is_file():
            with (directory / name).open("rb") as file:
                digests.append((name, hashlib.file_digest(file, "sha256").hexdigest()))
    return digests
