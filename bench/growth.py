"""`make bench-growth`: one document beside 10,000, 100,000 and 1,000,000 entities. What it costs must not grow with them.

Each collection is loaded in bulk (`bench.growth_corpus` says with what), into a database and a graph server of its own. Then,
`--rounds` times at each size in turn, after warming up: ingest, revise (one paragraph), retry and remove of one document of 30
chunks that names the same ten hubs and the same loaded entities at every size. Engines are doubles that cost nothing. The
pipeline's functions run in a process of this benchmark's, without Dagster, whose start of a run would hide everything; the vector
store holds the measured document alone. Figures are medians; ratios are to the smallest size, and those above the bar are named.

`--graph neo4j` puts the graph into Neo4j. `--home DIRECTORY` keeps what was loaded and finds it there again.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

import psycopg
from psycopg import sql

from aegis_assets.embedded.postgres import Postgres
from aegis_assets.model.ids import fingerprint
from aegis_assets.settings import ROOT
from aegis_assets.stores.graph import BoltGraph
from bench import growth_graph, growth_ledger, results
from bench.doubles import Doubles, doubles
from bench.growth_corpus import Loaded
from bench.harness import bare_environment, terminable
from bench.report import FIGURES
from tests.arcadedb_service import start_arcadedb
from tests.arcadedb_service import stop as stop_process
from tests.neo4j_service import USER as NEO4J_USER
from tests.neo4j_service import start_neo4j
from tests.services import TEMPLATE, free_ports, migrate, open_directory

SIZES: Final = (10_000, 100_000, 1_000_000)
ROUNDS: Final = 10
WARM_UP: Final = 5
ACTS: Final = ("ingest", "revise", "retry", "remove")
BAR: Final = 1.3
COLLECTION: Final = "growth"
START_SECONDS: Final = 120.0
ACT_SECONDS: Final = 900.0
HEAP_MB: Final = 2048  # of ArcadeDB, at every size: the embedded server's own is for thousands of entities
MIGRATIONS: Final = ROOT / "webadmin" / "documents" / "migrations"
EDGES: Final = ("FROM_DOCUMENT", "NEXT_CHUNK", "FROM_CHUNK", "RELATES_TO")


@dataclass(frozen=True)
class GraphAddress:
    address: str
    user: str
    password: str
    http_port: int  # of ArcadeDB


@dataclass
class Worker:
    """A process of bench.growth_worker beside one collection."""

    entities: int
    process: subprocess.Popen[str]
    log: Path

    def ask(self, **asked: object) -> dict[str, Any]:
        """Send a line and return the answer. Raises RuntimeError if the process ended instead."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the worker beside {self.entities} entities ended: {self.log.read_text()[-2000:]}")
        answer: dict[str, Any] = json.loads(line)
        return answer


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", help="entities of each collection, the smallest first")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--graph", choices=("arcadedb", "neo4j"), default="arcadedb")
    parser.add_argument("--home", type=Path, help="keep what is loaded here")
    options = parser.parse_args()
    sizes = tuple(options.sizes or (SIZES if options.graph == "arcadedb" else SIZES[:2]))
    if min(sizes) < 1_000 or list(sizes) != sorted(set(sizes)) or options.rounds < 1:
        parser.error("sizes are at least 1000, the smallest first, and --rounds is at least 1")
    figures = measured(sizes, options.rounds, options.graph, options.home)
    print(results.table(figures["loads"]))
    print(results.table(figures["cases"]))
    if figures["missed"]:
        print(results.table(figures["tables"]))
        print(f"above {BAR}: {', '.join(figures['missed'])}")
    if not options.sizes and options.rounds == ROUNDS:
        name, words = ("growth", "") if options.graph == "arcadedb" else ("growth-neo4j", ' ARGS="--graph neo4j"')
        print(results.write(name, {"command": f"make bench-growth{words}", "rounds": ROUNDS, "bar": BAR, **figures}))
    return 1 if figures["missed"] else 0


def measured(sizes: Sequence[int], rounds: int, graph: str, kept: Path | None, warm_up: int = WARM_UP) -> dict[str, Any]:
    """Load, measure and compare. kept: a directory that stays."""
    with terminable(), ExitStack() as stack:
        home, postgres = stack.enter_context(own_postgres("growth", kept))
        engines = stack.enter_context(doubles())
        loads, workers = [], []
        for entities in sizes:
            place = home / f"{graph}-{entities}"
            if not mark_of(place).exists():
                shutil.rmtree(place, ignore_errors=True)  # half loaded, or with the tables of another version
            address = stack.enter_context(graph_server(graph, place))
            url = postgres.url(f"{graph}_{entities}")
            loads.append(load(postgres, entities, place, graph, address))
            workers.append(stack.enter_context(worker(entities, place, url, address, engines)))
        taken = rounds_of(workers, rounds, warm_up)
    cases = compared(taken)
    return {"loads": loads, "cases": cases, "tables": by_table(taken), "missed": missed(cases)}


@contextmanager
def graph_server(graph: str, place: Path) -> Iterator[GraphAddress]:
    place.mkdir(parents=True, exist_ok=True)
    if graph == "neo4j":
        process, address, password = start_neo4j(place / "graph")
        found = GraphAddress(address, NEO4J_USER, password, 0)
    else:
        ports = free_ports(2)
        process, address, password = start_arcadedb(place / "graph", (ports[0], ports[1]), HEAP_MB)
        found = GraphAddress(address, "root", password, ports[1])
    try:
        yield found
    finally:
        stop_process(process)


def mark_of(place: Path) -> Path:
    """Return the file that says that a collection is loaded, with the tables of now."""
    return place / f"loaded-{fingerprint(migrations=sorted(path.name for path in MIGRATIONS.glob('0*.py')))}.json"


