"""`make bench-kills`: SIGKILL of a run's process at random moments, then `retry`; the stores must hold what they would without it.

The first pages of gmsh's manual on the embedded engines. They are ingested twice undisturbed, because the first time warms caches;
then, as often as `--kills` says, removed, ingested anew, killed at a moment drawn from the time that the second one took, and
retried. The ids must be the same, not only their number: of chunks, vectors, nodes, entities and relations. After a removal the
stores must hold nothing of the document. Exits with 1 where one of it does not hold.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch
from uuid import UUID

from aegis_assets.errors import NotFound
from aegis_assets.model.ids import collection_id
from aegis_assets.settings import load
from aegis_assets.stores.graph import BoltGraph
from aegis_assets.stores.ledger import Ledger
from aegis_assets.stores.vectors import QdrantVectors
from bench import results
from bench.harness import Stack, running
from bench.manual import manual
from tests.waiting import until

COLLECTION: Final = "kills"
SEED: Final = 5
DOCUMENT: Final = """
SELECT d.id, d.state, d.run_id, d.fraction
FROM aegis_document d JOIN aegis_collection c ON c.id = d.collection_id WHERE c.name = %(name)s"""
STARTED: Final = "SELECT event FROM event_logs WHERE run_id = %(run)s AND event LIKE '%%Started process for run (pid: %%' LIMIT 1"
FORGET_EXTRACTIONS: Final = "DELETE FROM aegis_extraction"  # they outlive their document, and would make the next run a short one


@dataclass(frozen=True)
class Stores:
    ledger: Ledger
    vectors: QdrantVectors
    graph: BoltGraph

    def of(self, document: UUID) -> dict[str, set[Any]]:
        """Ids in every store."""
        scope = collection_id(COLLECTION)
        try:
            target = self.ledger.live_target(document)
        except NotFound:
            target = None
        entities = self.graph.entity_ids(scope, document)
        relations = self.graph.relation_triples_of(scope, sorted(entities))
        return {
            "chunks": {str(one) for one in self.ledger.graph_facts().chunk_ids(target.generation)} if target else set(),
            "vectors": {str(one) for one in self.vectors.chunk_ids(scope, document)},
            "nodes": {str(one) for one in self.graph.chunk_ids(scope, document)},
            "entities": {str(entity) for entity in entities},
            "relations": {str(triple) for triple in relations if {triple[0], triple[2]} <= entities},
        }


@contextmanager
def stores(stack: Stack) -> Iterator[Stores]:
    with patch.dict(os.environ, stack.environment):
        settings = load()
    ledger, graph = Ledger(settings.postgres_url.get_secret_value()), BoltGraph.from_settings(settings)
    yield Stores(ledger, QdrantVectors.from_settings(settings), graph)
    ledger.close()
    graph.close()


def worker(stack: Stack) -> int | None:
    """The pid of the run that has the document, as its event log says it."""
    [row] = stack.rows(DOCUMENT, name=COLLECTION)
    for event in stack.rows(STARTED, "dagster", run=row["run_id"]):
        return int(event["event"].split("Started process for run (pid: ")[1].split(")")[0])
    return None


def removed(stack: Stack, held: Stores, document: UUID) -> int:
    """How many things the stores still have of it: none."""
    if stack.manage("remove", str(document)).returncode:
        raise RuntimeError("the document could not be removed")
    stack.execute(FORGET_EXTRACTIONS)
    return sum(len(ids) for ids in held.of(document).values())


def killed(stack: Stack, held: Stores, path: Path, after: float, wanted: dict[str, set[Any]]) -> dict[str, Any]:
    """One round: removed, ingested, killed, retried."""
    [row] = stack.rows(DOCUMENT, name=COLLECTION)
    document = row["id"]
    left = removed(stack, held, document)
    if stack.manage("ingest", str(path), "--collection", COLLECTION, "--no-wait").returncode:
        raise RuntimeError("the document could not be registered")
    pid = until(lambda: worker(stack))
    time.sleep(after)
    [row] = stack.rows(DOCUMENT, name=COLLECTION)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    done = stack.manage("retry", str(document))
    found = held.of(document)
    [end] = stack.rows(DOCUMENT, name=COLLECTION)
    return {
        "killed_after_s": round(after, 2),
        "state_then": row["state"],
        "fraction_then": round(row["fraction"], 3),
        "retry_exit": done.returncode,
        "state": end["state"],
        "differing": [name for name in wanted if found[name] != wanted[name]],
        "left_by_removal": left,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--pages", type=int, default=50)
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args()
    path, moments = manual(options.pages), random.Random(options.seed)
    with running() as stack, stores(stack) as held:
        [report] = stack.ingest(path, collection=COLLECTION)
        wanted = held.of(UUID(report["document"]))
        removed(stack, held, UUID(report["document"]))
        [report] = stack.ingest(path, collection=COLLECTION)
        again = held.of(UUID(report["document"])) == wanted
        timeline = stack.timeline(report["document"])
        whole = timeline["finished_s"]
        rounds = [killed(stack, held, path, moments.uniform(0.0, whole), wanted) for _ in range(options.kills)]
    counts = {name: len(ids) for name, ids in wanted.items()}
    bad = [one for one in rounds if one["differing"] or one["retry_exit"] or one["left_by_removal"] or one["state"] != "succeeded"]
    agree = again and wanted["chunks"] == wanted["vectors"] == wanted["nodes"]
    print(f"undisturbed: {report['state']} in {whole:.1f} s, {counts}")
    print(results.table(rounds))
    print(f"{len(rounds) - len(bad)} of {len(rounds)} as without a kill; the stores {'agree' if agree else 'do not agree'}")
    print(results.write("kills", {"pages": options.pages, "seconds": whole, "counts": counts, "rounds": rounds}))
    return 1 if bad or not agree else 0


if __name__ == "__main__":
    raise SystemExit(main())
