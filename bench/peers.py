"""`make bench-peers`: LightRAG and neo4j-graphrag build the graph of the same chunks, with the same model double and slots.

Ours goes through a real stack: Dagster, ledger, vectors, graph, and a run's whole way from registration to `succeeded`. The peers
are libraries and have nothing around them: their clock runs from the call to its return, without interpreter and imports.

What each does at its best, and what it is given to its advantage:
- LightRAG, best: gleaning off (one request per chunk, as ours), as many requests as slots, all documents at once, its own
  storages (NetworkX and JSON files). Its default of one gleaning asks twice per chunk.
- neo4j-graphrag: SimpleKGPipeline without the schema extraction that it does by default, all documents at once, a writer that
  keeps the graph in memory and resolves exact names at no cost, since its own needs APOC, which only a Neo4j server has. It has 5
  requests per document in flight and no setting for that; `opened` reaches into the pipeline and sets it to the slots.
- One document, as the origin's: of many, a peer could embed one while it extracts another.
- The embedder costs what the origin's cost: a tenth of what extraction takes one request after the other, by characters, one call
  at a time; then, at the last number of slots, nothing. Ours is asked over HTTP, theirs by a call that sleeps as long.
- The same latency belongs to the same chunk, whoever asks.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from bench import replay, results
from bench.doubles import Doubles, doubles
from bench.harness import Stack, running
from tests.doubles.ollama_answers import extraction, latency

BENCH: Final = Path(__file__).parent
ENVIRONMENT: Final = BENCH / "cache" / "venv-peers"
REQUIREMENTS: Final = BENCH / "peers-requirements.txt"
BAR: Final = 0.9
CHUNKS: Final = 240
PER_PAGE: Final = 4
SECONDS: Final = 2.0  # of a chunk's request, +- half
SLOTS: Final = (4, 8)
EMBEDDING: Final = 0.1  # of the extraction's seconds, one request after the other: 60 of 600 s of the origin's document
PEERS: Final = (
    ("LightRAG, best", "peer_lightrag.py", {"gleaning": 0}),
    ("neo4j-graphrag, best", "peer_neo4j.py", {"concurrency": 0}),
    ("neo4j-graphrag, opened", "peer_neo4j.py", {"concurrency": -1}),
)
CHUNK_TEXTS: Final = """
SELECT c.text FROM aegis_placement p JOIN aegis_chunk c ON c.id = p.chunk_id JOIN aegis_window w ON w.id = p.window_id
WHERE w.document_id = %(document)s ORDER BY w.ordinal, p.ordinal"""


def installed() -> Path:
    """The python of the peers' own environment; made the first time, and again when the requirements have changed."""
    stamp, python = ENVIRONMENT / "installed", ENVIRONMENT / "bin" / "python"
    wanted = REQUIREMENTS.read_text()
    if not stamp.exists() or stamp.read_text() != wanted:
        print("Installing the peers into bench/cache; the first time this takes some minutes.", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "--no-input", "-r", str(REQUIREMENTS)], check=True)
        stamp.write_text(wanted)
    return python


def peer(script: str, job: dict[str, Any], double: Doubles) -> dict[str, Any]:
    double.ollama.post("/control/reset")
    with tempfile.TemporaryDirectory() as folder:
        task, result = Path(folder) / "job.json", Path(folder) / "result.json"
        task.write_text(json.dumps({**job, "url": double.ollama.url, "model": "double", "dimensions": 384}))
        subprocess.run([str(installed()), str(BENCH / script), str(task), str(result)], check=True, timeout=7200, cwd=folder)
        figures: dict[str, Any] = json.loads(result.read_text())
    return {**figures, **asked(double)}


def asked(double: Doubles) -> dict[str, Any]:
    """requests: by who asked for what. idle_share: of the slots, from the first request to the last answer."""
    stats = double.ollama.get("/control/stats")
    span = stats["span_seconds"] * stats["slots"]
    return {
        "requests": sum(stats["askers"].values()),
        "by_kind": stats["askers"],
        "cut_prompts": stats["cut_prompts"],
        "idle_share": round(stats["idle_slot_seconds"] / span, 4) if span else 0.0,
    }


def ours(stack: Stack, double: Doubles, document: replay.Replay, slots: int, name: str) -> tuple[dict[str, Any], list[str]]:
    """Our figures, and the chunks as they were extracted. name: of a new document: its registration starts the clock."""
    double.set(document.costs(), document.behaviour(slots))
    replay.limit(stack, ollama_max_concurrent=slots)
    watch = stack.watch(double.pids())
    with tempfile.TemporaryDirectory() as folder:
        found = replay.run(stack, double, document.write(Path(folder) / f"{name}.pdf"), name, slots)
    usage = watch.stop()
    cpu = usage.cpu_total - sum(seconds for part, seconds in usage.cpu.items() if part.endswith("double"))
    figures = {
        "seconds": found.measured,
        "cpu_s": cpu,
        "entities": found.report["entities"],
        "relations": found.report["relations"],
        "begun_s": found.begun,
        "after_last_answer_s": found.measured - found.last_answer,
        "usage": usage.as_json(),
        **asked(double),
    }
    return figures, [row["text"] for row in stack.rows(CHUNK_TEXTS, document=found.report["document"])]


