"""`make bench-profile`: where the processor's time goes, stage by stage, without Dagster, at engines that cost nothing.

The flow's own functions run in this process against a real stack, so that Python's time is one profile and not eighty short
processes. Beside it what PostgreSQL, the graph server and the doubles took, and PostgreSQL's dearest statements. What Dagster adds
is the difference to `make bench-overhead`.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import hashlib
import os
import pstats
import signal
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final
from uuid import UUID

import psycopg

from aegis_assets.embedded.supervision import Supervisor
from bench import replay, results
from bench.doubles import Doubles, doubles
from bench.harness import Stack, running

PER_PAGE: Final = 4
SLOTS: Final = 8
RUN: Final = "profile"
STATEMENTS: Final = """
SELECT d.datname AS database, round(total_exec_time)::int AS ms, calls::int, round(mean_exec_time::numeric, 2)::float AS mean_ms,
    rows::int, left(regexp_replace(query, '\\s+', ' ', 'g'), 110) AS statement
FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid ORDER BY total_exec_time DESC LIMIT 20"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=400)
    parser.add_argument("--functions", default="", help="a stage of which the dearest Python functions are shown; slows it down")
    options = parser.parse_args()
    with doubles() as engines, running(engines.environment()) as stack:
        Supervisor(stack.home)._call("stopProcess", "daemon")  # or it would launch a run for our document beside us
        _count_statements(stack)
        os.environ.update(stack.environment)  # the flow's settings are those of this stack
        rows = profiled(stack, engines, options.chunks, options.functions)
        statements = stack.rows(STATEMENTS)
    print(f"profile: CPU milliseconds per chunk, {options.chunks} chunks")
    print(results.table(rows))
    print(results.table(statements))
    print(results.write("profile", {"chunks": options.chunks, "stages": rows, "statements": statements}))


def profiled(stack: Stack, engines: Doubles, chunks: int, functions: str) -> list[dict[str, Any]]:
    from aegis_assets.defs.platform import build
    from aegis_assets.pipeline.flow import embed, enrich, extract, parse, plan, publish, resolve

    platform = build()
    replay.limit(stack, ollama_max_concurrent=SLOTS)
    windows: list[UUID] = []

    def each(stage: Callable[[Any, UUID, str], Coroutine[Any, Any, None]]) -> Callable[[], None]:
        async def all_windows() -> None:
            for window in windows:
                await stage(platform, window, RUN)

        return lambda: asyncio.run(all_windows())

    def run_all(seed: int, size: int, functions: str = "") -> list[dict[str, Any]]:
        document = replay.Replay(replay.pages(size // PER_PAGE, seed=seed, chunks=PER_PAGE), replay.Seconds(0, 0, 0, 0, 0), seed)
        engines.set(document.costs(), document.behaviour(SLOTS))
        row = _register(platform, document, f"profile-{seed}")

        def planned() -> None:
            windows[:] = [window.id for window in plan.plan_document(platform, row, RUN, lambda _: False).windows]

        stages: list[tuple[str, Callable[[], object]]] = [
            ("plan", planned),
            ("parse", each(parse.parse_window)),
            ("enrich", each(enrich.enrich_window)),
            ("embed", lambda: asyncio.run(embed.embed_windows(platform, windows, RUN))),
            ("extract", each(extract.extract_window)),
            ("resolve", lambda: resolve.resolve_documents(platform, [row], RUN)),
            ("publish", lambda: list(publish.publish_documents(platform, [row], RUN))),
        ]
        found = [_measured(stack, engines, name, act, size, name == functions) for name, act in stages]
        if (ended := platform.ledger.document(row)).state != "succeeded":
            raise RuntimeError(f"the document is {ended.state}: {ended.message} {platform.ledger.open_failures([row])}")
        return found

    run_all(98, 40)  # imports, connections, prepared statements
    stack.rows("SELECT pg_stat_statements_reset()::text")
    return run_all(1, chunks, functions)


def _measured(stack: Stack, engines: Doubles, name: str, act: Callable[[], object], chunks: int, functions: bool) -> dict[str, Any]:
    watch = stack.watch({**engines.pids(), os.getpid(): "flow"})
    profile = cProfile.Profile()
    if functions:
        profile.runcall(act)
    else:
        act()
    usage = watch.stop()
    if functions:
        pstats.Stats(profile).sort_stats("tottime").print_stats(30)
    parts = ("flow", "postgres", "graph", "engine double", "ollama double")
    taken = {part: round(1000 * usage.cpu.get(part, 0.0) / chunks, 2) for part in parts}
    return {"stage": name, "wall": round(1000 * usage.wall / chunks, 2), **taken}


def _register(platform: Any, document: replay.Replay, name: str) -> UUID:
    content = "\f".join(document.pages).encode()
    digest = hashlib.sha256(content).hexdigest()
    platform.bucket.put(f"blobs/{digest}", content)
    registered = platform.ledger.register(
        collection=name, source="upload", key=name, name=f"{name}.pdf", blob=f"blobs/{digest}", sha256=digest, size=len(content)
    )
    collection = platform.ledger.document(registered.document).collection
    platform.vectors.ensure(collection, platform.embedder.info())
    platform.graph.ensure_schema()
    found: UUID = registered.document
    return found


def _count_statements(stack: Stack) -> None:
    """Which takes a restart of PostgreSQL; its supervisor starts it again."""
    stack.execute("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'")
    [pid] = [one.pid for one in Supervisor(stack.home).programs() if one.name == "postgres"]
    os.kill(pid, signal.SIGINT)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        time.sleep(0.5)
        with suppress(psycopg.OperationalError):
            stack.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
            if stack.rows("SELECT count(*) AS n FROM pg_stat_statements"):
                return
    raise RuntimeError("PostgreSQL did not come back")


if __name__ == "__main__":
    main()
