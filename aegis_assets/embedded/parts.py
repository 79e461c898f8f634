"""The settings -> the parts that this machine runs: command, ports, order, and the question that tells whether a part works.

A part that a setting points elsewhere (AEGIS_POSTGRES_URL, AEGIS_NEO4J_URL, AEGIS_ENGINE_URL) is not among them; a worker is, where
AEGIS_EXECUTOR asks for one. `dagster api grpc` serves the code, not `dagster code-server`, which would hold a second process of the
same size for a reload button.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aegis_assets.embedded import arcadedb, postgres, probes
from aegis_assets.embedded.ports import Port
from aegis_assets.settings import ROOT, Settings

CODE_MODULE: Final = "aegis_assets.definitions"
PYTHON: Final = sys.executable
LOOPBACK: Final = "127.0.0.1"
STREAMS: Final = ("--timeout-graceful-shutdown", "5")  # uvicorn waits for every open stream of events otherwise
# A client that takes too long is given up; of more connections than these each gets a 503.
CONNECTIONS: Final = ("--http", "webadmin.connections:TimedProtocol", "--limit-concurrency", "2000")


@dataclass(frozen=True)
class Part:
    """address: as a person uses it. patience: seconds until `ready` must say yes. stop_group: False for a server that must hear
    its stop signal once, from us, and tells its own children."""

    name: str
    command: tuple[str, ...]
    address: str
    ports: tuple[Port, ...]
    ready: Callable[[], bool]
    patience: float = 180.0
    stop_signal: str = "TERM"
    stop_seconds: int = 10
    stop_group: bool = True
    directory: Path = ROOT


def parts(own: Settings, now: Settings) -> tuple[Part, ...]:
    """In the order of starting. own: the environment of `make up`, which says what is elsewhere. now: with stack.env."""
    local: list[Part] = []
    if not own.postgres_url.get_secret_value():
        local.append(_postgres(now))
    if not own.neo4j_url:
        local.append(_graph(now))
    if not own.engine_url:
        local.append(_engine(now))
    rest = [_code(now), _webserver(now), _daemon(now), _admin(now)]
    if now.executor == "celery" and now.worker_queues != "none":
        rest.append(_worker(now))
    return (*local, *rest)


def _postgres(now: Settings) -> Part:
    server = postgres.of_home(now.home, now.postgres_port)
    return Part(
        "postgres",
        tuple(server.command()),
        f"{LOOPBACK}:{now.postgres_port}",
        (Port("PostgreSQL", "AEGIS_POSTGRES_PORT", now.postgres_port),),
        server.answers,
        stop_signal="INT",  # "fast": clients are cut off; TERM would wait for them
        stop_seconds=30,
        stop_group=False,
    )


def _graph(now: Settings) -> Part:
    home = now.home / "graph"
    return Part(
        "graph",
        tuple(arcadedb.command(home, now.bolt_port, now.graph_http_port)),
        f"bolt://{LOOPBACK}:{now.bolt_port}",
        (
            Port("the graph server", "AEGIS_BOLT_PORT", now.bolt_port),
            Port("the graph server", "AEGIS_GRAPH_HTTP_PORT", now.graph_http_port),
        ),
        lambda: arcadedb.ready(now.bolt_port, arcadedb.password(home)),
        stop_seconds=20,
        directory=home,
    )


def _engine(now: Settings) -> Part:
    token = now.engine_token.get_secret_value()
    return Part(
        "engine",
        (PYTHON, "-m", "aegis_assets.engines.server"),
        now.engine_address,
        (Port("the engine server", "AEGIS_ENGINE_PORT", now.engine_port),),
        lambda: probes.answers(f"{now.engine_address}/health", token=token),
        stop_seconds=20,
    )


def _code(now: Settings) -> Part:
    where = ("--host", now.code_host, "--port", str(now.code_port))
    return Part(
        "code",
        (PYTHON, "-m", "dagster", "api", "grpc", "--module-name", CODE_MODULE, *where, "--working-directory", str(ROOT)),
        f"{now.code_host}:{now.code_port}",
        (Port("Dagster's code server", "AEGIS_CODE_PORT", now.code_port, now.code_host),),
        lambda: probes.serves_code(now.code_host, now.code_port),
        stop_seconds=20,
    )


def _webserver(now: Settings) -> Part:
    where = ("--host", now.listen, "--port", str(now.dagster_port))
    return Part(
        "webserver",
        (PYTHON, "-m", "dagster_webserver", *where, "--workspace", str(ROOT / "workspace.yaml")),
        now.dagster_address,
        (Port("Dagster's page", "AEGIS_DAGSTER_PORT", now.dagster_port, now.listen),),
        lambda: probes.answers(f"{now.dagster_address}/server_info"),
    )


def _daemon(now: Settings) -> Part:
    return Part(
        "daemon",
        (PYTHON, "-m", "aegis_assets.dagster_ext.daemon", "run", "--workspace", str(ROOT / "workspace.yaml")),
        "-",
        (),
        lambda: probes.daemon_is_healthy(now.dagster_address),
    )


def _admin(now: Settings) -> Part:
    command = (PYTHON, "-m", "uvicorn", "webadmin.asgi:application")
    where = ("--host", now.listen, "--port", str(now.admin_port))
    return Part(
        "admin",
        (*command, *where, "--lifespan", "off", "--no-server-header", *_proxies(now), *_tls(now), *STREAMS, *CONNECTIONS),
        f"{now.admin_address}/admin/",
        (Port("the admin", "AEGIS_ADMIN_PORT", now.admin_port, now.listen),),
        lambda: probes.answers(f"{now.admin_address}/healthz"),
    )


def _proxies(now: Settings) -> tuple[str, ...]:
    """Of itself uvicorn believes whatever comes from this machine, and a log-in by a made-up address would never have to wait."""
    trusted = now.trusted_proxies.replace(" ", "")
    return ("--proxy-headers", "--forwarded-allow-ips", trusted) if trusted else ("--no-proxy-headers",)


def _tls(now: Settings) -> tuple[str, ...]:
    return ("--ssl-certfile", now.tls_cert, "--ssl-keyfile", now.tls_key) if now.tls_cert else ()


def _worker(now: Settings) -> Part:
    """Its steps are given their time to end; what has not ended then, another worker does again."""
    return Part(
        "worker",
        (PYTHON, "-m", "aegis_assets.defs.worker", now.worker_queues),
        now.worker_queues,
        (),
        lambda: probes.takes_steps(now.celery_broker.get_secret_value()),
        stop_seconds=20,
        stop_group=False,
    )
