"""publish: documents' new generations into the graph, live for searches, what vanished deleted, the stores compared.

A revision with missing work is not published: the live generation goes on answering until the next one is complete. A first
generation is published with what it has, because something beats nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from aegis_assets.model.document import Stage, State
from aegis_assets.model.ledger import DocumentRow, Ending, FailureRow
from aegis_assets.model.parsing import Frozen
from aegis_assets.pipeline.drain import sweep
from aegis_assets.pipeline.flow.assets import Metadata, of_graph
from aegis_assets.pipeline.flow.fingerprints import Fingerprints, of_collection
from aegis_assets.pipeline.flow.platform import Platform, record
from aegis_assets.pipeline.flow.together import batches, is_of_one
from aegis_assets.pipeline.outbox import Stores
from aegis_assets.pipeline.publish import Consistency, publish
from aegis_assets.pipeline.publish import consistency as held


class Outcome(Frozen):
    """agree: the stores hold the same. counts: what each holds. metadata: of the graph's materialization."""

    published: bool
    agree: bool = True
    counts: dict[str, int] = {}
    metadata: Metadata = {}


NOTHING = Outcome(published=False)


@dataclass(frozen=True)
class _Standing:
    """How a document stands before it is published."""

    row: DocumentRow
    chunks: int
    missing: bool
    failures: list[FailureRow]

    def refused(self) -> Ending | None:
        """Why it is not published, if so."""
        row, said = self.row, sentence(self.failures, self.chunks)
        if row.making is None and row.live is None:
            return Ending(row.id, State.FAILED, "The document has no content yet.")
        if self.missing and not self.chunks:
            return Ending(row.id, State.FAILED, said)
        if self.missing and row.live is not None and row.making is not None:
            return Ending(row.id, State.PARTIAL, f"{said} The generation before it still answers searches.")
        return None

    def end(self, done: Consistency) -> Ending:
        if not done.agree:
            message = "Ledger, vectors and graph do not hold the same of this document. Retry repairs them."
            return Ending(self.row.id, State.PARTIAL, message)
        if self.missing or self.failures:
            return Ending(self.row.id, State.PARTIAL, sentence(self.failures, self.chunks))
        return Ending(self.row.id, State.SUCCEEDED)


def publish_documents(platform: Platform, documents: Sequence[UUID], run_id: str) -> Iterator[dict[UUID, Outcome]]:
    """Ends the run's work on each document in its final state; gives the outcomes of those that were the run's, some at a time."""
    for batch in batches(platform.ledger.documents(documents)):
        ours = platform.ledger.check_many([row.id for row in batch], run_id)
        let_go = [Ending(row.id, State.CANCELLED, "Cancelled.") for row in batch if row.id not in ours]
        outcomes = dict.fromkeys(_ended(platform, run_id, let_go), NOTHING)
        if left := [row for row in batch if row.id in ours]:
            outcomes |= _attempt(platform, left, run_id)
        yield outcomes


def _ended(platform: Platform, run_id: str, endings: Sequence[Ending]) -> set[UUID]:
    """Those of a document that was cancelled say so, those of one that was taken over say nothing: another run speaks for it."""
    return platform.ledger.finish_all(run_id, endings) if endings else set()


def _attempt(platform: Platform, rows: Sequence[DocumentRow], run_id: str) -> dict[UUID, Outcome]:
    """Together; where that fails by one of them, each alone."""
    try:
        return _publish(platform, rows, run_id)
    except Exception as error:  # noqa: BLE001  a task ends here: the failure becomes data
        if is_of_one(error, rows):
            return {document: outcome for row in rows for document, outcome in _attempt(platform, [row], run_id).items()}
        for row in rows:
            record(platform, error, document=row.id, run_id=run_id, stage=Stage.PUBLISH)
        failures = platform.ledger.open_failures([row.id for row in rows])
        said = {document: found[-1].message for document, found in failures.items() if found}
        message = "The document could not be published."
        endings = [Ending(row.id, State.FAILED, said.get(row.id, message)) for row in rows]
        return dict.fromkeys(_ended(platform, run_id, endings), NOTHING)


def _publish(platform: Platform, rows: Sequence[DocumentRow], run_id: str) -> dict[UUID, Outcome]:
    prints = of_collection(platform, rows[0].collection)
    standings = [(one, one.refused()) for one in _standings(platform, rows, prints, run_id)]
    endings = [refused for _, refused in standings if refused is not None]
    ready = {one.row.id: one for one, refused in standings if refused is None}
    outcomes = {ending.document: NOTHING for ending in endings}
    started = time.monotonic()
    if ready:
        done = publish(list(ready), run_id, platform.ledger, platform.vectors, platform.graph, platform.bucket)
        platform.ledger.add_seconds(run_id, list(done), Stage.PUBLISH, time.monotonic() - started)
        summaries = platform.ledger.summaries(list(done), run_id)
        for document, result in done.items():
            endings.append(ready[document].end(result.held))
            outcomes[document] = Outcome(
                published=True,
                agree=result.held.agree,
                counts=result.held.counts(),
                metadata=of_graph(summaries[document], result.held, prints),
            )
        # Cancelled or taken over while it was published.
        endings += [Ending(document, State.CANCELLED, "Cancelled.") for document in ready if document not in done]
    ours = _ended(platform, run_id, endings)
    return {document: outcome for document, outcome in outcomes.items() if document in ours}


def _standings(platform: Platform, rows: Sequence[DocumentRow], prints: Fingerprints, run_id: str) -> Iterator[_Standing]:
    generations = {row.id: row.making or row.live for row in rows}
    known = [generation for generation in generations.values() if generation is not None]
    placed = platform.ledger.graph_facts().placed(known)
    missing = platform.ledger.incomplete(known, prints.parse, prints.embed, prints.extract, prints.earlier)
    failures = platform.ledger.open_failures([row.id for row in rows])
    for row in rows:
        generation = generations[row.id]
        chunks = len(placed[generation]) if generation is not None else 0
        yield _Standing(row, chunks, generation in missing, standing(failures[row.id], run_id))


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


def sweep_outbox(platform: Platform) -> int:
    """Write to graph and vectors what a process left that did not live to write it. Return how many objects that were."""
    return sweep(Stores(platform.ledger, platform.vectors, platform.graph))


def consistency(platform: Platform, document: UUID) -> tuple[bool, dict[str, int]]:
    """Do ledger, vectors and graph hold the same of this document?"""
    found = held(document, platform.ledger, platform.vectors, platform.graph)
    return found.agree, found.counts()
