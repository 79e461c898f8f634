"""Metadata of a document's assets: counts, seconds, engine and fingerprint of each stage that is done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from aegis_assets.model.document import Stage, State
from aegis_assets.model.ledger import DocumentRow, Summary
from aegis_assets.pipeline.flow.fingerprints import Fingerprints, of_collection
from aegis_assets.pipeline.flow.platform import Platform
from aegis_assets.pipeline.publish import Consistency

Metadata = dict[str, str | int | float]

STAGES: Final = {"parsed_document": Stage.PARSE, "chunks": Stage.ENRICH, "vector_index": Stage.EMBED}


def of_sources(platform: Platform, documents: Sequence[UUID], run_id: str) -> dict[UUID, Metadata]:
    """Return what is known of the bytes of each document that the run holds."""
    rows = _held(platform, documents, run_id)
    collections = {row.collection: platform.ledger.collection(row.collection).name for row in rows}
    return {
        row.id: {"name": row.name, "collection": collections[row.collection], "bytes": row.size, "sha256": row.sha256}
        for row in rows
    }


def of_stage(platform: Platform, documents: Sequence[UUID], run_id: str, asset: str) -> dict[UUID, Metadata]:
    """Return the metadata of an asset of `STAGES` for each document of the run that came through its stage.

    A document came through when nothing of it is left to do in that stage and something was done: a part that failed is counted,
    and holds nothing up.
    """
    rows = {row.id: row for row in _held(platform, documents, run_id)}
    summaries = platform.ledger.summaries(list(rows), run_id)
    prints = {row.collection: of_collection(platform, row.collection) for row in rows.values()}
    return {
        document: _metadata(asset, rows[document], one, prints[rows[document].collection])
        for document, one in summaries.items()
        if _came_through(one, STAGES[asset])
    }


def of_graph(one: Summary, held: Consistency, prints: Fingerprints) -> Metadata:
    """Return the metadata of the asset `knowledge_graph` of a published document."""
    return {
        **_shared(one),
        "entities": held.entities,
        "relations": held.relations,
        "chunks": held.chunks,
        "failed": one.extract_failed,
        "seconds": round(one.extract + one.resolve + one.publish, 3),
        "fingerprint": prints.extract,
    }


def _held(platform: Platform, documents: Sequence[UUID], run_id: str) -> list[DocumentRow]:
    rows = platform.ledger.documents(documents)
    return [row for row in rows if row.state == State.RUNNING and row.run_id == run_id]


def _came_through(one: Summary, stage: Stage) -> bool:
    done, failed, total = {
        Stage.PARSE: (one.parsed, one.parse_failed, one.windows),
        Stage.ENRICH: (one.enriched, one.enrich_failed + one.parse_failed, one.windows),
        Stage.EMBED: (one.embedded, one.embed_failed, one.chunks),
    }[stage]
    return one.parsed > 0 and done + failed >= total and (done > 0 or total == 0)


def _metadata(asset: str, row: DocumentRow, one: Summary, prints: Fingerprints) -> Metadata:
    values: Metadata
    match STAGES[asset]:
        case Stage.PARSE:
            values = {"pages": one.pages, "windows": one.windows, "failed": one.parse_failed, "engine": row.parser}
            seconds, fingerprint = one.parse, prints.parse
        case Stage.ENRICH:
            values = {"chunks": one.chunks, "failed": one.enrich_failed}
            seconds, fingerprint = one.enrich, prints.chunks
        case _:
            values = {"vectors": one.embedded, "failed": one.embed_failed, "engine": row.embedder}
            seconds, fingerprint = one.embed, prints.embed
    return {**_shared(one), **values, "seconds": round(seconds, 3), "fingerprint": fingerprint}


def _shared(one: Summary) -> Metadata:
    return {"name": one.name, "collection": one.collection, "generation": one.generation}
