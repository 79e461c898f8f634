"""The ops: each takes the platform, calls one function of the flow, and hands on window ids.

A unit is a list of window ids: one window of a large document, or the windows of several small ones.
"""

import asyncio
from collections.abc import Iterator
from uuid import UUID

import dagster as dg

from aegis_assets.defs.platform import PlatformResource
from aegis_assets.defs.run import conclude, prepare, run_documents, units
from aegis_assets.pipeline.flow.embed import embed_window as embed
from aegis_assets.pipeline.flow.enrich import enrich_window as enrich
from aegis_assets.pipeline.flow.extract import extract_window as extract
from aegis_assets.pipeline.flow.parse import parse_window as parse
from aegis_assets.pipeline.flow.remove import remove_document
from aegis_assets.pipeline.flow.resolve import resolve_document

ASSETS = {
    "parsed_document": "The document as docling sees it, window by window, in the bucket.",
    "chunks": "Its texts with headings, pages and boxes, in the ledger.",
    "vector_index": "One point per chunk, dense and sparse.",
    "knowledge_graph": "Entities and relations with the chunks that say them.",
}


@dg.op(out=dg.Out(dg.Nothing))
def preflight(context: dg.OpExecutionContext, platform: PlatformResource) -> None:
    """Every engine and store answers and fits; otherwise the run ends here with one sentence."""
    prepare(context, platform.use())


@dg.op(ins={"ready": dg.In(dg.Nothing)}, out=dg.DynamicOut(list))
def plan(context: dg.OpExecutionContext, platform: PlatformResource) -> Iterator[dg.DynamicOutput[list[str]]]:
    """One dynamic output per unit of windows with missing work."""
    for number, unit in enumerate(units(context, platform.use())):
        yield dg.DynamicOutput(unit, mapping_key=f"w{number:05d}")


@dg.op(pool="docling", tags={"lane": "docling"})
async def parse_window(context: dg.OpExecutionContext, platform: PlatformResource, unit: list[str]) -> list[str]:
    for window in unit:
        await parse(platform.use(), UUID(window), context.run_id)
    return unit


@dg.op(pool="ollama", tags={"lane": "ollama", "dagster/priority": "1"})
async def enrich_window(context: dg.OpExecutionContext, platform: PlatformResource, unit: list[str]) -> list[str]:
    for window in unit:
        await enrich(platform.use(), UUID(window), context.run_id)
    return unit


@dg.op(pool="gpu", tags={"lane": "gpu", "dagster/priority": "2"})
async def embed_window(context: dg.OpExecutionContext, platform: PlatformResource, unit: list[str]) -> list[str]:
    for window in unit:
        await embed(platform.use(), UUID(window), context.run_id)
    return unit


@dg.op(pool="ollama", tags={"lane": "ollama", "dagster/priority": "3"})
async def extract_window(context: dg.OpExecutionContext, platform: PlatformResource, unit: list[str]) -> list[str]:
    await asyncio.gather(*(extract(platform.use(), UUID(window), context.run_id) for window in unit))
    return unit


@dg.op(out=dg.Out(dg.Nothing))
def resolve(
    context: dg.OpExecutionContext, platform: PlatformResource, embedded: list[list[str]], extracted: list[list[str]]
) -> None:
    """embedded, extracted: the units that came through, only to wait for them; the ledger knows what is done."""
    for document in run_documents(context):
        resolve_document(platform.use(), document, context.run_id)


@dg.op(
    ins={"resolved": dg.In(dg.Nothing)},
    out={name: dg.Out(dg.Nothing, is_required=False) for name in ASSETS},
)
def publish(context: dg.OpExecutionContext, platform: PlatformResource):  # type: ignore[no-untyped-def]
    """Materializations and checks are logged per document: a run over a range may publish one and fail another."""
    yield from conclude(context, platform.use())


@dg.op(config_schema={"documents": [str]})
def remove_documents(context: dg.OpExecutionContext, platform: PlatformResource) -> None:
    for document in context.op_config["documents"]:
        remove_document(platform.use(), UUID(document))
        context.instance.delete_dynamic_partition("documents", document)
