"""Asset checks, which block nothing: `publish` evaluates those of a document once the document is done.

Dagster's page can evaluate them again only in a run that names a partition, which its button does not.
"""

import time
from collections.abc import Callable
from typing import Final, NamedTuple
from uuid import UUID

import dagster as dg

from aegis_assets.defs.partitions import documents
from aegis_assets.defs.platform import PlatformResource
from aegis_assets.errors import AegisError
from aegis_assets.pipeline.flow import checks
from aegis_assets.pipeline.flow.platform import Platform
from aegis_assets.pipeline.flow.publish import consistency
from aegis_assets.settings import settings


@dg.asset_check(asset="knowledge_graph", name="stores_agree", partitions_def=documents)
def stores_agree(context: dg.AssetCheckExecutionContext, platform: PlatformResource) -> dg.AssetCheckResult:
    """Ledger, vectors and graph hold the same chunks, entities and relations of the document."""
    agree, counts = consistency(platform.use(), document_of(context, platform.use()))
    return dg.AssetCheckResult(passed=agree, metadata=counts)


@dg.asset_check(asset="source_file", name="listing_fresh")
def listing_fresh(platform: PlatformResource) -> dg.AssetCheckResult:
    """The last complete listing of the watched bucket is younger than three intervals."""
    return result(find_listing(platform.use()))


@dg.sensor(minimum_interval_seconds=60, default_status=dg.DefaultSensorStatus.RUNNING)
def check_listing(context: dg.SensorEvaluationContext, platform: PlatformResource) -> dg.SensorResult | dg.SkipReason:
    """Evaluate `listing_fresh` without a run, and show its outcome when it is another than before, and once an hour: Dagster's page
    shows no outcome that is older than the last materialization of the asset."""
    try:
        found = find_listing(platform.probe())
    except AegisError as error:
        return dg.SkipReason(error.message)
    shown = f"{found.passed} in hour {time.time() // 3600:.0f}"
    if context.cursor == shown:
        return dg.SkipReason(found.sentence)
    evaluation = dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey("source_file"),
        check_name="listing_fresh",
        passed=found.passed,
        description=found.sentence,
        metadata=found.facts,
    )
    return dg.SensorResult(asset_events=[evaluation], cursor=shown)


def find_listing(platform: Platform) -> checks.Finding:
    return checks.listing_fresh(platform.ledger, settings().watch_address, bool(settings().watch_url))


class DocumentCheck(NamedTuple):
    """A check of a document, named as the function that finds out."""

    asset: str
    find: Callable[[Platform, UUID], checks.Finding]
    description: str
    severity: dg.AssetCheckSeverity


DOCUMENT_CHECKS: Final = (
    DocumentCheck(
        "parsed_document", checks.no_text_lost, "Every page of the live document gave some text.", dg.AssetCheckSeverity.WARN
    ),
    DocumentCheck(
        "knowledge_graph", checks.grounded, "Every entity stands in a live chunk, at its place.", dg.AssetCheckSeverity.ERROR
    ),
    DocumentCheck(
        "knowledge_graph", checks.up_to_date, "The document was made as it would be made now.", dg.AssetCheckSeverity.WARN
    ),
)


def definition(one: DocumentCheck) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=one.asset, name=one.find.__name__, description=one.description, partitions_def=documents)
    def check(context: dg.AssetCheckExecutionContext, platform: PlatformResource) -> dg.AssetCheckResult:
        return result(one.find(platform.use(), document_of(context, platform.use())), one.severity)

    return check


def evaluation(one: DocumentCheck, platform: Platform, document: UUID, key: str) -> dg.AssetCheckEvaluation:
    """Evaluate the check. key: of the document's partition."""
    found = one.find(platform, document)
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(one.asset),
        check_name=one.find.__name__,
        passed=found.passed,
        severity=one.severity,
        description=found.sentence,
        metadata=found.facts,
        partition=key,
    )


def document_of(context: dg.AssetCheckExecutionContext, platform: Platform) -> UUID:
    if not context.has_partition_key:
        raise dg.Failure("This check is of one document, and the run names no partition.", allow_retries=False)
    key = context.partition_key
    document = platform.ledger.of_partitions([key]).get(key)
    if document is None:
        raise dg.Failure("No document has this partition: it was removed, or never was one.", allow_retries=False)
    return document


def result(finding: checks.Finding, severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=finding.passed, severity=severity, description=finding.sentence, metadata=finding.facts)


all_checks = [stores_agree, listing_fresh, *map(definition, DOCUMENT_CHECKS)]
