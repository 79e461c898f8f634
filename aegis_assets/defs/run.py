"""A run's documents: which they are, what is done with them, and what is reported of them to Dagster."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from uuid import UUID

import dagster as dg

from aegis_assets.defs.partitions import documents as partitions
from aegis_assets.defs.platform import PlatformResource
from aegis_assets.defs.report import report, report_checks, saying
from aegis_assets.errors import AegisError, NotAllowed, Superseded, is_outage, public
from aegis_assets.model.document import State
from aegis_assets.model.launch import documents_of
from aegis_assets.model.ledger import WindowRow
from aegis_assets.pipeline.flow.describe import describe_entities
from aegis_assets.pipeline.flow.handover import discard
from aegis_assets.pipeline.flow.loop import wait_for
from aegis_assets.pipeline.flow.plan import Plan, plan_document
from aegis_assets.pipeline.flow.platform import Platform
from aegis_assets.pipeline.flow.preflight import preflight
from aegis_assets.pipeline.flow.publish import publish_documents
from aegis_assets.pipeline.flow.remove import free_removals, remove_document
from aegis_assets.settings import settings

UNIT_CHUNKS = 32  # windows of small documents that share one step: a step costs a quarter of a second
PLANNED_AT_ONCE = 4  # documents; nothing streams before the last one is planned


def run_documents(context: dg.OpExecutionContext, platform: Platform) -> list[UUID]:
    """Return the documents that the run's config names, else those of its partition or range of partitions."""
    if named := documents_of(context.run_config):
        return [UUID(document) for document in named]
    keys = partitions_of(context)
    if not keys:
        raise dg.Failure(
            "This run names no document: materialize a partition, or name documents in the config.", allow_retries=False
        )
    try:
        found = platform.ledger.of_partitions(keys)
    except AegisError as error:
        raise dg.Failure(error.message, allow_retries=False) from error
    if not found:
        raise dg.Failure("No document has this run's partition: it was removed, or never was one.", allow_retries=False)
    return [found[key] for key in keys if key in found]


def partitions_of(context: dg.OpExecutionContext) -> list[str]:
    """Return the partitions that Dagster noted when it made the run, those included that were removed since.

    To ask for the range again would fail once its first or last one is gone, and read all partitions that there are.
    """
    if context.has_partition_key:
        return [context.partition_key]
    planned = context.instance.all_logs(context.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED)
    keys = {event.get_dagster_event().asset_materialization_planned_data.partition for event in planned}
    return sorted(filter(None, keys))


def alive(instance: dg.DagsterInstance, run_id: str) -> bool:
    run = instance.get_run_by_id(run_id)
    return run is not None and not run.is_finished


def prepare(context: dg.OpExecutionContext, resource: PlatformResource) -> None:
    """Run preflight; when it fails every document of the run carries its sentence.

    While other documents wait for a server, it is not waited for here too: what the run holds goes back within seconds.
    """
    platform = resource.use()
    ids = run_documents(context, platform)
    try:
        rows = platform.ledger.documents(ids)
        asked = resource.probe() if platform.ledger.waited_for() else platform
        wait_for(preflight(asked, settings().home, [row.collection for row in rows]))
    except Exception as error:
        failure = public(error)
        for document in ids:
            give_up(context, platform, document, failure)
        raise dg.Failure(failure.message, allow_retries=False) from error


def units(context: dg.OpExecutionContext, platform: Platform) -> Iterator[tuple[str, list[str]]]:
    """Yield windows with missing work: each window of a large document alone, windows of small documents packed.

    Each comes with the mapping key of its steps, which says what they work on: `d03_p0017_0032` are pages of the run's fourth
    document, `d03_s0001_0064` sections of a document without pages, `d00_d31` windows of several documents.
    """
    packed: dict[int, str] = {}
    documents = run_documents(context, platform)
    with ThreadPoolExecutor(PLANNED_AT_ONCE, thread_name_prefix="plan") as pool:
        for number, plan in enumerate(pool.map(lambda document: _planned(context, platform, document), documents)):
            if plan is None or not plan.windows:
                continue
            if len(plan.windows) > 1 or len(documents) == 1:
                yield from ((_window_key(number, plan.unit, window), [str(window.id)]) for window in plan.windows)
                continue
            packed[number] = str(plan.windows[0].id)
            if len(packed) >= UNIT_CHUNKS:
                yield _packed_key(packed), list(packed.values())
                packed = {}
    if packed:
        yield _packed_key(packed), list(packed.values())


