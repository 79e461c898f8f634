"""What one run did for one document -> where the time went: a bar for each stage of each window, and the work added up by stage.

The ledger keeps when a window's parse began and ended, when it was enriched, and when each of its chunks was embedded and extracted
last. Work that a later run has done again is therefore shown with the later one. What enrich takes is counted from the end of
parse: it may have waited for its turn in between, and the page says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db import connection
from django.utils import timezone

from aegis_assets.model.document import Stage
from webadmin.documents.models import RunDocument

LANES: Final = 48  # more windows than this share lanes: a page that scrolls for ever answers nothing
WIDTH: Final = 1000  # of a lane, in its own units
NARROWEST: Final = 2.0
TICKS: Final = 4
SUMMED: Final = tuple(Stage)

WINDOWS: Final = """
SELECT w.ordinal, w.first, w.last, w.started_at, w.parsed_at, w.enriched_at,
    min(t.started_at) FILTER (WHERE t.stage = 'embed'), max(t.finished_at) FILTER (WHERE t.stage = 'embed'),
    bool_or(t.state = 'running') FILTER (WHERE t.stage = 'embed'),
    min(coalesce(t.started_at, t.finished_at)) FILTER (WHERE t.stage = 'extract'),
    max(t.finished_at) FILTER (WHERE t.stage = 'extract'),
    bool_or(t.state = 'running') FILTER (WHERE t.stage = 'extract'),
    w.parse_state = 'running', w.enrich_state = 'running'
FROM aegis_document d
JOIN aegis_window w ON w.generation_id = coalesce(d.making_id, d.live_id)
LEFT JOIN aegis_placement p ON p.window_id = w.id
LEFT JOIN aegis_chunk_task t ON t.chunk_id = p.chunk_id AND t.run_id = %(run)s
WHERE d.id = %(document)s GROUP BY w.id ORDER BY w.ordinal"""


class Bar(NamedTuple):
    """x, width: of WIDTH. y, height: embed and extract run side by side, so each has half of the lane. begin: seconds since the
    run's."""

    stage: str
    x: float
    width: float
    begin: float
    seconds: float

    @property
    def ends(self) -> float:
        return self.begin + self.seconds

    @property
    def y(self) -> int:
        return 8 if self.stage == Stage.EXTRACT else 0

    @property
    def height(self) -> int:
        return 6 if self.stage in (Stage.EMBED, Stage.EXTRACT) else 14


class Lane(NamedTuple):
    """first, last: parts of the document, None for what concerns the whole. seconds: from the first bar's begin to the last one's
    end."""

    first: int | None
    last: int | None
    bars: tuple[Bar, ...]
    seconds: float


class Share(NamedTuple):
    """seconds: of work, added up over what ran side by side. x, width: of WIDTH."""

    stage: str
    seconds: float
    percent: int
    x: float
    width: float


class Waterfall(NamedTuple):
    """seconds: from begin to end, or until now. ticks: seconds, evenly spaced. idle: windows that this run had no work on."""

    run_id: str
    running: bool
    paged: bool
    seconds: float
    lanes: tuple[Lane, ...]
    shares: tuple[Share, ...]
    ticks: tuple[float, ...]
    windows: int
    idle: int

    @property
    def slowest(self) -> Lane | None:
        lanes = [lane for lane in self.lanes if lane.first is not None]
        return max(lanes, key=lambda lane: lane.seconds) if len(lanes) > 1 else None

    @property
    def largest(self) -> Share | None:
        return max(self.shares, key=lambda share: share.seconds, default=None)


class Span(NamedTuple):
    stage: str
    begin: datetime
    end: datetime


class _Window(NamedTuple):
    first: int
    last: int
    spans: tuple[Span, ...]


def chosen(runs: Sequence[RunDocument], wanted: str) -> RunDocument | None:
    """The run that was asked for, else the newest that works or has done something, else the newest."""
    named = (run for run in runs if run.run_id == wanted)
    busy = (run for run in runs if run.finished_at is None or run.parsed_windows + run.embedded_chunks + run.extracted_chunks)
    return next(named, None) or next(busy, None) or next(iter(runs), None)