def load(postgres: Postgres, entities: int, place: Path, graph: str, server: GraphAddress) -> dict[str, Any]:
    """Load a collection unless it is there, and return what it took."""
    mark = mark_of(place)
    if mark.exists():
        kept: dict[str, Any] = json.loads(mark.read_text())
        return kept
    name, loaded, began = f"{graph}_{entities}", Loaded(entities), time.monotonic()
    make_database(postgres, name, place)
    keys, url = growth_ledger.keys_of(loaded, COLLECTION), postgres.url(name)
    growth_ledger.load(url, loaded, COLLECTION, keys)
    half = time.monotonic()
    with closing(BoltGraph(server.address, server.user, server.password)) as store:
        store.ensure_schema()
    with closing(_sink(graph, server)) as sink:
        made = growth_graph.load(sink, loaded, keys, url)
    figures = {
        "entities": entities,
        "mentions": loaded.chunks * 10,
        "chunks": loaded.chunks,
        "nodes_and_edges": made,
        "ledger_s": round(half - began, 1),
        "graph_s": round(time.monotonic() - half, 1),
    }
    mark.write_text(json.dumps(figures))
    return figures


def _sink(graph: str, server: GraphAddress) -> growth_graph.ArcadeSink | growth_graph.BoltSink:
    if graph == "neo4j":
        return growth_graph.BoltSink(server.address, server.user, server.password)
    sink = growth_graph.ArcadeSink(server.http_port, server.password)
    sink.types(EDGES)
    return sink


@contextmanager
def own_postgres(name: str, kept: Path | None) -> Iterator[tuple[Path, Postgres]]:
    """Start a PostgreSQL server for a benchmark, and yield its directory and itself. kept: a directory that stays."""
    home = kept or open_directory(name)
    home.mkdir(parents=True, exist_ok=True)
    postgres = Postgres(home / "postgres", free_ports(1)[0], durable=False)
    try:
        postgres.start()
        yield home, postgres
    finally:
        postgres.stop()
        if kept is None:
            shutil.rmtree(home, ignore_errors=True)


def make_database(postgres: Postgres, name: str, place: Path) -> None:
    """Make an empty database, in place of one that was there. The first call migrates, the others copy."""
    migrate(postgres.ensure_database(TEMPLATE), place)
    postgres.drop_database(name)
    with psycopg.connect(postgres.url("postgres"), autocommit=True, connect_timeout=10) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(TEMPLATE)))


@contextmanager
def worker(entities: int, place: Path, url: str, graph: GraphAddress, engines: Doubles) -> Iterator[Worker]:
    environment = {
        **bare_environment(),
        "AEGIS_HOME": str(place),
        "AEGIS_POSTGRES_URL": url,
        "AEGIS_NEO4J_URL": graph.address,
        "AEGIS_NEO4J_USER": graph.user,
        "AEGIS_NEO4J_PASSWORD": graph.password,
        "AEGIS_BUCKET_URL": engines.bucket.as_uri(),
        "AEGIS_ENGINE_URL": engines.engine.url,
        "AEGIS_EXTRACTOR": "spacy",
    }
    command = [sys.executable, "-m", "bench.growth_worker", COLLECTION]
    log = (place / "worker.log").open("w")
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
    )
    try:
        found = Worker(entities, process, place / "worker.log")
        found.answer()
        yield found
    finally:
        process.kill()
        process.wait(10)
        log.close()


def rounds_of(workers: Sequence[Worker], rounds: int, warm_up: int) -> dict[tuple[str, int], list[dict[str, Any]]]:
    """Return what each act took at each size, in each round."""
    taken: dict[tuple[str, int], list[dict[str, Any]]] = {(act, one.entities): [] for act in ACTS for one in workers}
    for number in range(-warm_up, rounds):
        for one in workers:
            for act in ACTS:
                found = one.ask(act=act, seed=number + warm_up)
                if number >= 0:
                    taken[act, one.entities].append(found)
    return taken


def compared(taken: Mapping[tuple[str, int], Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Return a row per act and figure: medians by size, and the ratio of the largest size's to the smallest's."""
    sizes = sorted({entities for _, entities in taken})
    rows = []
    for act in ACTS:
        medians = {size: _medians(taken[act, size]) for size in sizes}
        for figure in dict.fromkeys(name for size in sizes for name in medians[size]):
            values = {str(size): medians[size].get(figure, 0.0) for size in sizes}
            first, last = values[str(sizes[0])], values[str(sizes[-1])]
            rows.append({"act": act, "figure": figure, **values, "ratio": last / first if first else 1.0})
    return rows


def _medians(found: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    middle = {name: median(one[name] for one in found) for name in found[0] if name != "tables"}
    return {
        **middle,
        "ledger_rows": middle["ledger_read"] + middle["ledger_written"],
        "graph_rows": middle["graph_returned"] + middle["graph_sent"],
    }


def by_table(taken: Mapping[tuple[str, int], Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Return the ledger's tables of which the largest collection's document touched more rows than the bar allows."""
    sizes = sorted({entities for _, entities in taken})
    rows = []
    for act in ACTS:
        for table in taken[act, sizes[0]][0]["tables"]:
            values = {str(size): median(one["tables"][table] for one in taken[act, size]) for size in sizes}
            if values[str(sizes[-1])] > BAR * values[str(sizes[0])]:
                rows.append({"act": act, "table": table, **values})
    return rows


def missed(cases: Sequence[Mapping[str, Any]]) -> list[str]:
    return [f"{row['act']} {row['figure']} {row['ratio']:.2f}" for row in cases if row["figure"] in FIGURES and row["ratio"] > BAR]


if __name__ == "__main__":
    raise SystemExit(main())
