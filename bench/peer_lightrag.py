"""One corpus through LightRAG, in the peers' own environment: `python bench/peer_lightrag.py JOB RESULT`, both JSON files.

Its own chunk splitter is given the same chunks by a separator that the text does not have; its default storages (NetworkX, files);
its own Ollama binding. The tokenizer counts words: its default one downloads its vocabulary.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import networkx
import numpy
from lightrag import LightRAG
from lightrag.llm.ollama import ollama_model_complete
from lightrag.utils import EmbeddingFunc, Tokenizer

SEPARATOR = "\n\u27e6chunk\u27e7\n"  # control characters would be removed
SECONDS = 1800


class Words:
    def encode(self, content: str) -> list[int]:
        return list(range(len(content.split())))

    def decode(self, tokens: list[int]) -> str:
        return " ".join(map(str, tokens))


class Slow:
    """One batch at a time, of a set cost: one GPU. No two texts are alike: nothing here is measured by its vectors."""

    def __init__(self, dimensions: int, kchar: float) -> None:
        self._dimensions, self._kchar, self._lane = dimensions, kchar, asyncio.Lock()

    async def __call__(self, texts: list[str], **_: Any) -> Any:
        rows = [numpy.random.default_rng(abs(hash(text))).standard_normal(self._dimensions) for text in texts]
        async with self._lane:
            await asyncio.sleep(self._kchar * sum(map(len, texts)) / 1000)
        return numpy.array(rows, dtype=numpy.float32)


async def build(job: dict[str, Any], folder: str) -> dict[str, Any]:
    rag = LightRAG(
        working_dir=folder,
        llm_model_func=ollama_model_complete,
        llm_model_name=job["model"],
        llm_model_kwargs={"host": job["url"], "timeout": SECONDS, "options": {"num_ctx": 32768}},
        llm_model_max_async=job["slots"],
        embedding_func_max_async=job["slots"],
        embedding_batch_num=64,
        embedding_func=EmbeddingFunc(
            embedding_dim=job["dimensions"], max_token_size=8192, func=Slow(job["dimensions"], job["embed_kchar"])
        ),
        default_embedding_timeout=SECONDS,
        max_parallel_insert=max(2, len(job["documents"])),
        entity_extract_max_gleaning=job["gleaning"],
        tokenizer=Tokenizer("words", Words()),
        default_llm_timeout=SECONDS,
    )
    await rag.initialize_storages()
    texts = [SEPARATOR.join(chunks) for chunks in job["documents"]]
    names = [f"document-{number}.md" for number in range(len(texts))]
    started, cpu = time.monotonic(), time.process_time()
    await rag.ainsert(texts, split_by_character=SEPARATOR, split_by_character_only=True, file_paths=names)
    seconds, spent = time.monotonic() - started, time.process_time() - cpu
    await rag.finalize_storages()
    graph = networkx.read_graphml(next(Path(folder).rglob("*.graphml")))
    return {"seconds": seconds, "cpu_s": spent, "entities": graph.number_of_nodes(), "relations": graph.number_of_edges()}


def main() -> None:
    job = json.loads(Path(sys.argv[1]).read_text())
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        result = asyncio.run(build(job, folder))
    Path(sys.argv[2]).write_text(json.dumps(result))


if __name__ == "__main__":
    main()
