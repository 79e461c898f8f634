"""A part's address -> whether it really works, asked in its own protocol. An open port is not an answer."""

from __future__ import annotations

import time
from typing import Final

import httpx

SECONDS: Final = 5.0
REQUIRED_DAEMONS: Final = frozenset({"SENSOR", "QUEUED_RUN_COORDINATOR", "MONITORING"})
FRESH: Final = 120.0  # they report every 30 s
DAEMONS: Final = "query { instance { daemonHealth { allDaemonStatuses { daemonType healthy lastHeartbeatTime } } } }"


def answers(url: str, *, token: str = "") -> bool:
    """Whether a GET is answered with 200. Never through a proxy: the address is this machine's."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        return httpx.get(url, headers=headers, timeout=SECONDS, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def serves_code(port: int) -> bool:
    """Whether Dagster's code server says in gRPC's health protocol that it serves."""
    import grpc  # type: ignore[import-untyped]
    from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]

    try:
        # Without this option a set http_proxy would be asked for a loopback address.
        with grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.enable_http_proxy", 0)]) as channel:
            question = health_pb2.HealthCheckRequest(service="DagsterApi")
            answer = health_pb2_grpc.HealthStub(channel).Check(question, timeout=SECONDS)
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
    except grpc.RpcError:
        return False


def daemon_is_healthy(dagster: str) -> bool:
    """Whether the daemons that ingestion needs have reported to Dagster's page."""
    try:
        answer = httpx.post(f"{dagster}/graphql", json={"query": DAEMONS}, timeout=SECONDS, trust_env=False).json()
        statuses = answer["data"]["instance"]["daemonHealth"]["allDaemonStatuses"]
    except (httpx.HTTPError, KeyError, TypeError, ValueError):
        return False
    fresh = time.time() - FRESH
    return {one["daemonType"] for one in statuses if one["healthy"] and (one["lastHeartbeatTime"] or 0) > fresh} >= REQUIRED_DAEMONS
