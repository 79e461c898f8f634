"""Marks of windows and chunks -> how much of a document's work is done, from 0 to 1. Pure.

Each window has a share of the whole by its size, and in it each stage a share by what it costs. Chunks count only within their
window once that is enriched. So nothing in the sum falls when more chunks become known, as a ratio of chunks done to chunks
known would.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from pydantic import Field

from aegis_assets.model.document import Mark, Stage
from aegis_assets.model.parsing import Frozen

PLAN_SHARE: Final = 0.01
FLOOR: Final = 0.01  # a stage that took next to no time still moves the bar
OVER: Final = frozenset({Mark.DONE, Mark.SKIPPED, Mark.FAILED})

# Until a document was measured here: a 406-page manual with an LLM, seconds by stage.
DEFAULT_SECONDS: Final[Mapping[Stage, float]] = {
    Stage.PARSE: 300.0,
    Stage.ENRICH: 36.0,
    Stage.EMBED: 60.0,
    Stage.EXTRACT: 600.0,
    Stage.RESOLVE: 10.0,
    Stage.PUBLISH: 10.0,
}


class StageMarks(Frozen):
    """Of the chunks of one window."""

    done: int = 0
    failed: int = 0
    running: int = 0

    @property
    def over(self) -> int:
        return self.done + self.failed


class WindowMarks(Frozen):
    """parts: pages or sections. processed: chunks that are through embed and extract, well or not. in_flight: in one of them."""

    parts: int = Field(ge=1)
    parse: Mark
    enrich: Mark
    chunks: int
    embed: StageMarks
    extract: StageMarks
    processed: int
    in_flight: int


def weights(seconds: Mapping[Stage, float] | None) -> dict[Stage, float]:
    """Shares of the stages, 1 together. seconds: measured, None for the default."""
    measured = DEFAULT_SECONDS if not seconds or sum(seconds.values()) <= 0 else seconds
    whole = sum(measured.values())
    floored = {stage: max(measured.get(stage, 0.0) / whole, FLOOR) for stage in Stage}
    total = sum(floored.values())
    return {stage: share / total for stage, share in floored.items()}


def fraction(windows: Sequence[WindowMarks], shares: Mapping[Stage, float], *, resolved: bool, published: bool) -> float:
    """Without windows (nothing is planned, or nothing was missing) only the last two stages count."""
    parts = sum(window.parts for window in windows)
    done = sum(_window(window, shares) * window.parts / parts for window in windows)
    done += shares[Stage.RESOLVE] * resolved + shares[Stage.PUBLISH] * published
    whole = 1.0 if windows else shares[Stage.RESOLVE] + shares[Stage.PUBLISH]
    return min(1.0, PLAN_SHARE + (1.0 - PLAN_SHARE) * done / whole)


def chunks_final(windows: Sequence[WindowMarks]) -> bool:
    """No window will add chunks any more."""
    return bool(windows) and all(_chunked(window) for window in windows)


def _window(window: WindowMarks, shares: Mapping[Stage, float]) -> float:
    parsed, chunked = window.parse in OVER, _chunked(window)
    embedded = extracted = 0.0
    if chunked:
        embedded = window.embed.over / window.chunks if window.chunks else 1.0
        extracted = window.extract.over / window.chunks if window.chunks else 1.0
    return (
        shares[Stage.PARSE] * parsed
        + shares[Stage.ENRICH] * chunked
        + shares[Stage.EMBED] * embedded
        + shares[Stage.EXTRACT] * extracted
    )


def _chunked(window: WindowMarks) -> bool:
    """A window that failed to parse gets no chunks in this run; one that is parsed again gets others than those it has."""
    return window.parse == Mark.FAILED or (window.parse in OVER and window.enrich in OVER)
