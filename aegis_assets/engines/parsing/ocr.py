"""Pixels -> text with boxes, by RapidOCR with the weights of its wheel: no network, no torchvision.

The engine takes two seconds to load and is kept for the life of the process. It is kept by process id, because a forked child must
not use the thread pool of its parent.
"""

from __future__ import annotations

import io
import os
from functools import lru_cache
from typing import Any, NamedTuple

from aegis_assets.errors import BadInput

MAX_PIXELS = 120_000_000  # an A0 page at 300 dpi; beyond it an image is a bomb
SMALLEST = 8  # pixels; the detector fails on slivers
# By default the detector enlarges until the shorter side has 736 pixels: a wide banner took 900 MB and came back in pieces.
OPTIONS = {
    "Global.log_level": "error",
    "Det.limit_type": "max",
    "Det.limit_side_len": 1280,
    "Rec.rec_batch_num": 1,  # six long lines at once take 400 MB more and no less time
    "Global.use_cls": False,  # it took upright lines of running text for upside-down ones: 79 of 495 words were lost
    "EngineConfig.onnxruntime.intra_op_num_threads": 2,
}


class Reading(NamedTuple):
    """Text in a box of pixels from the top left corner."""

    l: float  # noqa: E741
    t: float
    r: float
    b: float
    text: str
    score: float


def read_text(png: bytes) -> str:
    """The text in an image, a line per text line, top to bottom; '' when nothing is readable. Raises BadInput for junk."""
    return "\n".join(reading.text for reading in in_rows(readings(decoded(png))))


def decoded(content: bytes) -> Any:
    """A PIL image in RGB. Raises BadInput for junk and for images too large to hold."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(content)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise BadInput(f"The image has {image.width} x {image.height} pixels, more than can be read.")
            return image.convert("RGB")
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BadInput("The image is damaged or of an unknown kind.") from error


def readings(image: Any) -> list[Reading]:
    """image: PIL, RGB."""
    import numpy

    if min(image.size) < SMALLEST:
        return []
    result = _engine(os.getpid())(numpy.asarray(image)[:, :, ::-1])
    if result is None or result.boxes is None:
        return []
    found = []
    for box, text, score in zip(result.boxes.tolist(), result.txts, result.scores, strict=True):
        xs, ys = [point[0] for point in box], [point[1] for point in box]
        if text.strip():
            found.append(Reading(min(xs), min(ys), max(xs), max(ys), text.strip(), float(score)))
    return found


def in_rows(found: list[Reading]) -> list[Reading]:
    """Top to bottom, left to right within a row."""
    rows: list[list[Reading]] = []
    for reading in sorted(found, key=lambda x: (x.t + x.b) / 2):
        middle = (reading.t + reading.b) / 2
        if rows and middle < rows[-1][0].b - 0.25 * (rows[-1][0].b - rows[-1][0].t):
            rows[-1].append(reading)
        else:
            rows.append([reading])
    return [reading for row in rows for reading in sorted(row, key=lambda x: x.l)]


@lru_cache(maxsize=1)
def _engine(process: int) -> Any:
    from rapidocr import RapidOCR

    return RapidOCR(params=OPTIONS)
