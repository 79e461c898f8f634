"""The bare stages in one loop: `python -m bench.bare RESULT WHOLE PATH...`. Parser, chunker, embedder and spaCy are the platform's.

One process, no Dagster, no PostgreSQL, no stores, no resume: what the work itself costs, and the measure of what the platform adds.
Imports and models are loaded before the clock starts, as the engine server has them loaded too. Windows are those of the platform,
one after another, each through all stages; a document without pages is one window or a few.

WHOLE: 1 for FlagEmbedding as it comes, which shares every operation among all cores; 0 for the platform's way with a batch.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from aegis_assets.engines.server import ENVIRONMENT

STAGES: Final = ("parse", "chunk", "embed", "extract")
WARM: Final = "# Warm\n\nAda Lovelace wrote the first program for the Analytical Engine in London.\n"


@dataclass
class Account:
    """wall_s, cpu_s: by stage. found: chunks, entities and relations, so that both sides are seen to have done the same."""

    wall_s: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    cpu_s: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    chunks: int = 0
    mentions: int = 0
    relations: int = 0
    windows: int = 0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        wall, cpu = time.monotonic(), time.process_time()
        try:
            yield
        finally:
            self.wall_s[name] += time.monotonic() - wall
            self.cpu_s[name] += time.process_time() - cpu


def stages(*, whole: bool) -> Callable[[Path, Account], None]:
    """Loads everything; what it returns takes one document through all stages."""
    from aegis_assets.engines import forward
    from aegis_assets.engines.embedder import Embedder, chunk_tokens, tokenizer_path
    from aegis_assets.engines.parsing.chunk import chunk
    from aegis_assets.engines.parsing.inspect import inspect
    from aegis_assets.engines.parsing.parse import parse
    from aegis_assets.engines.service import preload  # noqa: F401  imports what a parser child has imported
    from aegis_assets.engines.service.documents import SECTION_CHUNKS
    from aegis_assets.engines.service.parser import chosen_parser
    from aegis_assets.engines.spacy_extractor import SpacyExtractor
    from aegis_assets.model.extraction import Schema
    from aegis_assets.model.parsing import ChunkRequest, Heading, ParseRequest
    from aegis_assets.pipeline.flow.headings import after
    from aegis_assets.pipeline.plan import cut
    from aegis_assets.settings import settings

    if whole:
        forward.PIECE_TOKENS = sys.maxsize  # a batch is then one piece
    chosen, schema = settings(), Schema()
    embedder, extractor = Embedder(chosen), SpacyExtractor()
    tokenizer, limit = tokenizer_path(chosen), chunk_tokens(chosen)

    def one(path: Path, account: Account) -> None:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder)
            with account.stage("parse"):
                sections = limit * min(SECTION_CHUNKS, chosen.window_chunks)
                inspection = inspect(path, path.name, out, chosen.max_pages, sections)
            headings: tuple[Heading, ...] = ()
            for window in cut(inspection, chosen.window_pages, chosen.window_chunks, ""):
                with account.stage("parse"):
                    request = ParseRequest(
                        blob="-",
                        name=path.name,
                        format=inspection.format,
                        unit=inspection.unit,
                        whole=inspection.whole,
                        first=window.first,
                        last=window.last,
                        length=len(inspection.parts),
                        facts=inspection.facts,
                        artifacts="-",
                    )
                    whole = out / inspection.whole if inspection.whole else None
                    parsed = parse(path, whole, request, out, chosen.picture_min_pixels, chosen_parser(chosen))
                headings = window.headings if window.headings is not None else headings
                with account.stage("chunk"):
                    wanted = ChunkRequest(artifact="-", headings=headings, descriptions=())
                    texts = [draft.text for draft in chunk(out / parsed.artifact, wanted, tokenizer, limit)]
                headings = after(headings, parsed.headings)
                with account.stage("embed"):
                    embedder.embed(texts, ["passage"] * len(texts))
                with account.stage("extract"):
                    found = extractor.extract_batch(texts, schema)
                account.windows += 1
                account.chunks += len(texts)
                account.mentions += sum(len(each.mentions) for each in found)
                account.relations += sum(len(each.relations) for each in found)

    return one


def main() -> None:
    os.environ.update(ENVIRONMENT)
    result, whole, paths = Path(sys.argv[1]), sys.argv[2] == "1", [Path(word) for word in sys.argv[3:]]
    loading = time.monotonic()
    one = stages(whole=whole)
    with tempfile.TemporaryDirectory() as folder:
        warm = Path(folder) / "warm.md"
        warm.write_text(WARM)
        one(warm, Account())
    account = Account()
    started, cpu = time.monotonic(), time.process_time()
    for path in paths:
        one(path, account)
    figures = {
        "seconds": time.monotonic() - started,
        "cpu_total_s": time.process_time() - cpu,
        "loading_s": started - loading,
        "documents": len(paths),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        **asdict(account),
    }
    result.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
