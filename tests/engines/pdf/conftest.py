"""PDFs made once per test process, and one window parsed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from aegis_assets.engines.parsing.pdf.inspect import inspect_image, inspect_pdf
from aegis_assets.engines.parsing.pdf.window import parse_pages
from aegis_assets.model.parsing import Inspection, ParsedWindow, ParseRequest
from tests.engines.pdf import samples


@dataclass(frozen=True)
class Seen:
    """One item of a docling document."""

    page: int
    label: str
    level: int
    text: str


@dataclass(frozen=True)
class Parsed:
    window: ParsedWindow
    document: Any
    out: Path

    @property
    def items(self) -> list[Seen]:
        return seen(self.document)


def seen(document: Any) -> list[Seen]:
    from docling_core.types.doc.document import ContentLayer

    found = []
    for item, _ in document.iterate_items(traverse_pictures=True, included_content_layers=set(ContentLayer)):
        if hasattr(item, "prov"):
            data = getattr(item, "data", None)
            text = "|".join(cell.text for cell in data.table_cells) if data else getattr(item, "text", "")
            found.append(Seen(item.prov[0].page_no, str(item.label), getattr(item, "level", 0), text))
    return found


def inspected(path: Path) -> Inspection:
    inspect = inspect_pdf if path.suffix == ".pdf" else inspect_image
    return inspect(path, path.name, path.parent)


def parse(path: Path, first: int = 1, last: int | None = None, *, smallest: int = 64, parser: str = "rules") -> Parsed:
    from docling_core.types.doc import DoclingDocument

    inspection = inspected(path)
    out = Path(tempfile.mkdtemp(dir=path.parent))
    request = ParseRequest(
        blob="", name=path.name, format=inspection.format, unit="page", whole=None, first=first, last=last or len(inspection.parts),
        length=len(inspection.parts), facts=dict(inspection.facts), artifacts="",
    )  # fmt: skip
    window = parse_pages(path, request, out, smallest, parser)
    return Parsed(window, DoclingDocument.load_from_json(out / window.artifact), out)


@cache
def whole(path: Path) -> list[Seen]:
    return parse(path).items


def in_windows(path: Path, size: int) -> list[Seen]:
    length = len(inspected(path).parts)
    return [item for first in range(1, length + 1, size) for item in parse(path, first, min(length, first + size - 1)).items]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The sample of that name, made when first asked for."""
    folder, found = tmp_path_factory.mktemp("pdf"), dict[str, Path]()

    def make(name: str) -> Path:
        if name not in found:
            path = folder / f"{name}.pdf"
            found[name] = getattr(samples, name)(path)
        return found[name]

    return make
