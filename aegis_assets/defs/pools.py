"""The limits of Dagster's pools, as many steps as the runs at once can keep busy: so a pool costs no throughput, and a person who
sets a lower limit on Dagster's page sees its effect. The exact numbers of requests and calls are leases.

They follow `parallel_documents` of config/parallelization.yml and of the console's page of limits. A limit that differs from the
one that was set here last is a person's and stays; deleted on Dagster's page, it follows again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

import dagster as dg

from aegis_assets.dagster_ext.coordinator import documents_at_once
from aegis_assets.defs.executor import LANES
from aegis_assets.settings import settings

POOLS: Final = {"docling": ("docling",), "gpu": ("gpu",), "ollama": ("enrich", "ollama")}  # with the lanes of their ops
MOST: Final = 1000  # that Dagster lets a pool have
CURSOR: Final = "aegis/pools"  # of Dagster's own storage: the limits that were set here last


def limits_for(documents: int) -> dict[str, int]:
    """Return the limit of each pool where so many documents, and so runs, are at work at once."""
    return {pool: min(MOST, documents * sum(LANES[lane] for lane in lanes)) for pool, lanes in POOLS.items()}


def settle_pools(instance: dg.DagsterInstance) -> None:
    """Bring the pools to their limits before a run is launched, in the one process that launches.

    Left to the runs, two that are the first would both make a pool, and one of them break on it.
    """
    if settings().executor == "threads":
        set_limits(instance, limits_for(documents_at_once()))
    else:  # workers may be any number, and take no more steps than they have lanes for
        set_limits(instance, dict.fromkeys(POOLS, instance.global_op_concurrency_default_limit or MOST))


def set_limits(instance: dg.DagsterInstance, limits: Mapping[str, int]) -> None:
    """Set the limits of pools that no person has given another."""
    known = {pool.name: pool for pool in instance.event_log_storage.get_pool_limits()}
    ours: dict[str, int] = json.loads(instance.daemon_cursor_storage.get_cursor_values({CURSOR}).get(CURSOR, "{}"))
    follow = [name for name in limits if name not in known or known[name].from_default or known[name].limit == ours.get(name)]
    stale = [name for name in follow if name not in known or known[name].limit != limits[name]]
    for name in stale:
        instance.event_log_storage.set_concurrency_slots(name, limits[name])
    if latest := {name: limits[name] for name in follow if ours.get(name) != limits[name]}:
        instance.daemon_cursor_storage.set_cursor_values({CURSOR: json.dumps(ours | latest)})
