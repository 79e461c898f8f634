"""Sixty questions on three manuals, in the words of somebody who does not know theirs, with the pages that answer.

manuals.json names each manual's Debian package, its version and the SHA-256 of its PDF, because page numbers hold for one edition.
Pages are the PDF's, from 1; where several answer, each alone is enough.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.debian import cached_file

QUESTIONS: Final = Path(__file__).with_name("manuals.json")


@dataclass(frozen=True)
class ManualQuestion:
    text: str
    pages: frozenset[int]


@dataclass(frozen=True)
class Manual:
    """package, version, file: where the PDF comes from. pages: how many it has."""

    name: str
    package: str
    version: str
    file: str
    pages: int
    sha256: str
    questions: Sequence[ManualQuestion]

    @property
    def document(self) -> str:
        """Return the name under which the manual is ingested."""
        return f"{self.name}.pdf"

    def fetch(self) -> Path:
        """Return the PDF. Raise RuntimeError if it cannot be had, or is another edition than the questions'."""
        path = cached_file(self.package, self.file, self.document)
        check_edition(self, path)
        return path


def check_edition(manual: Manual, path: Path) -> None:
    """Raise RuntimeError unless the PDF is the one whose pages the questions name."""
    if hashlib.sha256(path.read_bytes()).hexdigest() != manual.sha256:
        raise RuntimeError(
            f"{path} is another edition than the one whose pages the questions name: put {manual.file} of "
            f"{manual.package} {manual.version} there."
        )


def read(path: Path = QUESTIONS) -> list[Manual]:
    return [
        Manual(**{**row, "questions": [ManualQuestion(asked["question"], frozenset(asked["pages"])) for asked in row["questions"]]})
        for row in json.loads(path.read_text())
    ]
