"""Metadata of a step's output on Dagster's page, and a logged event for each window of which something failed."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import dagster as dg

from aegis_assets.defs.report import saying
from aegis_assets.model.document import Stage
from aegis_assets.model.ledger import WindowWork
from aegis_assets.pipeline.flow.ledger import FlowLedger

OF_WINDOWS = (Stage.PARSE, Stage.ENRICH)  # in which a window fails as a whole


def describe_step(context: dg.OpExecutionContext, ledger: FlowLedger, unit: Sequence[str], stage: Stage, seconds: float) -> None:
    """Add what the step did as metadata: of one window its values, of several a table with a row for each."""
    work: list[WindowWork] = []
    with saying(context):
        work = ledger.window_work([UUID(window) for window in unit], stage)
    rows = [_row(one) for one in work]
    metadata = rows[0] if len(rows) == 1 else _table(rows)
    context.add_output_metadata({**metadata, "seconds": round(seconds, 3)})
    for one in work:
        if one.failed:
            what = "It" if stage in OF_WINDOWS else f"{one.failed} of {one.chunks} chunks"
            context.log.error(f"{what} failed in {stage}: {one.document}, {_part(one)}. {one.reason}".strip())


def _row(one: WindowWork) -> dict[str, str | int]:
    unit = "pages" if one.has_pages else "sections"
    return {"document": one.document, unit: f"{one.first}-{one.last}", "chunks": one.chunks, "failed": one.failed}


def _part(one: WindowWork) -> str:
    return f"{'pages' if one.has_pages else 'sections'} {one.first} to {one.last}"


def _table(rows: Sequence[dict[str, str | int]]) -> dict[str, object]:
    parts = [{"pages": "", "sections": "", **row} for row in rows]
    return {
        "documents": len({row["document"] for row in rows}),
        "chunks": sum(int(row["chunks"]) for row in rows),
        "failed": sum(int(row["failed"]) for row in rows),
        "windows": dg.MetadataValue.table(records=[dg.TableRecord(row) for row in parts], schema=_SCHEMA),
    }


_SCHEMA = dg.TableSchema(
    columns=[
        *(dg.TableColumn(name, "string") for name in ("document", "pages", "sections")),
        *(dg.TableColumn(name, "int") for name in ("chunks", "failed")),
    ]
)
