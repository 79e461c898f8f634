"""What ops handed each other goes from the bucket when their run is over, however it ended."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from aegis_assets.errors import AegisError
from aegis_assets.logs import logger
from aegis_assets.pipeline.ports import Bucket

log = logger(__name__)
ROOT: Final = "runs"
KEPT: Final = timedelta(days=1)  # nobody reads them; only so that a clock that is wrong, or another's run, does no harm
PURGE_SECONDS: Final = 20.0  # a tick of a sensor may take 60; the next one goes on


def discard(bucket: Bucket, run_id: str) -> None:
    """Of a run that is over. What cannot be deleted now, or is written later by a step on another machine, is purged."""
    try:
        bucket.delete_prefix(f"{ROOT}/{run_id}")
    except AegisError as error:
        log.warning("not_discarded", run=run_id, kind=error.kind)


def purge(bucket: Bucket, alive: Callable[[str], bool], now: datetime) -> int:
    """Number of objects deleted: older than `KEPT`, of runs that are over or that nobody knows. Raises what the bucket raises."""
    until = time.monotonic() + PURGE_SECONDS
    at_work: dict[str, bool] = {}
    count = 0
    for old in bucket.keys(ROOT, now - KEPT):
        run_id = old.split("/")[1]
        if run_id not in at_work:
            at_work[run_id] = alive(run_id)
        if not at_work[run_id]:
            bucket.delete(old)
            count += 1
        if time.monotonic() > until:
            break
    return count
