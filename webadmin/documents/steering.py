"""What a person asks of documents -> a change of state in the ledger, then a trigger in Dagster.

The ledger comes first and is complete without the second: when Dagster does not answer, the document stays pending and Dagster's
own sensor takes it up. Nothing here waits for work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid4

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from aegis_assets.errors import AegisError, EngineFailed, EngineUnavailable, NotAllowed, NotFound
from aegis_assets.logs import logger
from aegis_assets.model.document import AT_REST, State
from aegis_assets.model.launch import CLAIM, REMOVALS_PER_RUN
from aegis_assets.model.ledger import DocumentRow
from aegis_assets.model.parsing import Frozen
from webadmin.documents import platform
from webadmin.documents.models import Document
from webadmin.orchestrator.client import DagsterClient, Unanswered

log = logger(__name__)

# Launching a run takes most of a second. More documents than this are left to the sensor, which packs small ones into one run.
LAUNCHED_HERE: Final = 4
HELD: Final = "Uploaded, not ingested yet."
LOST_RUN: Final = "The run ended without saying so. Retry takes up what is missing."


class Refusal(Frozen):
    document: UUID
    name: str
    sentence: str


class Steered(Frozen):
    """done: documents whose state now is as asked. notice: why it may take a little longer, '' normally."""

    done: tuple[UUID, ...] = ()
    refused: tuple[Refusal, ...] = ()
    notice: str = ""


@dataclass(frozen=True)
class Action:
    """states: in which the pages offer it. done: what to say of `{}` documents."""

    name: str
    label: Promise
    permission: str
    states: frozenset[State]
    done: Promise
    steer: Callable[[Sequence[UUID]], Steered]


def ingest(documents: Sequence[UUID]) -> Steered:
    """Launch pending documents, and those at rest, which then do what is missing or has changed."""

    def ready(row: DocumentRow) -> None:
        if row.state not in (State.PENDING, *AT_REST):
            raise NotAllowed(f"The document is {row.state} already.")
        platform.ledger().request_retry(row.id)  # also what waits for a server: a person wants it tried now

    done, refused = _each(documents, ready)
    return Steered(done=done, refused=refused, notice=_launch(done))


def hold(documents: Sequence[UUID]) -> Steered:
    """Keep uploaded documents until somebody ingests them. Pending would not do: the sensor takes whatever is pending."""
    done, refused = _each(documents, lambda row: platform.ledger().request_cancel(row.id))
    Document.objects.filter(pk__in=done, state=State.CANCELLED).update(message=HELD)
    return Steered(done=done, refused=refused)


def retry(documents: Sequence[UUID]) -> Steered:
    """Do again what failed or is missing. A document that is running for a run that is dead is set right first."""
    dagster = platform.dagster()

    def ready(row: DocumentRow) -> None:
        if row.state in (State.RUNNING, State.QUEUED):
            _require_dead(dagster, row)
            platform.ledger().fail_run(row.run_id, LOST_RUN)
        platform.ledger().request_retry(row.id)

    done, refused = _each(documents, ready)
    return Steered(done=done, refused=refused, notice=_launch(done))


def cancel(documents: Sequence[UUID]) -> Steered:
    """Stop documents: the ledger stops a running one before its next chunk; a run that carries nothing else is terminated too. A
    dead run cannot see the request, so the document is marked as stopped here."""
    dagster = platform.dagster()
    notices: list[str] = []

    def stop(row: DocumentRow) -> None:
        platform.ledger().request_cancel(row.id)
        if row.run_id and not row.run_id.startswith(CLAIM):
            _terminate(dagster, row, notices)

    done, refused = _each(documents, stop)
    return Steered(done=done, refused=refused, notice=notices[0] if notices else "")


def remove(documents: Sequence[UUID]) -> Steered:
    """Remove documents from every store, by Dagster's job `remove`."""
    done, refused = _each(documents, lambda row: platform.ledger().request_removal(row.id))
    if not done:
        return Steered(refused=refused)
    try:
        platform.dagster().launch_removal(done[:REMOVALS_PER_RUN])  # Dagster's sensor launches the others
    except AegisError as error:
        return Steered(done=done, refused=refused, notice=f"{error.message} The removal begins as soon as Dagster runs.")
    return Steered(done=done, refused=refused)


