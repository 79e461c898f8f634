"""The chunks of a document -> one letter each, in reading order: what the grid is drawn from.

A cell's address is its window and its place in it, because those stay while other windows are still being cut into chunks; ids
would make the answer forty times as large. 5,000 chunks are one query and some kB, so a page may ask again while the document runs.
"""

from __future__ import annotations

from typing import Final, NamedTuple
from uuid import UUID

from django.db import connection
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from aegis_assets.model.document import Mark
from webadmin.shared_reading import shared_readings

KEPT_SECONDS: Final = 1.0
# One letter a chunk. The order is that of the legend.
CELLS: Final[dict[str, Promise]] = {
    "d": _("done"),
    "n": _("done, and new in this content"),
    "s": _("done, with something left out"),
    "r": _("running"),
    "h": _("one of two stages done"),
    "p": _("waiting"),
    "f": _("failed"),
}
# One letter for a window that has no chunks: it failed, is being cut, waits, or holds no text.
WINDOW: Final[dict[str, Promise]] = {
    "F": _("a window that failed"),
    "R": _("a window being parsed"),
    "P": _("a window that waits"),
}
EMPTY: Final = "D"

GRID: Final = """
SELECT d.state, g.number, g.pages, w.ordinal, w.first, w.last, w.parse_state, w.enrich_state,
    coalesce(string_agg(CASE
        WHEN 'failed' IN (e.state, x.state) THEN 'f'
        WHEN 'running' IN (e.state, x.state) THEN 'r'
        WHEN e.state = 'done' AND x.state = 'done' THEN CASE WHEN c.since > before.number THEN 'n' ELSE 'd' END
        WHEN e.state IN ('done', 'skipped') AND x.state IN ('done', 'skipped') THEN 's'
        WHEN e.state IN ('done', 'skipped') OR x.state IN ('done', 'skipped') THEN 'h'
        ELSE 'p' END, '' ORDER BY p.ordinal) FILTER (WHERE p.id IS NOT NULL), '') AS cells
FROM aegis_document d
LEFT JOIN aegis_generation g ON g.id = coalesce(d.making_id, d.live_id)
LEFT JOIN LATERAL (
    SELECT max(o.number) AS number FROM aegis_generation o
    WHERE o.document_id = d.id AND o.number < g.number AND o.published_at IS NOT NULL) before ON true
LEFT JOIN aegis_window w ON w.generation_id = g.id
LEFT JOIN aegis_placement p ON p.window_id = w.id
LEFT JOIN aegis_chunk c ON c.id = p.chunk_id
LEFT JOIN aegis_chunk_task e ON e.chunk_id = p.chunk_id AND e.stage = 'embed'
LEFT JOIN aegis_chunk_task x ON x.chunk_id = p.chunk_id AND x.stage = 'extract'
WHERE d.id = %(document)s
GROUP BY d.id, g.id, w.id ORDER BY w.ordinal"""


class Strip(NamedTuple):
    """A window. mark: a letter of WINDOW, or EMPTY, for one without chunks; '' otherwise. cells: a letter of CELLS per chunk."""

    ordinal: int
    first: int
    last: int
    mark: str
    cells: str


class Grid(NamedTuple):
    """generation: its number, None before a run has planned. paged: windows are runs of pages, not of sections."""

    state: str
    generation: int | None
    paged: bool
    windows: tuple[Strip, ...]

    @property
    def chunks(self) -> int:
        return sum(len(strip.cells) for strip in self.windows)

    def first(self) -> tuple[int, int] | None:
        """Window and place of the chunk to show unasked: the first that failed, else the first."""
        for wanted in ("f", ""):
            for strip in self.windows:
                if strip.cells and wanted in strip.cells:
                    return strip.ordinal, strip.cells.index(wanted)
        return None


def recent(document: UUID) -> Grid | None:
    """As `grid`, at most a second old: viewers share one reading."""
    return shared_readings.get(f"console.grid.{document}", lambda: grid(document), KEPT_SECONDS)


def grid(document: UUID) -> Grid | None:
    """None where there is no such document."""
    with connection.cursor() as cursor:
        cursor.execute(GRID, {"document": document})
        rows = cursor.fetchall()
    if not rows:
        return None
    state, number, pages = rows[0][:3]
    return Grid(state, number, pages is not None, tuple(_strip(*row[3:]) for row in rows if row[3] is not None))


def _strip(ordinal: int, first: int, last: int, parse: str, enrich: str, cells: str) -> Strip:
    return Strip(ordinal, first, last, "" if cells else _mark(parse, enrich), cells)


def _mark(parse: str, enrich: str) -> str:
    if Mark.FAILED in (parse, enrich):
        return "F"
    if Mark.RUNNING in (parse, enrich):
        return "R"
    return EMPTY if enrich in (Mark.DONE, Mark.SKIPPED) else "P"