def waterfall(document: UUID, run: RunDocument, paged: bool) -> Waterfall:
    end = run.finished_at or timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(WINDOWS, {"document": document, "run": run.run_id})
        windows = [_window(row, run.started_at, end) for row in cursor.fetchall()]
    busy = [window for window in windows if window.spans]
    total = max((end - run.started_at).total_seconds(), 0.001)
    whole = _Scale(run.started_at, total)
    lanes = [*_before(busy, run, whole), *(whole.lane(window) for window in _joined(busy)), *_after(run, end, whole)]
    ticks = tuple(total * number / TICKS for number in range(TICKS + 1))
    return Waterfall(
        run.run_id,
        run.finished_at is None,
        paged,
        total,
        tuple(lanes),
        _shares(run),
        ticks,
        len(windows),
        len(windows) - len(busy),
    )


class _Scale(NamedTuple):
    begin: datetime
    seconds: float

    def bar(self, span: Span) -> Bar:
        begin = (span.begin - self.begin).total_seconds()
        seconds = (span.end - span.begin).total_seconds()
        width = max(NARROWEST, seconds / self.seconds * WIDTH)
        return Bar(span.stage, min(begin / self.seconds * WIDTH, WIDTH - width), width, begin, seconds)

    def lane(self, window: _Window) -> Lane:
        begin, end = min(span.begin for span in window.spans), max(span.end for span in window.spans)
        return Lane(window.first, window.last, tuple(self.bar(span) for span in window.spans), (end - begin).total_seconds())

    def alone(self, *spans: Span) -> Lane:
        return Lane(None, None, tuple(self.bar(span) for span in spans), sum((s.end - s.begin).total_seconds() for s in spans))


def _window(row: tuple[Any, ...], begin: datetime, end: datetime) -> _Window:
    """Its spans within the run; what another run did is left out."""
    _ordinal, first, last, started, parsed, enriched, embed, embedded, embeds, extract, extracted, extracts, parses, enriches = row
    found = (
        (Stage.PARSE, started, end if parses else parsed),
        (Stage.ENRICH, parsed if started is not None or enriches else None, end if enriches else enriched),
        (Stage.EMBED, embed, end if embeds else embedded),
        (Stage.EXTRACT, extract, end if extracts else extracted),
    )
    return _Window(first, last, tuple(_within(found, begin, end)))


def _within(found: Sequence[tuple[str, datetime | None, datetime | None]], begin: datetime, end: datetime) -> Iterator[Span]:
    for stage, start, stop in found:
        if start is not None and stop is not None and begin <= start <= stop and start <= end:
            yield Span(stage, start, min(stop, end))


def _joined(windows: Sequence[_Window]) -> list[_Window]:
    """At most LANES: neighbours share one, from the first of them that begins to the last that ends."""
    size = -(-len(windows) // LANES) or 1
    groups = [windows[start : start + size] for start in range(0, len(windows), size)]
    return [_Window(group[0].first, group[-1].last, tuple(_together(group))) for group in groups]


def _together(group: Sequence[_Window]) -> Iterator[Span]:
    for stage in Stage:
        spans = [span for window in group for span in window.spans if span.stage == stage]
        if spans:
            yield Span(stage, min(span.begin for span in spans), max(span.end for span in spans))


def _before(windows: Sequence[_Window], run: RunDocument, scale: _Scale) -> Iterator[Lane]:
    """Reading the document and cutting it into windows: what the run did until the first of them began."""
    first = min((span.begin for window in windows for span in window.spans), default=None)
    if first is not None and first > run.started_at:
        yield scale.alone(Span("plan", run.started_at, first))


def _after(run: RunDocument, end: datetime, scale: _Scale) -> Iterator[Lane]:
    found = (
        (Stage.RESOLVE, run.resolve_began_at, run.resolve_ended_at),
        (Stage.PUBLISH, run.publish_began_at, run.publish_ended_at),
    )
    if spans := list(_within(found, run.started_at, end)):
        yield scale.alone(*spans)


def _shares(run: RunDocument) -> tuple[Share, ...]:
    taken = [(stage.value, float(getattr(run, f"{stage}_seconds"))) for stage in SUMMED]
    total = sum(seconds for _, seconds in taken)
    shares, x = [], 0.0
    for stage, seconds in taken:
        if seconds > 0:
            width = seconds / total * WIDTH
            shares.append(Share(stage, seconds, round(100 * seconds / total), x, width))
            x += width
    return tuple(shares)