def _window_key(number: int, unit: str, window: WindowRow) -> str:
    return f"d{number:02d}_{unit[0]}{window.first:04d}_{window.last:04d}"


def _packed_key(packed: Collection[int]) -> str:
    return f"d{min(packed):02d}_d{max(packed):02d}"


def _planned(context: dg.OpExecutionContext, platform: Platform, document: UUID) -> Plan | None:
    """Return the document's plan; None where it is another run's, or has failed here."""
    try:
        return plan_document(platform, document, context.run_id, lambda run: alive(context.instance, run))
    except Superseded:
        return None
    except Exception as error:  # noqa: BLE001  one document's end; the others of the run go on
        context.log.warning(public(error).message)
        give_up(context, platform, document, public(error))
        return None


def give_up(context: dg.OpExecutionContext, platform: Platform, document: UUID, failure: AegisError) -> None:
    """Fail the document with the sentence, or put it back in an outage, unless this run has ended it, another one holds it, or the
    ledger is away."""
    with suppress(AegisError):
        row = platform.ledger.document(document)
        if row.state != State.RUNNING and row.run_id == context.run_id:  # put back or given up where the outage was met
            return
        if row.state != State.RUNNING or row.run_id != context.run_id:
            platform.ledger.begin(document, context.run_id, lambda run: alive(context.instance, run))
        if is_outage(failure):
            platform.ledger.put_back(document, context.run_id, failure)
        else:
            platform.ledger.finish(document, context.run_id, State.FAILED, failure.message)


def conclude(context: dg.OpExecutionContext, platform: Platform) -> Iterator[dg.Output[None]]:
    """Publish the documents that this run still owns; the run fails when one of its documents did."""
    documents = run_documents(context, platform)
    rows = platform.ledger.documents(documents)
    ours = [row.id for row in rows if row.state == State.RUNNING and row.run_id == context.run_id]
    published: list[UUID] = []
    for outcomes in publish_documents(platform, ours, context.run_id):
        done = {document: outcome for document, outcome in outcomes.items() if outcome.published}
        report(context, platform.ledger, "knowledge_graph", {document: outcome.metadata for document, outcome in done.items()})
        with saying(context):
            report_checks(context, platform, done)
        published += done
    discard(platform.bucket, context.run_id)  # publish is the last step
    wait_for(describe_entities(platform, published, context.run_id))
    known = platform.ledger.documents(documents)
    failed = [row.message for row in known if row.state == State.FAILED]
    waiting = [row.sentence for row in known if row.state == State.PENDING and row.not_before is not None]
    if not known:
        raise dg.Failure("None of the run's documents exists any more.", allow_retries=False)
    if failed:
        raise dg.Failure(f"{len(failed)} of the run's documents failed: {failed[0]}", allow_retries=False)
    if waiting:
        raise dg.Failure(f"{len(waiting)} of the run's documents are tried again later: {waiting[0]}", allow_retries=False)
    yield from ()


def remove_each(context: dg.OpExecutionContext, platform: Platform, documents: Sequence[UUID]) -> None:
    """Remove documents one after another. Raise dg.Failure at the end when some could not be removed."""
    free_removals(platform)
    reasons, keys = [], platform.ledger.partition_keys(documents)
    for document in documents:
        try:
            key = keys.get(document, str(document))
            remove_document(platform, document, partial(context.instance.delete_dynamic_partition, partitions.name or "", key))
        except NotAllowed:  # removed by another run already, and uploaded anew
            context.log.info(f"{document} is not being removed any more.")
        except Exception as error:  # noqa: BLE001  one document's; those behind it go on
            reasons.append(public(error).message)
            platform.ledger.postpone_removal(document, reasons[-1])
    if reasons:
        sentence = f"{len(reasons)} of {len(documents)} documents could not be removed yet: {reasons[0]}"
        raise dg.Failure(sentence, allow_retries=False)
