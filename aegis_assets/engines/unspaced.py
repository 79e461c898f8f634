"""Scripts that are written without spaces, cut into pairs of characters: the usual stand-in for a segmenter."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

UNSPACED: Final = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+")


def pairs(run: str) -> Iterator[str]:
    """Yield each two neighbours of a run of such characters, or the only one."""
    if len(run) == 1:
        yield run
    for first, second in pairwise(run):
        yield first + second
