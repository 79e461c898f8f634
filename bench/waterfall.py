"""Spans of work -> an SVG: the sequential pipeline above, ours below, on one scale of seconds.

Written by hand, as a few rectangles need no library. Neighbours differ in shade, so that one sees where a piece of work ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bench.simulation import Window

COLOURS: Final[Mapping[str, str]] = {
    "parse": "#4c78a8",
    "pictures": "#b279a2",
    "chunk": "#72b7b2",
    "embed": "#f58518",
    "extract": "#54a24b",
    "start": "#bab0ac",
    "publish": "#9d755d",
}
WIDTH: Final = 1000
LEFT: Final = 150
ROW: Final = 18
GAP: Final = 4


@dataclass(frozen=True)
class Bar:
    lane: str
    kind: str
    start: float
    end: float


def in_sequence(windows: Sequence[Window]) -> list[Bar]:
    """Stage after stage over the whole document, each with one thing at a time."""
    bars, now = [], 0.0
    for kind in ("parse", "pictures", "chunk", "embed", "extract"):
        for window in windows:
            seconds = getattr(window, kind if kind != "extract" else "chunks")
            taken = seconds if isinstance(seconds, float) else sum(seconds)
            bars.append(Bar(kind, kind, now, now + taken))
            now += taken
    return bars


def rows(spans: Sequence[tuple[str, float, float]], lane: str) -> list[Bar]:
    """Spans that overlap go to different rows: one per slot that was used."""
    ends: list[float] = []
    bars = []
    for kind, start, end in sorted(spans, key=lambda one: one[1]):
        free = next((index for index, busy in enumerate(ends) if busy <= start + 0.001), len(ends))
        ends[free : free + 1] = [end]
        bars.append(Bar(f"{lane} {free + 1}", kind, start, end))
    return bars


def svg(above: Sequence[Bar], below: Sequence[Bar], titles: tuple[str, str], note: str) -> str:
    """Both on the scale of the longer one."""
    longest = max(bar.end for bar in (*above, *below))
    scale = (WIDTH - LEFT - 20) / longest
    parts: list[str] = []
    y = 24
    for title, bars in zip(titles, (above, below), strict=True):
        parts.append(f'<text x="8" y="{y}" class="title">{title}</text>')
        y += 10
        for lane in dict.fromkeys(bar.lane for bar in bars):
            parts.append(f'<text x="{LEFT - 8}" y="{y + ROW - 5}" text-anchor="end">{lane}</text>')
            parts += [_rectangle(bar, y, scale, number) for number, bar in enumerate(one for one in bars if one.lane == lane)]
            y += ROW + GAP
        y += 26
    parts += _axis(longest, scale, y - 20)
    parts += _legend({bar.kind for bar in (*above, *below)}, y + 22)
    parts.append(f'<text x="{LEFT}" y="{y + 46}" class="note">{note}</text>')
    style = "text{font:12px sans-serif;fill:#333}.title{font-weight:bold;font-size:14px}.note{fill:#777}"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 60}" width="{WIDTH}" height="{y + 60}">'
    return "\n".join(
        [head, f"<style>{style}</style>", f'<rect width="{WIDTH}" height="{y + 60}" fill="#fff"/>', *parts, "</svg>", ""]
    )


def _rectangle(bar: Bar, y: int, scale: float, number: int) -> str:
    x, width = LEFT + bar.start * scale, max(0.3, (bar.end - bar.start) * scale)
    shade = 1.0 if number % 2 == 0 else 0.65
    return (
        f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{ROW}" fill="{COLOURS[bar.kind]}" fill-opacity="{shade}">'
        f"<title>{bar.kind} {bar.start:.1f}-{bar.end:.1f} s</title></rect>"
    )


def _axis(longest: float, scale: float, y: int) -> list[str]:
    step = next(step for step in (1, 2, 5, 10, 20, 30, 60, 120, 300, 600) if longest / step <= 12 or step == 600)
    parts = []
    for second in range(0, int(longest) + 1, step):
        x = LEFT + second * scale
        parts.append(f'<line x1="{x:.1f}" y1="24" x2="{x:.1f}" y2="{y}" stroke="#000" stroke-opacity="0.08"/>')
        parts.append(f'<text x="{x:.1f}" y="{y + 14}" text-anchor="middle">{second} s</text>')
    return parts


def _legend(kinds: set[str], y: int) -> list[str]:
    parts, x = [], LEFT
    for kind in (kind for kind in COLOURS if kind in kinds):
        parts.append(f'<rect x="{x}" y="{y - 10}" width="12" height="12" fill="{COLOURS[kind]}"/>')
        parts.append(f'<text x="{x + 17}" y="{y}">{kind}</text>')
        x += 95
    return parts