def _each(documents: Iterable[UUID], change: Callable[[DocumentRow], object]) -> tuple[tuple[UUID, ...], tuple[Refusal, ...]]:
    """Change each document; one document's refusal does not stop the others."""
    done, refused = [], []
    for document in dict.fromkeys(documents):
        name = str(document)
        try:
            row = platform.ledger().document(document)
            name = row.name
            change(row)
        except (NotAllowed, NotFound, EngineUnavailable, EngineFailed) as error:
            refused.append(Refusal(document=document, name=name, sentence=error.message))
        else:
            done.append(document)
    return tuple(done), tuple(refused)


def _launch(documents: Sequence[UUID]) -> str:
    """Launch a run for each of a few pending documents. Return why it may take longer, '' when the runs are in Dagster's queue."""
    if not documents:
        return ""
    if len(documents) > LAUNCHED_HERE:
        return "Dagster takes them up within seconds, small ones together."
    claimed = platform.ledger().claim(len(documents), documents)
    try:
        keys = platform.ledger().partition_keys(claimed)
        platform.dagster().add_partitions(list(keys.values()))
    except AegisError as error:
        return _give_back(claimed, error)
    for number, document in enumerate(claimed):
        try:
            _launch_one(document, keys[document])
        except Unanswered as error:
            _give_back(claimed[number + 1 :], error)
            return f"{error.message} The document starts within a minute."
        except AegisError as error:
            return _give_back(claimed[number:], error)
    return ""


def _launch_one(document: UUID, partition: str) -> None:
    """Launch a run of the document's partition. The claim is in the ledger before that, and in the run's tags: if this process
    dies between the two, or the answer is lost, the sensor finds by the tag whether there is a run."""
    ledger = platform.ledger()
    claim = f"{CLAIM}{uuid4()}"
    ledger.launched([document], claim)
    run_id = platform.dagster().launch_document(partition, claim, size=ledger.document(document).size)
    ledger.launched([document], run_id)


def _give_back(documents: Sequence[UUID], error: AegisError) -> str:
    log.warning("launch_failed", documents=len(documents), kind=error.kind, message=error.message)
    sentence = f"{error.message} The document stays pending and starts as soon as Dagster runs."
    platform.ledger().unclaim(list(documents), sentence)
    return sentence


def in_hands(row: DocumentRow) -> bool:
    """Return whether a run that Dagster believes alive has the document. Raises AegisError when Dagster does not answer."""
    if row.state not in (State.RUNNING, State.QUEUED):
        return False
    try:
        _require_dead(platform.dagster(), row)
    except NotAllowed:
        return True
    return False


def _require_dead(dagster: DagsterClient, row: DocumentRow) -> None:
    if not row.run_id or row.run_id.startswith(CLAIM):
        raise NotAllowed(f"The document is {row.state} already.")
    try:
        run = dagster.run(row.run_id)
    except NotFound:
        return
    if not run.ended:
        raise NotAllowed(f"The document is {row.state} already; cancel it first to start anew.")


def _terminate(dagster: DagsterClient, row: DocumentRow, notices: list[str]) -> None:
    try:
        run = dagster.run(row.run_id)
        if run.ended:
            platform.ledger().fail_run(row.run_id, LOST_RUN)
        elif run.partition in (str(row.id), platform.ledger().partition_keys([row.id]).get(row.id)):
            dagster.terminate(run.id)
    except NotFound:
        platform.ledger().fail_run(row.run_id, LOST_RUN)
    except AegisError as error:
        notices.append(f"{error.message} The run stops by itself before its next chunk.")


_ANY: Final = frozenset(State) - {State.REMOVING}
INGEST: Final = Action(
    "ingest", _("Ingest"), "ingest_document", frozenset({State.PENDING, *AT_REST}), _("{} to be ingested."), ingest
)
RETRY: Final = Action(
    "retry", _("Retry"), "ingest_document", _ANY - {State.PENDING, State.SUCCEEDED}, _("{} to be tried again."), retry
)
CANCEL: Final = Action(
    "cancel",
    _("Cancel"),
    "ingest_document",
    frozenset({State.PENDING, State.QUEUED, State.RUNNING}),
    _("{} cancelled or about to stop."),
    cancel,
)
REMOVE: Final = Action("remove", _("Remove"), "remove_document", _ANY, _("{} to be removed from every store."), remove)
ACTIONS: Final = (INGEST, RETRY, CANCEL, REMOVE)
