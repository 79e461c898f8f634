"""The ops: each takes the platform, calls one function of the flow, and hands on window ids.

A unit is a list of window ids: one window of a large document, or the windows of several small ones. What an op did is metadata of
its output; what an asset holds is metadata of its materialization, which an op of its own reports once the stage is done.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from uuid import UUID

import dagster as dg

from aegis_assets.defs.executor import LANES, steps_share_process
from aegis_assets.defs.platform import PlatformResource
from aegis_assets.defs.reexecution import require_plan
from aegis_assets.defs.report import report, saying
from aegis_assets.defs.run import conclude, prepare, remove_each, run_documents, units
from aegis_assets.defs.step_metadata import describe_step
from aegis_assets.model.document import Stage
from aegis_assets.pipeline.flow.assets import STAGES, of_sources, of_stage
from aegis_assets.pipeline.flow.embed import embed_windows
from aegis_assets.pipeline.flow.enrich import enrich_window as enrich
from aegis_assets.pipeline.flow.extract import extract_window as extract
from aegis_assets.pipeline.flow.loop import ahead, take, wait_for
from aegis_assets.pipeline.flow.parse import parse_window as parse
from aegis_assets.pipeline.flow.platform import Platform
from aegis_assets.pipeline.flow.resolve import resolve_documents

StageFunction = Callable[[Platform, UUID, str], Awaitable[None]]


def lane(name: str, priority: int) -> dict[str, str]:
    """Return the tags of a step's lane, which is also its queue where steps are sent to workers."""
    return {"lane": name, "dagster/priority": str(priority)}


async def side_by_side(stage: StageFunction, platform: Platform, unit: list[str], run_id: str) -> None:
    """Do the stage for windows of small documents that share a step."""
    await asyncio.gather(*(stage(platform, UUID(window), run_id) for window in unit))


@dg.op(
    config_schema={"documents": dg.Field([str], is_required=False)},
    ins={"source_file": dg.In(dg.Nothing)},
    out=dg.Out(dg.Nothing),
)
def preflight(context: dg.OpExecutionContext, platform: PlatformResource) -> None:
    """Check that every engine and store answers and fits; otherwise the run ends here with one sentence.

    Its config may name the documents of the run, instead of a partition.
    """
    prepare(context, platform)


@dg.op(ins={"ready": dg.In(dg.Nothing)}, out=dg.DynamicOut(list))
def plan(context: dg.OpExecutionContext, platform: PlatformResource) -> Iterator[dg.DynamicOutput[list[str]]]:
    """Cut the documents into windows and yield one dynamic output per unit of windows with missing work.

    Mapping keys say what the steps behind work on: `d03_p0017_0032` are pages of the run's fourth document.
    """
    for key, unit in units(context, platform.use()):
        yield dg.DynamicOutput(unit, mapping_key=key)
    with saying(context):
        found = of_sources(platform.use(), run_documents(context, platform.use()), context.run_id)
        report(context, platform.use().ledger, "source_file", found)


@dg.op(pool="docling", tags=lane("docling", priority=0))
def parse_window(context: dg.OpExecutionContext, platform: PlatformResource, unit: list[str]) -> list[str]:
    """Parse pages or sections with docling. The pool bounds steps, by default as many as the documents at once can have; the engine
    server's slots bound the work."""
    require_plan(context, platform.use(), unit)
    began = time.monotonic()
    wait_for(side_by_side(parse, platform.use(), unit, context.run_id))
    describe_step(context, platform.use().ledger, unit, Stage.PARSE, time.monotonic() - began)
    return unit


