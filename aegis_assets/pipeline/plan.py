"""An inspection into windows: runs of parts of about the wanted size, each with a key that says whether its parse is still good.

Edges are chosen by the content: within a quarter of the wanted size the part that begins with the highest heading starts the next
window, and among equals the one with the smallest hash. So after an inserted page the edges fall into step again within a window or
two, where counting would move every one. The questionable decision: page numbers are not in the key, or one inserted page would
make every window after it new. Who takes over a window's results under the same key moves their pages by the difference of `first`.

A long document begins with a window of a quarter and one of half the size: its first chunk reaches the model in a quarter of the
time, for the price of four neighbour pages. Not its end, where the same would cost as much as it gains.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

from aegis_assets.model.ids import fingerprint
from aegis_assets.model.parsing import Inspection, Part, WindowPlan

_SLACK: Final = 0.25
_NO_HEADING: Final = 99
_FIRST: Final = (4, 2)
"""What the wanted size of the first windows is divided by, where there are `_LONG` windows' worth of pages."""
_LONG: Final = 4
_BY_PAGE: Final = "pages"
"""The one entry of the facts that is a table by page number: a window sees only its own pages of it."""


def cut(inspection: Inspection, window_pages: int, window_chunks: int, parse_fingerprint: str) -> tuple[WindowPlan, ...]:
    """Windows in order; every part is in exactly one. Pages count as one each, sections by their weight."""
    parts = inspection.parts
    pages = inspection.unit == "page"
    edges = _edges(parts, window_pages, _FIRST) if pages else _edges(parts, window_chunks)
    shared = fingerprint(
        parse=parse_fingerprint, format=inspection.format, unit=inspection.unit, facts=_canonical(_everywhere(inspection.facts))
    )
    windows = []
    for ordinal, (start, end) in enumerate(pairwise(edges)):
        around = slice(max(0, start - 1), end + 1) if pages else slice(start, end)
        seen: object = _by_page(inspection.facts, start + 1, end) if pages else None
        if not pages and inspection.pages:
            # Slides and sheets: their page numbers do not follow from the section's place, so nobody could move them.
            seen = start
        windows.append(
            WindowPlan(
                ordinal=ordinal,
                first=start + 1,
                last=end,
                key=_key(parts, around, start, end, shared, _canonical(seen)),
                headings=parts[start].headings,
            )
        )
    return tuple(windows)


def _edges(parts: Sequence[Part], wanted: int, first: Sequence[int] = ()) -> list[int]:
    """Indices where windows begin, and the number of parts. first: see `_FIRST`."""
    edges = [0]
    start = 0
    left = sum(part.weight for part in parts)
    sizes = iter([max(1, wanted // share) for share in first] if left >= _LONG * wanted else [])
    while left > _bounds(wanted)[1]:
        end, taken = _end(parts, start, *_bounds(next(sizes, wanted)))
        if end >= len(parts):
            break
        edges.append(end)
        start, left = end, left - taken
    return [*edges, len(parts)] if parts else [0]


def _bounds(wanted: int) -> tuple[float, float]:
    """The least and the most that a window may weigh."""
    if wanted <= 2:
        return wanted, wanted
    # One part more or less must be possible: else nothing could fall into step again.
    return min(-(-wanted * (1 - _SLACK) // 1), wanted - 1), max(wanted * (1 + _SLACK) // 1, wanted + 1)


def _end(parts: Sequence[Part], start: int, least: float, most: float) -> tuple[int, int]:
    """The end of the window that begins at `start`, and its weight. A part heavier than a window is a window."""
    size = parts[start].weight
    best = (start + 1, size)
    rank: tuple[int, str] | None = None
    end = start + 1
    while True:
        if least <= size <= most and end < len(parts):
            here = (parts[end].starts or _NO_HEADING, parts[end].hash)
            if rank is None or here < rank:
                best, rank = (end, size), here
        elif rank is None and size <= most:
            best = (end, size)
        if end >= len(parts) or size + parts[end].weight > most:
            return best
        size += parts[end].weight
        end += 1


def _key(parts: Sequence[Part], around: slice, start: int, end: int, shared: str, seen: str) -> str:
    digest = hashlib.sha256(f"{shared}\x1e{seen}\x1e{start - around.start}\x1e{end - start}".encode())
    for part in parts[around]:
        digest.update(f"\x1f{part.hash}".encode())
    headings = parts[start].headings
    # Not known and none are two things: the first is filled in when the window before is parsed.
    digest.update(f"\x1e{_canonical(None if headings is None else [(each.level, each.text) for each in headings])}".encode())
    return digest.hexdigest()


def _everywhere(facts: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in facts.items() if not (name == _BY_PAGE and isinstance(value, Mapping))}


def _by_page(facts: Mapping[str, object], first: int, last: int) -> dict[int, object]:
    """What the facts say of the window's pages and their neighbours, counted from the window's first page."""
    table = facts.get(_BY_PAGE)
    if not isinstance(table, Mapping):
        return {}
    near = ((page, table.get(page, table.get(str(page)))) for page in range(first - 1, last + 2))
    return {page - first: entry for page, entry in near if entry is not None}


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=_plain)


def _plain(value: object) -> object:
    """Facts come from JSON or from the parser's own types; both must give the same key."""
    dump = getattr(value, "model_dump", None)
    return dump(mode="json") if callable(dump) else list(value) if isinstance(value, set | frozenset | tuple) else str(value)
