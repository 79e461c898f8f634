"""`python -m aegis_assets.defs.worker docling=2 gpu=2` -> one Celery worker per queue, each with so many steps at once.

One per queue, because a worker of several queues shares its slots among them: steps of the `enrich` lane, which may wait for a
window before theirs to be parsed, would take the slot that parses it. All are forked from one process that has imported our
definitions: what that costs is there once. Steps are threads, as in a run of one machine, for they only ask the ledger and wait
for engines. When one of the workers ends, all end within seconds: whoever started this starts it again. SIGTERM lets steps
finish; a second one does not.
"""

import ctypes
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Final

import dagster as dg

from aegis_assets.dagster_ext.steps import set_up_logging_once
from aegis_assets.defs.platform import build
from aegis_assets.defs.queue_app import agreed, app_of
from aegis_assets.errors import AegisError, Misconfigured
from aegis_assets.settings import Settings, settings
from aegis_assets.stores.broker import QUEUES

PR_SET_PDEATHSIG: Final = 1  # of Linux's prctl
MOST: Final = 256
LEFT_SECONDS: Final = 10.0  # for the steps of the others when one worker has died; the ledger resumes what they had in hand
PRELOADED: Final = "aegis_assets.defs.preload"  # by name: it imports the definitions, which nothing below them may


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0: asked to end. 1: a worker ended by itself, or cannot begin, with one sentence on stderr."""
    words = " ".join(sys.argv[1:] if arguments is None else arguments) or settings().worker_queues
    try:
        wanted = queues(words)
        require_shared_stores(settings())
        app_of(settings())
    except AegisError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    import_module(PRELOADED)  # before the forks
    fork = multiprocessing.get_context("fork")
    workers = [fork.Process(target=serve, args=(queue, steps, os.getpid()), name=queue) for queue, steps in wanted.items()]
    asked: list[int] = []

    def end(word: int, _: object) -> None:
        asked.append(word)
        tell(workers, signal.SIGTERM)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    for worker in workers:
        worker.start()
    wait([worker.sentinel for worker in workers])
    tell(workers, signal.SIGTERM)
    give_up = None if asked else time.monotonic() + LEFT_SECONDS  # a queue that nobody serves ends the runs that wait for it
    for worker in workers:
        worker.join(None if give_up is None else max(0.0, give_up - time.monotonic()))
    tell(workers, signal.SIGKILL)
    return 0 if asked else 1


def queues(words: str) -> dict[str, int]:
    """'docling=2,gpu' -> {'docling': 2, 'gpu': 1}. Raises Misconfigured."""
    found: dict[str, int] = {}
    for word in words.replace(",", " ").split():
        name, _, number = word.partition("=")
        if name not in QUEUES or not (number or "1").isdigit() or not 0 < int(number or 1) <= MOST:
            raise Misconfigured(f"{word!r} is no queue: write NAME=STEPS_AT_ONCE, the names being {', '.join(QUEUES)}.")
        found[name] = int(number or 1)
    if not found:
        raise Misconfigured(f"A worker needs at least one queue of {', '.join(QUEUES)}.")
    return found


def require_shared_stores(chosen: Settings) -> None:
    """A worker beside the stack finds its address book, stack.env. One on another machine needs stores that both reach: a directory
    or a database on a loopback address does not travel."""
    if chosen.stack_env.exists():
        return
    needed: Mapping[str, object] = {
        "AEGIS_POSTGRES_URL": chosen.postgres_url.get_secret_value(),
        "AEGIS_DAGSTER_POSTGRES_URL": chosen.dagster_postgres_url.get_secret_value(),
        "AEGIS_NEO4J_URL": chosen.neo4j_url,
        "AEGIS_QDRANT_URL": chosen.qdrant_url,
        "AEGIS_BUCKET_URL": chosen.bucket_url,
    }
    if missing := [name for name, value in needed.items() if not value]:
        raise Misconfigured(
            f"No stack runs here, so this worker needs stores that it shares with the others: set {', '.join(missing)}."
            " (Beside a running stack: the same AEGIS_HOME.)"
        )


def serve(queue: str, steps: int, parent: int) -> None:
    """One Celery worker, in this process. It must not outlive the one that answers for it."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        return
    for word in (signal.SIGTERM, signal.SIGINT):
        signal.signal(word, signal.SIG_DFL)
    set_up_logging_once()
    with suppress(AegisError):  # its first step will say so
        build()  # the one of the process, before there are threads that would each make theirs
    threading.Thread(target=connect, daemon=True).start()
    name = f"{queue}-{os.getpid()}@{socket.gethostname()}"
    app_of(settings()).worker_main(
        [
            "worker",
            *("--queues", queue, "--concurrency", str(steps), "--hostname", name, "--pool", "threads"),
            *("--loglevel", settings().log_level, "--without-gossip", "--without-mingle", "--without-heartbeat"),
        ]
    )


def connect() -> None:
    """What the first step would begin with: connections to Dagster's database and the stores, a question to the engines. Whatever
    does not answer yet is the first step's to say.
    """
    with suppress(Exception), dg.DagsterInstance.get():
        agreed()


def tell(workers: Sequence[BaseProcess], word: int) -> None:
    for worker in workers:
        if worker.is_alive() and worker.pid:
            os.kill(worker.pid, word)


if __name__ == "__main__":
    sys.exit(main())