def expected(texts: Sequence[str]) -> dict[str, int]:
    """What a graph of these chunks holds: names; relations by type and direction; pairs, for a graph without either."""
    found = [extraction(text, {}) for text in texts]
    relations = {(one["source"], one["type"], one["target"]) for each in found for one in each["relations"]}
    return {
        "entities": len({entity["name"] for each in found for entity in each["entities"]}),
        "relations": len(relations),
        "pairs": len({tuple(sorted((source, target))) for source, _, target in relations}),
    }


def compared(stack: Stack, double: Doubles, slots: int, chunks: int, embedding: float) -> dict[str, Any]:
    """embedding: what the embedder takes for all chunks, of what extraction takes one request after the other."""
    seed = slots if embedding else slots + 1  # no text of one case is known from another
    pages = replay.pages(chunks // PER_PAGE, seed=seed, chunks=PER_PAGE)
    document = replay.Replay(pages, replay.Seconds(0, 0, 0, embedding * chunks * SECONDS, chunks * SECONDS), seed=seed)
    own, texts = ours(stack, double, document, slots, f"peers-{slots}-{embedding:g}")
    behaviour = document.behaviour(slots)
    ideal = sum(latency(behaviour["latency"], behaviour["seed"], text) for text in texts) / slots
    rows = [{"who": "ours", **own}]
    for name, script, options in PEERS:
        options = {key: slots if value == -1 else value for key, value in options.items()}
        job = {"documents": [texts], "slots": slots, "embed_kchar": document.costs()["embed_kchar"], **options}
        rows.append({"who": name, **peer(script, job, double)})
    for row in rows:
        row["over_ideal"] = row["seconds"] / ideal
        row["ours_over_it"] = own["seconds"] / row["seconds"]
    return {
        "slots": slots,
        "chunks": len(texts),
        "embedder_s": embedding * chunks * SECONDS,
        "ideal_s": ideal,
        "expected": expected(texts),
        "rows": rows,
    }


def checked(case: dict[str, Any]) -> None:
    """Raises when somebody's graph does not hold what the double told: a fast wrong graph is no measure."""
    wanted = case["expected"]
    for row in case["rows"]:
        pairs = row["who"].startswith("LightRAG")
        if row["entities"] != wanted["entities"] or row["relations"] != wanted["pairs" if pairs else "relations"]:
            raise RuntimeError(f"{row['who']} built {row['entities']} entities and {row['relations']} relations of {wanted}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slots", type=int, action="append", default=[])
    parser.add_argument("--chunks", type=int, default=CHUNKS)
    options = parser.parse_args()
    installed()
    with doubles() as double, running({**double.environment(), "AEGIS_PARALLEL_CHUNKS_PER_DOC": "8"}) as stack:
        ours(stack, double, replay.Replay(replay.pages(8, seed=99), replay.Seconds(0, 0, 0, 0, 1), 99), 4, "warm")  # cold caches
        numbers = options.slots or SLOTS
        cases = [compared(stack, double, slots, options.chunks, EMBEDDING) for slots in numbers]
        cases.append(compared(stack, double, numbers[-1], options.chunks, 0.0))
    columns = ("who", "seconds", "over_ideal", "ours_over_it", "idle_share", "requests", "cpu_s", "entities", "relations")
    for case in cases:
        print(
            f"\n{case['chunks']} chunks of {SECONDS:g} s, {case['slots']} slots, embedder {case['embedder_s']:g} s;"
            f" ideal {case['ideal_s']:.1f} s; {case['expected']}"
        )
        print(results.table(case["rows"], columns))
        best = min(case["rows"][1:], key=lambda row: float(row["seconds"]))
        case["best_peer"], case["ratio"] = best["who"], best["ours_over_it"]
        print(f"ours / best peer ({best['who']}): {case['ratio']:.3f} (bar {BAR})")
    print(
        results.write(
            "peers",
            {
                "bar": BAR,
                "requirements": [
                    line for line in REQUIREMENTS.read_text().splitlines() if "graphrag" in line or "lightrag" in line
                ],
                "cases": cases,
            },
        )
    )
    for case in cases:
        checked(case)


if __name__ == "__main__":
    main()
