"""What ops hand each other -> small JSON objects in the bucket, below the run's id.

Dagster's own keeps them in files of one machine; the bucket is what all machines of a run see anyway. They go when the run is over,
however it ended. A run that is executed again "from failure" finds none, and needs none: see reexecution.py.
"""

import json
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import dagster as dg

from aegis_assets.defs.platform import build
from aegis_assets.errors import AegisError, NotFound
from aegis_assets.logs import logger
from aegis_assets.pipeline.ports import Bucket

log = logger(__name__)
ROOT = "runs"
NO_UNIT: Final[list[str]] = []  # what a step reads where nothing was handed over
KEPT: Final = timedelta(days=1)  # nobody reads them; only so that a clock that is wrong, or another's run, does no harm
PURGE_SECONDS: Final = 20.0  # a tick of a sensor may take 60; the next one goes on


class Handover(dg.ConfigurableIOManager):
    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        build().bucket.put(key(context), json.dumps(obj).encode())

    def load_input(self, context: dg.InputContext) -> object:
        """Return what the step before handed over, an empty unit where that is gone, which `require_plan` refuses."""
        assert context.upstream_output is not None, "every input of our ops comes from an op"
        try:
            return json.loads(build().bucket.get(key(context.upstream_output)))
        except NotFound:
            return NO_UNIT


def key(context: dg.OutputContext) -> str:
    return "/".join((ROOT, *context.get_identifier()))


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
