"""`make bench-embedder`: the default embedder, a batch as a whole and in pieces side by side, alone and beside spaCy's extractor.

The same texts in turns, so that what else the machine does meets both. tokens: of a piece at most; 0: FlagEmbedding as it comes, a
batch as a whole, each operation shared among all cores. seconds, cpu_s: the median of the rounds, for all texts.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from statistics import median
from typing import Any, Final

from aegis_assets.engines.server import ENVIRONMENT
from bench import results
from bench.corpus import Corpus

TEXTS: Final = 40
CALL: Final = 40  # about a window's
PIECES: Final = (0, 512, 1024, 2048)
ROUNDS: Final = 3


def main() -> None:
    os.environ.update(ENVIRONMENT)
    cases = measured("alone")
    busy = multiprocessing.get_context("spawn").Process(target=extract, daemon=True)
    busy.start()
    time.sleep(10.0)  # until it has loaded
    cases += measured("beside spaCy")
    busy.kill()
    print(results.table(cases))
    print(results.write("embedder", {"texts": TEXTS, "cases": cases}))


def texts() -> list[str]:
    """As long as chunks are."""
    corpus = Corpus(5)
    return [corpus.document(f"Part {number}", sections=1, sentences=8) for number in range(TEXTS)]


def measured(where: str) -> list[dict[str, Any]]:
    from aegis_assets.engines import forward
    from aegis_assets.engines.embedder import Embedder
    from aegis_assets.settings import settings

    embedder, parts = Embedder(settings()), texts()
    found: dict[int, list[tuple[float, float]]] = {tokens: [] for tokens in PIECES}
    embedder.embed(parts[:CALL], ["passage"] * CALL)
    for _ in range(ROUNDS):
        for tokens in PIECES:
            forward.PIECE_TOKENS = tokens or sys.maxsize
            wall, cpu = time.monotonic(), time.process_time()
            for start in range(0, TEXTS, CALL):
                embedder.embed(parts[start : start + CALL], ["passage"] * CALL)
            found[tokens].append((time.monotonic() - wall, time.process_time() - cpu))
    whole = median(wall for wall, _ in found[0])
    return [
        {
            "where": where,
            "tokens": tokens,
            "seconds": round(median(wall for wall, _ in rounds), 3),
            "cpu_s": round(median(cpu for _, cpu in rounds), 3),
            "of_whole": round(median(wall for wall, _ in rounds) / whole, 3),
        }
        for tokens, rounds in found.items()
    ]


def extract() -> None:
    from aegis_assets.engines.spacy_extractor import SpacyExtractor
    from aegis_assets.model.extraction import Schema

    extractor, parts = SpacyExtractor(), texts()
    while True:
        extractor.extract_batch(parts, Schema())


if __name__ == "__main__":
    main()
