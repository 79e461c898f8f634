"""One corpus through neo4j-graphrag's SimpleKGPipeline, in the peers' own environment: `python bench/peer_neo4j.py JOB RESULT`.

Its writer and resolver speak Cypher with APOC, which only a Neo4j server has. Here a writer of ours keeps the graph in memory and
merges what its resolver would merge (same label, same name) at no cost: that is to its advantage.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from neo4j import GraphDatabase
from neo4j_graphrag.components.kg_writer import KGWriter, KGWriterModel
from neo4j_graphrag.components.text_splitters.base import TextSplitter
from neo4j_graphrag.components.types import LexicalGraphConfig, Neo4jGraph, TextChunk
from neo4j_graphrag.embeddings.base import Embedder
from neo4j_graphrag.experimental.pipeline.kg_builder import SimpleKGPipeline
from neo4j_graphrag.llm import OllamaLLM
from pydantic import validate_call

SEPARATOR = "\x1e"


class Memory(KGWriter):  # type: ignore[misc]  # the package is in the peers' environment
    """What a Neo4j would hold after the run."""

    def __init__(self) -> None:
        self.entities: dict[tuple[str, str], str] = {}
        self.relations: set[tuple[str, str, str]] = set()
        self.lexical = 0

    @validate_call
    async def run(self, graph: Neo4jGraph, lexical_graph_config: LexicalGraphConfig = LexicalGraphConfig()) -> KGWriterModel:  # noqa: B008
        merged: dict[str, str] = {}
        for node in graph.nodes:
            if node.label in lexical_graph_config.lexical_graph_node_labels:
                self.lexical += 1
            else:
                merged[node.id] = self.entities.setdefault((node.label, str(node.properties["name"])), node.id)
        for relation in graph.relationships:
            if relation.start_node_id in merged and relation.end_node_id in merged:
                self.relations.add((merged[relation.start_node_id], relation.type, merged[relation.end_node_id]))
        return KGWriterModel(status="SUCCESS")


class Given(TextSplitter):  # type: ignore[misc]
    """The chunks as they are given."""

    def iter_chunks(self, text: str) -> Iterator[TextChunk]:
        for index, chunk in enumerate(text.split(SEPARATOR)):
            yield TextChunk(text=chunk, index=index)


class Slow(Embedder):  # type: ignore[misc]
    """One text at a time, of a set cost: one GPU."""

    def __init__(self, dimensions: int, kchar: float) -> None:
        super().__init__()
        self._vector, self._kchar, self._lane = [1.0] * dimensions, kchar, asyncio.Lock()

    def embed_query(self, text: str) -> list[float]:
        raise NotImplementedError("the pipeline asks asynchronously")

    async def async_embed_query(self, text: str) -> list[float]:
        async with self._lane:
            await asyncio.sleep(self._kchar * len(text) / 1000)
        return self._vector


async def build(job: dict[str, Any]) -> dict[str, Any]:
    memory = Memory()
    llm = OllamaLLM(model_name=job["model"], model_params={"options": {"temperature": 0}}, host=job["url"])
    pipeline = SimpleKGPipeline(
        llm=llm,
        driver=GraphDatabase.driver("bolt://127.0.0.1:1"),  # never opened
        embedder=Slow(job["dimensions"], job["embed_kchar"]),
        schema="FREE",  # its default asks the model for a schema of the whole text first, while every slot but one idles
        from_file=False,
        text_splitter=Given(),
        kg_writer=memory,
        perform_entity_resolution=False,  # by the writer
        on_error="RAISE",
    )
    if job["concurrency"]:
        extractor = pipeline.runner.pipeline.get_node_by_name("extractor").component
        extractor.max_concurrency = job["concurrency"]
    started, cpu = time.monotonic(), time.process_time()
    await asyncio.gather(*(pipeline.run_async(text=SEPARATOR.join(chunks)) for chunks in job["documents"]))
    seconds, spent = time.monotonic() - started, time.process_time() - cpu
    return {"seconds": seconds, "cpu_s": spent, "entities": len(memory.entities), "relations": len(memory.relations)}


def main() -> None:
    job = json.loads(Path(sys.argv[1]).read_text())
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    Path(sys.argv[2]).write_text(json.dumps(asyncio.run(build(job))))


if __name__ == "__main__":
    main()
