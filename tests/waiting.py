"""Waiting for what comes about by itself, and not for ever."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(found: Callable[[], T | None], seconds: float = 120.0) -> T:
    """Polls until it gives something that is true. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not (value := found()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"it did not come about within {seconds:.0f} s")
        time.sleep(0.1)
    return value
