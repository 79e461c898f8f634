"""A part's address -> whether it really works, asked in its own protocol. An open port is not an answer."""

from __future__ import annotations

import socket
import ssl
import time
from typing import Final

import httpx

from aegis_assets.errors import StoreUnavailable

SECONDS: Final = 5.0
REQUIRED_DAEMONS: Final = frozenset({"SENSOR", "QUEUED_RUN_COORDINATOR", "MONITORING"})
FRESH: Final = 120.0  # they report every 30 s
DAEMONS: Final = "query { instance { daemonHealth { allDaemonStatuses { daemonType healthy lastHeartbeatTime } } } }"
# Everything here is on this machine, plain or by a certificate for another name; httpx would load the authorities for each
# question, 40 ms of CPU.
_TRUSTING: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_TRUSTING.check_hostname = False
_TRUSTING.verify_mode = ssl.CERT_NONE


def answers(url: str, *, token: str = "") -> bool:
    """Whether a GET is answered with 200. Never through a proxy: the address is this machine's."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        return httpx.get(url, headers=headers, timeout=SECONDS, trust_env=False, verify=_TRUSTING).status_code == 200
    except httpx.HTTPError:
        return False


def serves_code(host: str, port: int) -> bool:
    """Whether Dagster's code server says in gRPC's health protocol that it serves."""
    import grpc  # type: ignore[import-untyped]
    from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]

    try:
        # Without this option a set http_proxy would be asked for a loopback address.
        with grpc.insecure_channel(f"{host}:{port}", options=[("grpc.enable_http_proxy", 0)]) as channel:
            question = health_pb2.HealthCheckRequest(service="DagsterApi")
            answer = health_pb2_grpc.HealthStub(channel).Check(question, timeout=SECONDS)
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
    except grpc.RpcError:
        return False


def daemon_is_healthy(dagster: str) -> bool:
    """Whether the daemons that ingestion needs have reported to Dagster's page."""
    try:
        answer = httpx.post(
            f"{dagster}/graphql", json={"query": DAEMONS}, timeout=SECONDS, trust_env=False, verify=_TRUSTING
        ).json()
        statuses = answer["data"]["instance"]["daemonHealth"]["allDaemonStatuses"]
    except (httpx.HTTPError, KeyError, TypeError, ValueError):
        return False
    fresh = time.time() - FRESH
    return {one["daemonType"] for one in statuses if one["healthy"] and (one["lastHeartbeatTime"] or 0) > fresh} >= REQUIRED_DAEMONS


def takes_steps(broker: str) -> bool:
    """Whether a worker on this machine takes steps from the broker."""
    from aegis_assets.stores.broker import Broker

    try:
        return any(name.endswith(f"@{socket.gethostname()}") for names in Broker(broker).queues().values() for name in names)
    except StoreUnavailable:
        return False
