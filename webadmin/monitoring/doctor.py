"""Every engine and store: which one is used, whether it answers, and what to do when it does not.

Each part is asked for itself and all at once, with short time-outs: one that fails neither hides nor delays another.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final
from urllib.parse import urlsplit

from aegis_assets.engines.parsing.docling_serve.server import without_password
from aegis_assets.errors import AegisError, EngineUnavailable, Misconfigured, NotAllowed, StoreUnavailable, public
from aegis_assets.model.parsing import Frozen
from aegis_assets.pipeline.flow.preflight import DISK_FLOOR_MB
from aegis_assets.settings import Settings, settings
from webadmin.documents import platform
from webadmin.documents.aside import aside

PARSERS: Final = {
    "auto": "docling, in the engine server",
    "rules": "docling with a layout by rules, in the engine server",
    "docling": "docling with its own models, in the engine server",
    "docling-serve": "docling-serve",
}


class Check(Frozen):
    """used: which one, and where. sentence: what is wrong and what to do, '' when all is well."""

    part: str
    used: str
    ok: bool
    sentence: str


def diagnose() -> list[Check]:
    parts = _parts(settings())
    with ThreadPoolExecutor(len(parts)) as pool:
        return list(pool.map(lambda part: _check(*part), parts))


def _parts(chosen: Settings) -> list[tuple[str, str, Callable[[], str | None]]]:
    """Part, which one is used, and what asks it: raises AegisError, or returns more about it."""
    extractor = _local_extractor(chosen) if chosen.extracts_locally else _model(chosen, chosen.ollama_model, chosen.llm_model)
    vision = _model(chosen, chosen.vision_model, chosen.vision_model) if _sees(chosen) else "OCR, embedded"
    return [
        ("ledger", f"PostgreSQL at {_place(chosen.postgres_url.get_secret_value())}", _ledger),
        ("bucket", chosen.bucket_address, lambda: platform.bucket().check()),
        ("vectors", _vectors(chosen), lambda: aside.call(platform.check_vectors)),
        (
            "graph",
            f"{'Neo4j' if chosen.neo4j_url else 'ArcadeDB'} at {chosen.graph_address}",
            lambda: aside.call(platform.check_graph),
        ),
        ("engine server", chosen.engine_address, _engine),
        ("parser", _parser(chosen), _parser_answers),
        ("embedder", _embedder_used(chosen), _embedder),
        *([("reranker", f"{chosen.reranker_path} on {_reranker_device(chosen)}", _reranker)] if chosen.reranker_path else []),
        ("extractor", extractor, _extractor),
        ("vision", vision, _vision),
        ("dagster", chosen.dagster_address, _dagster),
        ("dagster daemon", chosen.dagster_address, _daemon),
        ("disk", str(chosen.home), _disk),
        *([("workers", "celery", _workers)] if chosen.executor == "celery" else []),
    ]


def _check(part: str, used: str, ask: Callable[[], str | None]) -> Check:
    try:
        more = ask()
    except Exception as error:  # noqa: BLE001  the part's end; the next one is asked all the same
        return Check(part=part, used=used, ok=False, sentence=public(error).message)
    return Check(part=part, used=f"{used} ({more})" if more else used, ok=True, sentence="")


def _ledger() -> None:
    from webadmin.documents.console import require_stack

    require_stack()
    platform.ledger().ping()


def _engine() -> str | None:
    """Whether it answers us. An embedder that is away or set wrongly is the embedder's own row, and leaves parsing as it is."""
    try:
        platform.engine().server_info()
    except NotAllowed:
        raise
    except AegisError:
        platform.engine().health()
    return None


def _parser_answers() -> str | None:
    """Where a docling-serve parses it has converted a page, asked by the engine server: this machine need not reach it."""
    return platform.engine().check_parser() or None


def _embedder() -> str:
    info = platform.engine().info()
    protocol = f"{info.server.partition(' at ')[0]}, " if info.server else ""
    return f"{protocol}{info.name}, {info.dimension} dimensions, sparse {info.sparse}, chunks of {info.max_tokens} tokens"


