"""Dagster over GraphQL: typed results in, one public sentence out.

Own client and not dagster_graphql's: that one imports dagster (four seconds and 100 MB in every web process) and waits 300 s by
default. Launching goes through the webserver and not through Dagster's tables, so that its run coordinator, tags and queue apply.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

import httpx
from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from aegis_assets.errors import EngineFailed, EngineUnavailable, NotFound
from aegis_assets.model.launch import CLAIM_TAG, IN_ITS_PROCESS, PARTITION_TAG, SIZE_TAG, SMALL_BYTES, removal_config
from webadmin.orchestrator import queries

LOCATION: Final = "aegis"
REPOSITORY: Final = "__repository__"
PARTITIONS: Final = "documents"
INGEST: Final = "ingest"
REMOVE: Final = "remove"
LAST_ASSET: Final = "knowledge_graph"
RANGE_START_TAG: Final = "dagster/asset_partition_range_start"
RANGE_END_TAG: Final = "dagster/asset_partition_range_end"
_BATCH: Final = 50


class Unanswered(EngineUnavailable):
    """The request was sent and the answer did not come: what was asked for may have happened."""


class RunStatus(StrEnum):
    QUEUED = "QUEUED"
    NOT_STARTED = "NOT_STARTED"
    MANAGED = "MANAGED"
    STARTING = "STARTING"
    STARTED = "STARTED"
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    CANCELING = "CANCELING"
    CANCELED = "CANCELED"


ENDED: Final = frozenset({RunStatus.SUCCESS, RunStatus.FAILURE, RunStatus.CANCELED})


class Run(BaseModel):
    """partition: of the document that a run is for, None for a run over a range or without partitions."""

    model_config = ConfigDict(frozen=True)

    id: str
    status: RunStatus
    tags: dict[str, str]

    @property
    def ended(self) -> bool:
        return self.status in ENDED

    @property
    def partition(self) -> str | None:
        if RANGE_START_TAG in self.tags and self.tags[RANGE_START_TAG] != self.tags.get(RANGE_END_TAG):
            return None
        return self.tags.get(PARTITION_TAG) or self.tags.get(RANGE_START_TAG)


class Queue(BaseModel):
    """Runs, of whatever job."""

    model_config = ConfigDict(frozen=True)

    queued: int
    running: int


class Pool(BaseModel):
    """slots: how many steps it admits. pending: steps that wait for one."""

    model_config = ConfigDict(frozen=True)

    name: str
    slots: int
    active: int
    pending: int


_POOL: Final = {
    "name": "concurrencyKey",
    "slots": "slotCount",
    "active": "activeSlotCount",
    "pending": "pendingStepCount",
}


class _Answer(BaseModel):
    """One field of a GraphQL reply; which of these are set depends on its type name."""

    typename: str
    message: str = ""
    run: dict[str, JsonValue] | None = None
    errors: list[dict[str, JsonValue]] = []

    @property
    def sentence(self) -> str:
        return _line(self.message or "; ".join(str(error.get("message", "")) for error in self.errors)) or self.typename


class DagsterClient:
    """timeout: seconds for one request, connecting included. Every method raises EngineUnavailable when Dagster does not answer
    and EngineFailed when it answers with an error."""

    def __init__(self, address: str, timeout: float = 10.0) -> None:
        self.address = address.rstrip("/")
        self._timeout = httpx.Timeout(timeout, connect=min(timeout, 3.0))

    def add_partitions(self, keys: Sequence[str]) -> None:
        """A key that exists is success."""
        for batch in _batches(list(keys)):
            variables: dict[str, JsonValue] = {f"key{n}": key for n, key in enumerate(batch)}
            reply = self._post(queries.add_partitions(len(batch)), {**self._partitions(), **variables})
            for n in range(len(batch)):
                _expect(_answer(reply, f"add{n}"), "AddDynamicPartitionSuccess", "DuplicateDynamicPartitionError")

    def launch(self, job: str, tags: Mapping[str, str] | None = None, run_config: Mapping[str, JsonValue] | None = None) -> str:
        """Put a run of `job` into Dagster's queue and return its id."""
        params: dict[str, JsonValue] = {
            "selector": {"repositoryLocationName": LOCATION, "repositoryName": REPOSITORY, "jobName": job},
            "runConfigData": dict(run_config or {}),
            "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in (tags or {}).items()]},
        }
        answer = _answer(self._post(queries.LAUNCH, {"params": params}), "launchRun")
        _expect(answer, "LaunchRunSuccess")
        if answer.run is None:
            raise EngineFailed("Dagster launched a run without saying which.")
        return str(answer.run["runId"])

    def launch_document(self, partition: str, claim: str = "", size: int = SMALL_BYTES) -> str:
        """partition: the document's. claim: by which the sensor finds the run whose answer was lost. size: bytes; decides how the
        run executes its ops and how long it waits for smaller ones."""
        tags = {PARTITION_TAG: partition, SIZE_TAG: str(size)} | ({CLAIM_TAG: claim} if claim else {})
        return self.launch(INGEST, tags, IN_ITS_PROCESS if size < SMALL_BYTES else None)

    def launch_removal(self, documents: Sequence[UUID]) -> str:
        return self.launch(REMOVE, {SIZE_TAG: "0"}, removal_config(documents))

    def run(self, run_id: str) -> Run:
        """Raises NotFound for a run that Dagster does not know."""
        reply = self._post(queries.RUN, {"id": run_id})
        answer = _answer(reply, "runOrError")
        if answer.typename == "RunNotFoundError":
            raise NotFound(f"Dagster does not know the run {run_id}.")
        _expect(answer, "Run")
        field = reply["runOrError"]
        assert isinstance(field, dict)
        tags = field.get("tags")
        pairs = {str(tag["key"]): str(tag["value"]) for tag in tags if isinstance(tag, dict)} if isinstance(tags, list) else {}
        return Run(id=run_id, status=RunStatus(str(field["status"])), tags=pairs)

    def run_status(self, run_id: str) -> RunStatus:
        return self.run(run_id).status

    def terminate(self, run_id: str, *, force: bool = False) -> None:
        """Ask the run to stop; force: mark it as cancelled whether or not its process answers. A run that has ended is success."""
        policy = "MARK_AS_CANCELED_IMMEDIATELY" if force else "SAFE_TERMINATE"
        answer = _answer(self._post(queries.TERMINATE, {"id": run_id, "policy": policy}), "terminateRun")
        if answer.typename == "TerminateRunFailure" and self.run(run_id).ended:
            return
        _expect(answer, "TerminateRunSuccess", "RunNotFoundError")

    def version(self) -> str:
        return str(self._post(queries.VERSION, {})["version"])

    def location_problem(self) -> str:
        """Why the code location cannot run anything now, '' when it can."""
        workspace = self._post(queries.LOCATIONS, {})["workspaceOrError"]
        entries = workspace.get("locationEntries") if isinstance(workspace, dict) else None
        for entry in entries if isinstance(entries, list) else []:
            if isinstance(entry, dict) and entry.get("name") == LOCATION:
                found = entry.get("locationOrLoadError")
                if isinstance(found, dict) and found.get("__typename") == "PythonError":
                    return f"Dagster could not load the code: {str(found.get('message')).strip().splitlines()[0][:300]}"
                return "" if found else "Dagster is still loading the code; try again in a few seconds."
        return f"Dagster has no code location named {LOCATION!r}: see workspace.yaml."

    def daemon_problem(self) -> str:
        """Which daemon is needed and gives no sign of life, '' when all do. Without them nothing leaves the queue."""
        instance = self._post(queries.DAEMONS, {})["instance"]
        health = instance.get("daemonHealth") if isinstance(instance, dict) else None
        statuses = health.get("allDaemonStatuses") if isinstance(health, dict) else None
        dead = [
            str(status["daemonType"]).lower()
            for status in (statuses if isinstance(statuses, list) else [])
            if isinstance(status, dict) and status.get("required") and not status.get("healthy")
        ]
        return f"Dagster's daemon does not run ({', '.join(dead)}): see make status." if dead else ""

    def occupancy(self) -> tuple[Queue, tuple[Pool, ...]]:
        """The queue of runs, and the pools of steps by name."""
        reply = self._post(queries.OCCUPANCY, {})
        instance = reply.get("instance")
        rows = instance.get("concurrencyLimits") if isinstance(instance, dict) else None
        try:
            pools = tuple(
                Pool.model_validate({field: row[key] for field, key in _POOL.items()})
                for row in (rows if isinstance(rows, list) else [])
                if isinstance(row, dict)
            )
            queue = Queue.model_validate({field: _count(reply, field) for field in ("queued", "running")})
        except (KeyError, ValidationError) as error:
            raise EngineFailed("Dagster's reply about its queue has an unknown shape.") from error
        return queue, tuple(sorted(pools, key=lambda pool: pool.name))

    def run_address(self, run_id: str) -> str:
        return f"{self.address}/runs/{run_id}"

    def partition_address(self, partition: str) -> str:
        """Return where Dagster's page shows what was made of a document."""
        return f"{self.address}/assets/{LAST_ASSET}?{urlencode({'view': 'partitions', 'partition': partition})}"

    def _partitions(self) -> dict[str, JsonValue]:
        return {
            "repository": {"repositoryName": REPOSITORY, "repositoryLocationName": LOCATION},
            "definition": PARTITIONS,
        }

    def _post(self, query: str, variables: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        try:
            reply = httpx.post(
                f"{self.address}/graphql",
                json={"query": query, "variables": dict(variables)},
                timeout=self._timeout,
                trust_env=False,  # a proxy from the environment must not see loopback traffic
            )
        except (httpx.ReadTimeout, httpx.ReadError, httpx.RemoteProtocolError) as error:
            raise Unanswered(f"Dagster at {self.address} did not answer in time: see make status.") from error
        except httpx.HTTPError as error:
            raise EngineUnavailable(f"Dagster is not reachable at {self.address}: start it with make up.") from error
        try:
            body = reply.json()
        except ValueError as error:
            raise EngineFailed(f"What answers at {self.address} is not Dagster (HTTP {reply.status_code}).") from error
        if not isinstance(body, dict) or body.get("errors") or not isinstance(body.get("data"), dict):
            raise EngineFailed(f"Dagster refused the request: {_first_error(body)}")
        return dict(body["data"])


def _answer(reply: Mapping[str, JsonValue], field: str) -> _Answer:
    found = reply.get(field)
    if not isinstance(found, dict):
        raise EngineFailed(f"Dagster's reply lacks {field}.")
    try:
        return _Answer.model_validate({**found, "typename": found.get("__typename")})
    except ValidationError as error:
        raise EngineFailed(f"Dagster's reply to {field} has an unknown shape.") from error


def _count(reply: Mapping[str, JsonValue], field: str) -> JsonValue:
    _expect(_answer(reply, field), "Runs")
    found = reply[field]
    assert isinstance(found, dict)
    return found["count"]


def _expect(answer: _Answer, *names: str) -> None:
    if answer.typename not in names:
        raise EngineFailed(f"Dagster refused: {answer.sentence}")


def _first_error(body: object) -> str:
    errors = body.get("errors") if isinstance(body, dict) else None
    if isinstance(errors, list) and errors and isinstance(errors[0], dict):
        return _line(str(errors[0].get("message") or "")) or "no reason given"
    return "no reason given"


def _line(words: str) -> str:
    """The first one: what follows is a traceback."""
    return next(iter(words.strip().splitlines()), "")[:300]


def _batches(keys: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(keys), _BATCH):
        yield keys[start : start + _BATCH]
