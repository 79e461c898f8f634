"""The assets of a document and what each is made from, as one graph of ops.

Windows stream: window k+1 is parsed while window k is embedded and extracted. An asset is the output of an op that reports it when
its stage is done, so a document whose publishing failed shows what was made before.
"""

from typing import Any, Final

import dagster as dg

from aegis_assets.defs.ops import (
    embed_window,
    enrich_window,
    extract_window,
    parse_window,
    plan,
    preflight,
    publish,
    reporter,
    resolve,
)
from aegis_assets.defs.partitions import documents
from aegis_assets.engines import gliner_extractor, lexical, spacy_extractor
from aegis_assets.engines.service import parser
from aegis_assets.model.launch import DOCUMENTS_PER_RUN
from aegis_assets.pipeline.extraction_prompt import PROMPT_VERSION
from aegis_assets.pipeline.flow.fingerprints import CHUNKER
from aegis_assets.pipeline.resolve import RULES
from aegis_assets.settings import settings

GROUP: Final = "aegis"
DESCRIPTIONS: Final = {
    "parsed_document": "The document as docling sees it, window by window, in the bucket",
    "chunks": "Its texts with headings, pages and boxes, in the ledger",
    "vector_index": "One point per chunk, dense and sparse",
    "knowledge_graph": "Entities and relations with the chunks that say them",
}
MADE_FROM: Final = {
    "parsed_document": "source_file",
    "chunks": "parsed_document",
    "vector_index": "chunks",
    "knowledge_graph": "chunks",
}


def kinds() -> dict[str, tuple[str, ...]]:
    """Return the kinds of each asset: the engines and stores that make and hold it, by the settings."""
    chosen = settings()
    graph = "neo4j" if chosen.neo4j_url else "arcadedb"
    model = "ollama" if chosen.ollama_url else "openai" if chosen.llm_url else "spacy"
    return {
        "parsed_document": ("docling",),
        "chunks": ("docling", "postgres"),
        "vector_index": ("qdrant",),
        "knowledge_graph": (graph, model if chosen.extractor == "auto" else chosen.extractor),
    }


def code_versions() -> dict[str, str]:
    """Return the versions of our code of each asset's stage, as they are part of the fingerprints."""
    extractors = {"spacy": spacy_extractor.VERSION, "gliner": gliner_extractor.VERSION}
    extractor = extractors.get(settings().extractor_engine, PROMPT_VERSION)
    return {
        "parsed_document": str(parser.VERSION),
        "chunks": str(CHUNKER),
        "vector_index": str(lexical.VERSION),
        "knowledge_graph": f"{extractor}.{RULES}",
    }


source_file = dg.AssetSpec(
    "source_file",
    partitions_def=documents,
    group_name=GROUP,
    kinds={"file"},
    owners=settings().owners,
    description="The bytes as they came: uploaded, or from the watched bucket.",
)


@dg.graph(name="ingest_documents", ins={"source_file": dg.GraphIn()}, out={name: dg.GraphOut() for name in DESCRIPTIONS})
def ingest_documents(source_file: Any) -> Any:
    """Parse, enrich, embed, extract, resolve and publish the documents of a run."""
    parsed = plan(preflight(source_file)).map(parse_window)
    enriched = parsed.map(enrich_window)
    embedded = enriched.map(embed_window)
    extracted = enriched.map(extract_window)
    stages = {"parsed_document": parsed, "chunks": enriched, "vector_index": embedded}
    reports = {asset: reporter(asset)(done.collect()) for asset, done in stages.items()}
    return {**reports, "knowledge_graph": publish(resolve(embedded.collect(), extracted.collect()))}


ingested = dg.AssetsDefinition.from_graph(
    ingest_documents,
    keys_by_input_name={"source_file": source_file.key},
    keys_by_output_name={name: dg.AssetKey(name) for name in DESCRIPTIONS},
    internal_asset_deps={name: {dg.AssetKey(source)} for name, source in MADE_FROM.items()},
    partitions_def=documents,
    group_name=GROUP,
    descriptions_by_output_name=DESCRIPTIONS,
    tags_by_output_name={name: {f"dagster/kind/{kind}": "" for kind in found} for name, found in kinds().items()},
    code_versions_by_output_name=code_versions(),
    owners_by_output_name=dict.fromkeys(DESCRIPTIONS, settings().owners),
    backfill_policy=dg.BackfillPolicy.multi_run(max_partitions_per_run=DOCUMENTS_PER_RUN),
)
