"""The number of requests to a server that is found out: decisions on it, and the progress that all processes share.

The decision is `pipeline.concurrency_limit`'s; here it is read and written. Of several processes that decide at once one is heard.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from psycopg.types.json import Jsonb
from pydantic import TypeAdapter, ValidationError

from aegis_assets.logs import logger
from aegis_assets.pipeline.concurrency_limit import Answer, FoundLimit, adjust, refuse
from aegis_assets.stores.lease_permit import CountedPermit, Progress, Terms
from aegis_assets.stores.lease_sql import (
    FORGET_ANSWERS,
    LIMIT_STATE,
    READ_PROGRESS,
    RECENT,
    RECENT_ANSWERS,
    SAVE_LIMIT,
    SHARE_PROGRESS,
)

log = logger(__name__)

PROGRESS_SECONDS: Final = 2.0  # between two looks at what the other processes' requests do; the limit that needs it is 30 minutes
FORGET_SECONDS: Final = 60.0

Ask = Callable[[str, Mapping[str, Any]], Awaitable[Sequence[Sequence[Any]]]]
"""A statement and its values -> its rows, on a session's connection."""

_STATE: Final = TypeAdapter(FoundLimit)


async def decide(ask: Ask, terms: Terms, permit: CountedPermit, in_flight: int) -> bool:
    """Move the limit by the answers that have come, or by the permit's refusal. Return whether it rose: who waits may have room."""
    values = terms.values()
    [(now, state, version, ceiling)] = await ask(LIMIT_STATE, values)
    before = _read(state)
    if permit.was_refused:
        after = refuse(before, now - permit.seconds, in_flight, ceiling, now)
        if after is before:
            return False
    else:
        answers = [Answer(*row) for row in await ask(RECENT_ANSWERS, {**values, "recent": RECENT})]
        after = adjust(before, answers[::-1], ceiling, now)
    saved = {"value": after.value, "since": after.since, "due": after.due, "state": Jsonb(asdict(after)), "seen": version}
    if not await ask(SAVE_LIMIT, {**values, **saved}):
        return False  # another process has decided meanwhile
    if after.value != before.value:
        log.info("concurrency_limit", server=terms.server, before=before.value, after=after.value, refused=permit.was_refused)
    return after.value > before.value


def _read(state: object) -> FoundLimit:
    """Return the state of a row; a fresh one where there is none, or one of another version of the code."""
    try:
        return _STATE.validate_python(state or {})
    except ValidationError:
        return FoundLimit()


async def share_progress(ask: Ask, terms: Terms, progress: Progress) -> None:
    """Tell the other processes of this one's progress, learn of theirs, and forget old answers now and then."""
    started = progress.asked = time.monotonic()
    own, values = progress.own, terms.values()
    if own > progress.written:
        rows = await ask(SHARE_PROGRESS, {**values, "ago": max(0.0, started - own)})
        progress.written = own
    else:
        rows = await ask(READ_PROGRESS, values)
    ago = rows[0][0] if rows else None
    if ago is not None:
        progress.shared = max(progress.shared, started - ago)
    if started - progress.forgotten > FORGET_SECONDS:
        progress.forgotten = started
        await ask(FORGET_ANSWERS, values)