def _reranker() -> str:
    """Rerank one text, which loads the model."""
    name = platform.engine().server_info().reranker
    if not name:
        raise Misconfigured("AEGIS_RERANKER_PATH is set here and not for the engine server: set it there, and restart it.")
    platform.engine().rerank("Who wrote it?", ["Ada wrote it"], settings().rerank_timeout)
    return f"the first {settings().rerank_hits} hits"


def _extractor() -> str | None:
    from aegis_assets.engines import chosen

    if settings().extracts_locally:
        asyncio.run(chosen.extractor(settings(), platform.engine()).check())
        return platform.engine().server_info().extractor
    asyncio.run(chosen.language_model_extractor(settings(), usage=platform.ledger()).check())
    return _tokens()


def _vision() -> str | None:
    if not _sees(settings()):
        return _engine()
    from aegis_assets.engines import chosen

    asyncio.run(chosen.language_model_vision(settings(), platform.ledger()).check())
    return None


def _tokens() -> str | None:
    """What a language model that is paid for has had this month."""
    if settings().language_server != "openai":
        return None
    tokens, limit = platform.ledger().tokens_this_month(), settings().llm_monthly_tokens
    return f"{tokens} of {limit} tokens this month" if limit else f"{tokens} tokens this month"


def _dagster() -> str:
    client = platform.dagster()
    version = client.version()
    if problem := client.location_problem():
        raise EngineUnavailable(problem)
    return version


def _daemon() -> None:
    if problem := platform.dagster().daemon_problem():
        raise EngineUnavailable(problem)


def _workers() -> str:
    """Who takes from which queue. A worker on another machine must not be, where a store is a directory of this one."""
    from aegis_assets.stores.broker import QUEUES, Broker

    served = Broker(settings().celery_broker.get_secret_value()).queues()
    if unserved := [queue for queue in QUEUES if queue not in served]:
        raise EngineUnavailable(
            f"No worker takes from the queue {', '.join(unserved)}: start one with `make worker QUEUES={','.join(unserved)}`."
        )
    hosts = sorted({name.rpartition("@")[2] for names in served.values() for name in names})
    if settings().kept_here and hosts != [socket.gethostname()]:
        raise Misconfigured(
            f"Workers on {', '.join(hosts)} take steps, but {' and '.join(settings().kept_here)} is not set, so what it names is"
            f" a directory that only {socket.gethostname()} has: set it, or run workers there only."
        )
    return f"on {', '.join(hosts)}"


def _disk() -> str:
    free = shutil.disk_usage(settings().home if settings().home.exists() else settings().home.parent).free // 2**20
    if free < DISK_FLOOR_MB:
        raise StoreUnavailable(f"Only {free} MB are free under {settings().home}: free some space.")
    return f"{free / 1024:.0f} GB free"


def _parser(chosen: Settings) -> str:
    served = chosen.docling_serve_url if chosen.parser in ("auto", "docling-serve") else ""
    return f"docling-serve at {without_password(served)}" if served else PARSERS[chosen.parser]


def _embedder_used(chosen: Settings) -> str:
    if not chosen.embeds_by_url:
        return f"{chosen.local_embedder} on {chosen.embedder_device}"
    parts = urlsplit(chosen.embedding_url)
    return f"server at {parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _local_extractor(chosen: Settings) -> str:
    return "GLiNER, in the engine server" if chosen.extractor_engine == "gliner" else "spaCy, embedded"


def _reranker_device(chosen: Settings) -> str:
    return chosen.reranker_device or chosen.embedder_device


def _vectors(chosen: Settings) -> str:
    return f"Qdrant at {chosen.qdrant_url}" if chosen.qdrant_url else f"Qdrant, local path {chosen.vectors_path}"


def _sees(chosen: Settings) -> bool:
    return bool(chosen.vision_model and chosen.language_server)


def _model(chosen: Settings, of_ollama: str, of_openai: str) -> str:
    """The language model and its server, without user and password."""
    from aegis_assets.engines.llm.faults import address_of

    if chosen.language_server == "ollama":
        return f"Ollama {of_ollama} at {address_of(chosen.ollama_url)}"
    return f"{of_openai} at {address_of(chosen.llm_url)} (OpenAI's protocol)"


def _place(url: str) -> str:
    """Without the password."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or 5432}{parts.path}" if parts.hostname else "(none; make up starts one)"
