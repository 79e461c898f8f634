"""A document that waits for a server: how that is said, and when it is tried again."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Final

from aegis_assets.model.document import State
from aegis_assets.model.parsing import Frozen

# Seconds until the first next try, which double with each. A lost run is nobody's outage: it is tried again at once, nearly.
FIRST_WAIT: Final = 30.0
FIRST_WAIT_LOST: Final = 5.0
MOST_WAIT: Final = 600.0


class Waiting(Frozen):
    """waiting_for: the public name of the server, '' where the last run was lost. waits: tries so far.
    not_before: the next try, later where a server is away then or others are first."""

    waiting_for: str = ""
    not_before: datetime | None = None
    waiting_since: datetime | None = None
    waits: int = 0


def back_off(server: str, waits: int) -> float:
    """Return the seconds between this wait, counted from 1, and the next try."""
    first = FIRST_WAIT if server else FIRST_WAIT_LOST
    return min(MOST_WAIT, first * 2.0 ** min(waits - 1, 30))


def sentence(state: str, message: str, waiting: Waiting, now: datetime | None = None) -> str:
    """Return what goes with the state: why the document waits and until when, else its message.

    No time is said of a document that is due: it waits for its turn, or for a server that is away, another one's included.
    """
    if state != State.PENDING or waiting.not_before is None:
        return message
    seconds = (waiting.not_before - (now or datetime.now(UTC))).total_seconds()
    server = waiting.waiting_for
    if seconds <= 0 and server:
        return f"Waiting for {server}. {message}" if message else f"Waiting for {server}."  # a launch that did not come about
    if seconds <= 0:
        return message
    left = duration(seconds)
    return f"Waiting for {server}, next try in {left}. {message}" if server else f"{message} Next try in {left}."


def gave_up(server: str, seconds: float) -> str:
    """Return what a document says that has waited too long."""
    return f"Gave up waiting for {server} after {duration(seconds)} (AEGIS_OUTAGE_HOURS). Retry takes up what is missing."


def duration(seconds: float) -> str:
    """Return it in steps that do not change every second: 7 s, 40 s, 5 min, 72 h."""
    if seconds < 10:
        return f"{max(0, math.ceil(seconds))} s"
    if seconds < 100:
        return f"{10 * math.ceil(seconds / 10)} s"
    return f"{math.ceil(seconds / 60)} min" if seconds < 7200 else f"{round(seconds / 3600)} h"
