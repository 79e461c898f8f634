"""`make bench-walk`: the walk over the graph of 100 questions, beside 1,000,000 entities in the ledger.

The ledger is loaded as for `make bench-growth`, without graph server and engines. A question names two entities, and comes with 50
dense hits, chunks from all over the collection of which every second one names two hubs; each chunk has a heading. What is timed
is what a search adds by the graph: the walk, and the texts that tell whether a hit covers the question.

`--home DIRECTORY` keeps what was loaded and finds it there again.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from aegis_assets.pipeline.search.ranking import SAMPLE, covers
from aegis_assets.stores.ledger import Ledger
from bench import growth_ledger, results
from bench.growth import COLLECTION, make_database, mark_of, own_postgres
from bench.growth_corpus import HUBS, Loaded, name
from bench.harness import terminable

ENTITIES: Final = 1_000_000
QUESTIONS: Final = 100
WARM_UP: Final = 20
HITS: Final = 50
BARS: Final = {"median_ms": 200.0, "p95_ms": 400.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entities", type=int, default=ENTITIES)
    parser.add_argument("--home", type=Path)
    options = parser.parse_args()
    figures = measured(options.entities, options.home)
    print(results.table([figures]))
    if options.entities == ENTITIES:
        print(results.write("walk", {"bars": BARS, "cases": [figures]}))
    missed = [key for key, bar in BARS.items() if figures[key] > bar]
    raise SystemExit(f"above the bar: {', '.join(missed)}" if missed else 0)


def measured(entities: int, kept: Path | None, questions: int = QUESTIONS) -> dict[str, Any]:
    """Load unless it is there, and ask. kept: a directory that stays."""
    loaded = Loaded(entities)
    with terminable(), ExitStack() as stack:
        home, postgres = stack.enter_context(own_postgres("walk", kept))
        place, database = home / f"walk-{entities}", f"walk_{entities}"
        place.mkdir(parents=True, exist_ok=True)
        keys = growth_ledger.keys_of(loaded, COLLECTION)
        if not mark_of(place).exists():
            make_database(postgres, database, place)
            growth_ledger.load(postgres.url(database), loaded, COLLECTION, keys)
            mark_of(place).write_text("{}")
        ledger = stack.enter_context(closing(Ledger(postgres.url(database))))
        taken = [_ask(ledger, keys, *asked) for asked in asked_of(loaded, keys, questions + WARM_UP)][WARM_UP:]
    milliseconds = sorted(1000 * seconds for seconds, _ in taken)
    return {
        "entities": entities,
        "questions": questions,
        "hits": HITS,
        "median_ms": round(milliseconds[len(milliseconds) // 2], 1),
        "p95_ms": round(milliseconds[int(0.95 * len(milliseconds))], 1),
        "most_ms": round(milliseconds[-1], 1),
        "chunks_reached": sorted(reached for _, reached in taken)[len(taken) // 2],
    }


def asked_of(loaded: Loaded, keys: growth_ledger.Keys, count: int) -> Iterator[tuple[str, dict[UUID, float]]]:
    """Yield questions, and the cosines of their dense hits. The same ones each time."""
    rng = random.Random(7)
    for _ in range(count):
        names = [name(rng.randrange(HUBS, loaded.entities)), name(rng.randrange(HUBS, loaded.entities))]
        chunks: Sequence[str] = rng.sample(keys.chunks, HITS)
        yield f"Does {names[0]} feed {names[1]}?", {UUID(chunk): 0.8 - place / 100 for place, chunk in enumerate(chunks)}


def _ask(ledger: Ledger, keys: growth_ledger.Keys, question: str, dense: dict[UUID, float]) -> tuple[float, int]:
    """Return the seconds that it took, and how many chunks the walk came by."""
    began = time.perf_counter()
    walked = ledger.walk([keys.collection], question, dense)
    texts = ledger.chunk_texts(list(dense)[:SAMPLE])
    covers(question, list(texts.values())[:3], list(texts.values()))
    return time.perf_counter() - began, len(walked.mass)


if __name__ == "__main__":
    main()
