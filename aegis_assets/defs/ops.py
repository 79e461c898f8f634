"""The ops: each takes the platform, calls one function of the flow, and hands on window ids.

A unit is a list of window ids: one window of a large document, or the windows of several small ones.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from uuid import UUID

import dagster as dg

from aegis_assets.defs.executor import LANES, steps_share_process
from aegis_assets.defs.loop import ahead, take, wait_for
from aegis_assets.defs.platform import PlatformResource
from aegis_assets.defs.run import conclude, prepare, remove_each, run_documents, units
from aegis_assets.pipeline.flow.embed import embed_windows
from aegis_assets.pipeline.flow.enrich import enrich_window as enrich
from aegis_assets.pipeline.flow.extract import extract_window as extract
from aegis_assets.pipeline.flow.parse import parse_window as parse
from aegis_assets.pipeline.flow.platform import Platform
from aegis_assets.pipeline.flow.resolve import resolve_documents

Stage = Callable[[Platform, UUID, str], Awaitable[None]]

ASSETS = {
    "parsed_document": "The document as docling sees it, window by window, in the bucket.",
    "chunks": "Its texts with headings, pages and boxes, in the ledger.",
    "vector_index": "One point per chunk, dense and sparse.",
    "knowledge_graph": "Entities and relations with the chunks that say them.",
}


def lane(name: str, priority: int) -> dict[str, str]:
    """Return the tags of a step's lane: the run's own threads read the first two, dagster-celery the others."""
    return {
        "lane": name,
        "dagster/priority": str(priority),
        "dagster-celery/queue": name,
        "dagster-celery/priority": str(priority),
    }


OWN = {"dagster-celery/queue": "run"}  # of no lane: no queue has this name, the run's own process does these


async def side_by_side(stage: Stage, platform: Platform, unit: list[str], run_id: str) -> None:
    """Do the stage for windows of small documents that share a step."""
    await asyncio.gather(*(stage(platform, UUID(window), run_id) for window in unit))


@dg.op(config_schema={"documents": dg.Field([str], is_required=False)}, out=dg.Out(dg.Nothing), tags=OWN)
def preflight(context: dg.OpExecutionContext, platform: PlatformResource) -> None:
    """Check that every engine and store answers and fits; otherwise the run ends here with one sentence.

    Its config may name the documents of the run, instead of a partition.
    """
    prepare(context, platform)


@dg.op(ins={"ready": dg.In(dg.Nothing)}, out=dg.DynamicOut(list), tags=OWN)
def plan(context: dg.OpExecutionContext, platform: PlatformResource) -> Iterator[dg.DynamicOutput[list[str]]]:
    """Yield one dynamic output per unit of windows with missing work."""
    for number, unit in enumerate(units(context, platform.use())):
        yield dg.DynamicOutput(unit, mapping_key=f"w{number:05d}")


@dg.op(pool="docling", tags=lane("docling", priority=0))
def parse_window(context: dg.OpExecutionContext, platform: PlatformResource, unit: list[str]) -> list[str]:
    wait_for(side_by_side(parse, platform.use(), unit, context.run_id))
    return unit


@dg.op(pool="ollama", tags=lane("enrich", priority=1))
def enrich_window(context: dg.OpExecutionContext, platform: PlatformResource, unit: list[str]) -> list[str]:
    wait_for(side_by_side(enrich, platform.use(), unit, context.run_id))
    if steps_share_process(context):
        ahead((context.run_id, *unit), side_by_side(extract, platform.use(), unit, context.run_id), most=LANES["ollama"])
    return unit


@dg.op(pool="gpu", tags=lane("gpu", priority=2))
def embed_window(context: dg.OpExecutionContext, platform: PlatformResource, unit: list[str]) -> list[str]:
    wait_for(embed_windows(platform.use(), [UUID(window) for window in unit], context.run_id))
    return unit


@dg.op(pool="ollama", tags=lane("ollama", priority=3))
def extract_window(context: dg.OpExecutionContext, platform: PlatformResource, unit: list[str]) -> list[str]:
    """Wait for the extraction. Where the step is a thread beside enrich's, the work has begun with the end of that one: between two
    steps lie 50 ms in which no model would have anything to do."""
    take((context.run_id, *unit), side_by_side(extract, platform.use(), unit, context.run_id))
    return unit


@dg.op(out=dg.Out(dg.Nothing), tags=OWN)
def resolve(
    context: dg.OpExecutionContext, platform: PlatformResource, embedded: list[list[str]], extracted: list[list[str]]
) -> None:
    """Resolve names. embedded, extracted: the units that came through, only to wait for them; the ledger knows what is done."""
    resolve_documents(platform.use(), run_documents(context), context.run_id)


@dg.op(
    ins={"resolved": dg.In(dg.Nothing)},
    out={name: dg.Out(dg.Nothing, is_required=False) for name in ASSETS},
    tags=OWN,
)
def publish(context: dg.OpExecutionContext, platform: PlatformResource):  # type: ignore[no-untyped-def]
    """Publish, and log materializations and checks per document: a run over several may publish one and fail another."""
    yield from conclude(context, platform.use())


@dg.op(config_schema={"documents": [str]})
def remove_documents(context: dg.OpExecutionContext, platform: PlatformResource) -> None:
    """Remove each document for itself: one that cannot be removed now is set aside, and does not stop those behind it."""
    remove_each(context, platform.use(), [UUID(document) for document in context.op_config["documents"]])
