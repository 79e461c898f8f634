"""One probe for all documents that wait for a server: no run is launched while it is away, and they go on when it answers again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final
from uuid import uuid4

from pydantic import ValidationError

from aegis_assets.model.parsing import Frozen
from aegis_assets.pipeline.flow.ledger import FlowLedger
from aegis_assets.pipeline.flow.loop import wait_for
from aegis_assets.pipeline.flow.platform import Platform
from aegis_assets.pipeline.flow.preflight import outages
from aegis_assets.settings import settings

PROCESS: Final = uuid4().hex  # tells this process's probes from those of a process before it
SETTLE_SECONDS: Final = 600.0  # which servers get to start beside the platform, before documents fail because one is away


class LastProbe(Frozen):
    """The last probe, as a sensor's cursor keeps it. process: whose probe it was. away: since when, by its monotonic clock."""

    process: str = ""
    away: dict[str, float] = {}


def probe_servers(ledger: FlowLedger, probe: Callable[[], Platform], cursor: str | None) -> LastProbe:
    """Return the servers that do not answer, if documents wait for one. Fail documents whose server is away for too long.

    Only a server that a probe before this one, which the cursor remembers, did not find has come back: one that answers the probe
    and not the work, as a language model that hangs, is tried again when each document's time has come. A server that no probe
    asks for, as Dagster itself or the broker, is never away here: runs are launched for it with back-off.
    """
    before, now = last_probe(cursor), time.monotonic()
    waited_for = ledger.waited_for()
    away = wait_for(outages(probe(), set().union(*waited_for.values()))) if waited_for else set()
    if back := before.away.keys() - away:
        ledger.try_now(back)
    known = before.away if before.process == PROCESS else {}
    settle = min(SETTLE_SECONDS, settings().outage_hours * 3600)
    if lasting := {server for server in away & known.keys() if now - known[server] >= settle}:
        ledger.fail_overdue(lasting)
    return LastProbe(process=PROCESS, away={server: known.get(server, now) for server in sorted(away)})


def last_probe(cursor: str | None) -> LastProbe:
    """Return what the cursor remembers; nothing of one that an earlier version wrote."""
    try:
        return LastProbe.model_validate_json(cursor or "{}")
    except ValidationError:
        return LastProbe()
