"""One partition is one document. Its key is made by `model.partition`, from the names of collection and document."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Final
from uuid import UUID

import dagster as dg

from aegis_assets.model.document import State
from aegis_assets.model.partition import partition_start
from aegis_assets.pipeline.flow.ledger import FlowLedger

documents = dg.DynamicPartitionsDefinition(name="documents")
RENAMED_AT_ONCE: Final = 200
RENAMING_SECONDS: Final = 20.0  # a tick of a sensor may take 60; the next one goes on
AT_WORK: Final = frozenset({State.QUEUED, State.RUNNING})  # of such a document a run may name the partition


def rename_partitions(instance: dg.DagsterInstance, ledger: FlowLedger, assets: Collection[dg.AssetKey]) -> int:
    """Give partitions of an older release, whose keys are ids, the keys of now. Return how many are left.

    The new partition comes first, then the last materialization of each asset, then the old one goes: whoever is interrupted
    anywhere goes on. Those of documents that are gone are deleted. Costs a look at all partitions.
    """
    name = documents.name or ""
    olds = [key for key in instance.get_dynamic_partitions(name) if isinstance(partition_start(key), UUID)]
    until = time.monotonic() + RENAMING_SECONDS
    left = len(olds)
    for start in range(0, len(olds), RENAMED_AT_ONCE):
        batch = olds[start : start + RENAMED_AT_ONCE]
        ids = ledger.of_partitions(batch)
        rows = {row.id: row for row in ledger.documents(list(ids.values()))}
        keys = ledger.partition_keys(list(rows))
        idle = [old for old in batch if ids[old] not in rows or rows[ids[old]].state not in AT_WORK]
        instance.add_dynamic_partitions(name, [keys[ids[old]] for old in idle if ids[old] in keys])
        for old in idle:
            if time.monotonic() > until:
                return left
            if key := keys.get(ids[old]):
                _report_again(instance, assets, old, key)
            instance.delete_dynamic_partition(name, old)
            left -= 1
    return left


def _report_again(instance: dg.DagsterInstance, assets: Collection[dg.AssetKey], old: str, key: str) -> None:
    """Log the last materialization of each asset under the new key, unless there is one."""
    for asset in assets:
        last = _last(instance, asset, old)
        if last is not None and _last(instance, asset, key) is None:
            instance.report_runless_asset_event(dg.AssetMaterialization(asset, partition=key, metadata=last.metadata))


def _last(instance: dg.DagsterInstance, asset: dg.AssetKey, key: str) -> dg.AssetMaterialization | None:
    wanted = dg.AssetRecordsFilter(asset_key=asset, asset_partitions=[key])
    records = instance.fetch_materializations(wanted, limit=1).records
    return records[0].asset_materialization if records else None
