"""Asset checks. `publish` evaluates this one for each document that it publishes; here it can be run again at any time."""

import dagster as dg

from aegis_assets.defs.partitions import documents
from aegis_assets.defs.platform import PlatformResource
from aegis_assets.pipeline.flow.publish import consistency


@dg.asset_check(asset="knowledge_graph", name="stores_agree", partitions_def=documents)
def stores_agree(context: dg.AssetCheckExecutionContext, platform: PlatformResource) -> dg.AssetCheckResult:
    """Ledger, vectors and graph hold the same chunks, entities and relations of the document."""
    key = context.partition_key
    document = platform.use().ledger.of_partitions([key]).get(key)
    if document is None:
        raise dg.Failure("No document has this partition: it was removed, or never was one.", allow_retries=False)
    agree, counts = consistency(platform.use(), document)
    return dg.AssetCheckResult(passed=agree, metadata=counts)