@dg.op(pool="ollama", tags=lane("enrich", priority=1))
def enrich_window(context: dg.OpExecutionContext, platform: PlatformResource, unit: list[str]) -> list[str]:
    """Describe pictures and cut chunks. The pool bounds steps, by default as many as the documents at once can have; leases in
    PostgreSQL bound requests to the model."""
    require_plan(context, platform.use(), unit)
    began = time.monotonic()
    wait_for(side_by_side(enrich, platform.use(), unit, context.run_id))
    if steps_share_process(context):
        ahead((context.run_id, *unit), side_by_side(extract, platform.use(), unit, context.run_id), most=LANES["ollama"])
    describe_step(context, platform.use().ledger, unit, Stage.ENRICH, time.monotonic() - began)
    return unit


@dg.op(pool="gpu", tags=lane("gpu", priority=2))
def embed_window(context: dg.OpExecutionContext, platform: PlatformResource, unit: list[str]) -> list[str]:
    """Embed chunks and store their vectors, hidden until the document is published. The pool bounds steps, by default as many as
    the documents at once can have; leases keep to the VRAM budget."""
    require_plan(context, platform.use(), unit)
    began = time.monotonic()
    wait_for(embed_windows(platform.use(), [UUID(window) for window in unit], context.run_id))
    describe_step(context, platform.use().ledger, unit, Stage.EMBED, time.monotonic() - began)
    return unit


@dg.op(pool="ollama", tags=lane("ollama", priority=3))
def extract_window(context: dg.OpExecutionContext, platform: PlatformResource, unit: list[str]) -> list[str]:
    """Extract entities and relations. The pool bounds steps, by default as many as the documents at once can have; leases in
    PostgreSQL bound requests to the model.

    Where the step is a thread beside enrich's, the work has begun with the end of that one: between two steps lie 50 ms in which no
    model would have anything to do.
    """
    require_plan(context, platform.use(), unit)
    began = time.monotonic()
    take((context.run_id, *unit), side_by_side(extract, platform.use(), unit, context.run_id))
    describe_step(context, platform.use().ledger, unit, Stage.EXTRACT, time.monotonic() - began)
    return unit


def reporter(asset: str) -> dg.OpDefinition:
    """Return an op that waits for an asset's stage, and logs a materialization for each document that came through it.

    It never yields the asset: Dagster would materialize all documents of the run, failed ones included, and without metadata.
    """

    def waited_for(context: dg.OpExecutionContext, platform: PlatformResource) -> Iterator[dg.Output[None]]:
        require_plan(context, platform.use())
        with saying(context):
            found = of_stage(platform.use(), run_documents(context, platform.use()), context.run_id, asset)
            report(context, platform.use().ledger, asset, found)
        yield from ()  # a generator, or Dagster takes the end of the function for the output

    return dg.op(
        name=f"report_{asset}",
        description=f"Log a materialization of {asset} for each document that came through {STAGES[asset]}.",
        ins={"done": dg.In(dg.Nothing)},
        out=dg.Out(dg.Nothing, is_required=False),
        tags=lane("enrich", priority=1),
    )(waited_for)


@dg.op(out=dg.Out(dg.Nothing))
def resolve(
    context: dg.OpExecutionContext, platform: PlatformResource, embedded: list[list[str]], extracted: list[list[str]]
) -> None:
    """Resolve names. Both inputs are only waited for; the ledger knows what is done."""
    require_plan(context, platform.use())
    resolve_documents(platform.use(), run_documents(context, platform.use()), context.run_id)


@dg.op(ins={"resolved": dg.In(dg.Nothing)}, out=dg.Out(dg.Nothing, is_required=False))
def publish(context: dg.OpExecutionContext, platform: PlatformResource) -> Iterator[dg.Output[None]]:
    """Publish, and log materialization and check per document: a run over several may publish one and fail another."""
    require_plan(context, platform.use())
    yield from conclude(context, platform.use())


@dg.op(config_schema={"documents": [str]})
def remove_documents(context: dg.OpExecutionContext, platform: PlatformResource) -> None:
    """Remove each document for itself: one that cannot be removed now is set aside, and does not stop those behind it."""
    remove_each(context, platform.use(), [UUID(document) for document in context.op_config["documents"]])
