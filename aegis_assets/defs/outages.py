"""One probe for all documents that wait for a server: no run is launched while it is away, and they go on when it answers again."""

from __future__ import annotations

import json

import dagster as dg

from aegis_assets.defs.loop import wait_for
from aegis_assets.defs.platform import PlatformResource
from aegis_assets.pipeline.flow.preflight import outages


def servers_away(context: dg.SensorEvaluationContext, resource: PlatformResource) -> set[str]:
    """Return the servers that do not answer, if documents wait for one. Fail documents that have waited too long.

    Only a server that a look before this one, which the cursor remembers, did not find has come back: one that answers the probe
    and not the work, as a language model that hangs, is tried again when each document's time has come.
    """
    ledger = resource.use().ledger
    ledger.fail_overdue()
    before = set(json.loads(context.cursor or "[]"))
    waited_for = ledger.waited_for()
    away = wait_for(outages(resource.probe(), set().union(*waited_for.values()))) if waited_for else set()
    if back := before - away:
        ledger.try_now(back)
    if away != before:
        context.update_cursor(json.dumps(sorted(away)))
    return away
