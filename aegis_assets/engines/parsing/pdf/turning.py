"""Find how far a page's pixels must be turned to be read, and what is read then.

A sheet may have gone through the scanner lying on its side or upside down. The recogniser turns tall lines by itself, but not
upside-down ones: wrong ways it reads letters that are none, and is unsure of them. So a page is read as it is, and turned only
where its lines are tall or its reading is unsure; a page that is read well costs nothing more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from aegis_assets.engines.parsing.ocr import Reading, readings
from aegis_assets.engines.parsing.pdf.geometry import Rect

FEWEST: Final = 8  # letters; less tells nothing
SURE: Final = 0.88  # letters the right way up have 0.97, upside down 0.70
BETTER: Final = 1.2  # times as good must the other way be


def upright(image: Any) -> tuple[int, Any, list[Reading]]:
    """Return the degrees it was turned anticlockwise by (0, 90, 180, 270), the picture as turned, and what it reads."""
    found = readings(image)
    letters = sum(len(x.text) for x in found)
    tall = sum(len(x.text) for x in found if x.b - x.t > 1.5 * (x.r - x.l)) > 0.6 * letters
    sure = sum(x.score * len(x.text) for x in found) >= SURE * letters
    if letters < FEWEST or (sure and not tall):
        return 0, image, found
    best, most = (0, image, found), _worth(found)
    for degrees in _ways(tall=tall, sure=sure):
        turned = image.rotate(degrees, expand=True)
        again = readings(turned)
        if _worth(again) > BETTER * most:
            best, most = (degrees, turned, again), _worth(again)
            if sum(x.score * len(x.text) for x in again) >= SURE * sum(len(x.text) for x in again):
                break
    return best


def _ways(*, tall: bool, sure: bool) -> tuple[int, ...]:
    """The likeliest first: tall lines are turned anticlockwise by the recogniser, so where it is sure of them, that is the way."""
    if not tall:
        return (180,)
    return (90,) if sure else (270, 90)


def _worth(found: Sequence[Reading]) -> float:
    """Return how much is read, and how surely; lines that stand are not."""
    return sum(len(x.text) * x.score**2 for x in found if x.b - x.t <= 1.5 * (x.r - x.l))


def turned_back(rect: Rect, degrees: int, width: float, height: float) -> Rect:
    """Return where a place on the picture as turned is on the page, whose size is given."""
    if degrees == 90:
        return Rect(width - rect.b, rect.l, width - rect.t, rect.r)
    if degrees == 180:
        return Rect(width - rect.r, height - rect.b, width - rect.l, height - rect.t)
    if degrees == 270:
        return Rect(rect.t, height - rect.r, rect.b, height - rect.l)
    return rect
