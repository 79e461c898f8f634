"""publish: a document's new generation into the graph, live for searches, what vanished deleted, the stores compared.

A revision with missing work is not published: the live generation goes on answering until the next one is complete. A first
generation is published with what it has, because something beats nothing.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from uuid import UUID

from aegis_assets.errors import Superseded
from aegis_assets.model.document import Stage, State
from aegis_assets.model.ledger import DocumentRow, FailureRow
from aegis_assets.model.parsing import Frozen
from aegis_assets.pipeline.flow.fingerprints import Fingerprints, of_collection
from aegis_assets.pipeline.flow.platform import Platform, record
from aegis_assets.pipeline.publish import consistency as compare
from aegis_assets.pipeline.publish import publish

Metadata = dict[str, str | int | float]


class Outcome(Frozen):
    """agree: the stores hold the same. counts: what each holds. metadata: of each asset's materialization."""

    published: bool
    agree: bool = True
    counts: dict[str, int] = {}
    metadata: dict[str, Metadata] = {}


def publish_document(platform: Platform, document: UUID, run_id: str) -> Outcome:
    """Ends the run's work on the document in its final state."""
    try:
        return _publish(platform, document, run_id)
    except Superseded:
        return _let_go(platform, document, run_id)
    except Exception as error:  # noqa: BLE001  a task ends here: the failure becomes data
        record(platform, error, document=document, run_id=run_id, stage=Stage.PUBLISH)
        open_failures = platform.ledger.failures(document)
        message = open_failures[-1].message if open_failures else "The document could not be published."
        return _finish(platform, document, run_id, State.FAILED, message, Outcome(published=False))


def _publish(platform: Platform, document: UUID, run_id: str) -> Outcome:
    platform.ledger.check(document, run_id)
    row = platform.ledger.document(document)
    prints = of_collection(platform, row.collection)
    generation = row.making or row.live
    if generation is None:
        return _finish(platform, document, run_id, State.FAILED, "The document has no content yet.", Outcome(published=False))
    failures = standing(platform.ledger.failures(document), run_id)
    missing = platform.ledger.open_windows(generation, prints.parse, prints.embed, prints.extract)
    chunks = platform.ledger.counts(document).chunks
    if missing and not chunks:
        return _finish(platform, document, run_id, State.FAILED, sentence(failures, chunks), Outcome(published=False))
    if missing and row.live is not None and generation != row.live:
        message = f"{sentence(failures, chunks)} The generation before it still answers searches."
        return _finish(platform, document, run_id, State.PARTIAL, message, Outcome(published=False))
    started = time.monotonic()
    publish(document, run_id, platform.ledger, platform.vectors, platform.graph, platform.bucket)
    platform.ledger.add_seconds(run_id, document, Stage.PUBLISH, time.monotonic() - started)
    agree, counts = consistency(platform, document)
    outcome = Outcome(published=True, agree=agree, counts=counts, metadata=describe(platform, row, prints, counts))
    if not agree:
        message = "Ledger, vectors and graph do not hold the same of this document. Retry repairs them."
        return _finish(platform, document, run_id, State.PARTIAL, message, outcome)
    state = State.PARTIAL if missing or failures else State.SUCCEEDED
    return _finish(platform, document, run_id, state, sentence(failures, chunks) if state == State.PARTIAL else "", outcome)


def standing(failures: Sequence[FailureRow], run_id: str) -> list[FailureRow]:
    """Without what an earlier run said of the document as a whole: this one has come past that place."""
    return [failure for failure in failures if failure.window or failure.chunk or failure.run_id == run_id]


def sentence(failures: Sequence[FailureRow], chunks: int) -> str:
    """What failed, counted by stage, with the first reason, for a person."""
    if not failures:
        return "Some of the work is still missing. Retry takes it up."
    parts = []
    for stage in dict.fromkeys(failure.stage for failure in failures):
        of_chunks = sum(1 for failure in failures if failure.stage == stage and failure.chunk is not None)
        of_windows = sum(1 for failure in failures if failure.stage == stage and failure.window is not None) - of_chunks
        if of_chunks:
            parts.append(f"{of_chunks} of {chunks} chunks failed in {stage}")
        elif of_windows > 0:
            parts.append(f"{of_windows} {'window' if of_windows == 1 else 'windows'} failed in {stage}")
        else:
            parts.append(f"{stage} failed")
    return f"{', '.join(parts)}: {failures[0].message}"


def consistency(platform: Platform, document: UUID) -> tuple[bool, dict[str, int]]:
    """Do ledger, vectors and graph hold the same of this document?"""
    found = compare(document, platform.ledger, platform.vectors, platform.graph)
    return found.agree, found.counts()


def describe(platform: Platform, row: DocumentRow, prints: Fingerprints, counts: dict[str, int]) -> dict[str, Metadata]:
    """The metadata of each asset: counts, seconds, fingerprints."""
    result = platform.ledger.result(row.id)
    seconds = result["seconds"]
    shared: Metadata = {"document": row.name, "generation": int(result["generation"] or 0), "collection": result["collection"]}
    return {
        "parsed_document": {
            **shared,
            "pages": int(result["pages"] or 0),
            "windows": int(result["windows"]),
            "seconds": float(seconds["parse"]),
            "fingerprint": prints.parse,
        },
        "chunks": {**shared, "chunks": int(result["chunks"]), "seconds": float(seconds["enrich"]), "fingerprint": prints.chunks},
        "vector_index": {
            **shared,
            "vectors": int(result["vectors"]),
            "seconds": float(seconds["embed"]),
            "fingerprint": prints.embed,
        },
        "knowledge_graph": {
            **shared,
            "entities": int(result["entities"]),
            "relations": int(result["relations"]),
            "seconds": float(seconds["extract"] + seconds["resolve"] + seconds["publish"]),
            "fingerprint": prints.extract,
        },
    }


def _finish(platform: Platform, document: UUID, run_id: str, state: State, message: str, outcome: Outcome) -> Outcome:
    try:
        platform.ledger.finish(document, run_id, state, message)
    except Superseded:
        return Outcome(published=False)
    return outcome


def _let_go(platform: Platform, document: UUID, run_id: str) -> Outcome:
    """Cancelled: say so in the state. Taken over: another run speaks for it now."""
    return _finish(platform, document, run_id, State.CANCELLED, "Cancelled.", Outcome(published=False))
