"""The running stack, used as a person uses it: by commands, by its pages, and by killing its parts."""

from __future__ import annotations

import fcntl
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from playwright.sync_api import Page, sync_playwright

from aegis_assets.embedded.stack import status
from aegis_assets.errors import NotFound
from aegis_assets.model.ids import collection_id
from aegis_assets.settings import Settings, load
from aegis_assets.stores.bolt import Bolt
from aegis_assets.stores.graph import BoltGraph
from aegis_assets.stores.ledger import Ledger
from aegis_assets.stores.vectors import QdrantVectors
from tests.chromium import launched
from tests.conftest import Stack

ENTITIES = "MATCH (e:Entity {collection: $collection}) RETURN e.name AS name, e.aliases AS aliases"
LAUNCH = "mutation($p: ExecutionParams!) { launchRun(executionParams: $p) { ... on LaunchRunSuccess { run { runId } } } }"


@dataclass
class Person:
    """What a person can do, and look at."""

    stack: Stack
    settings: Settings
    ledger: Ledger
    vectors: QdrantVectors
    graph: BoltGraph

    def manage(self, *words: str, seconds: float = 280.0) -> tuple[int, str, str]:
        done = self.stack.run(sys.executable, "manage.py", *words, time_out=seconds)
        return done.returncode, done.stdout, done.stderr

    def ingest(self, *paths: Path, collection: str = "default") -> list[dict[str, Any]]:
        _, out, _ = self.manage("ingest", *map(str, paths), "--collection", collection, "--json")
        return [json.loads(line) for line in out.splitlines() if line.startswith("{")]

    def launch(self, path: Path, collection: str) -> UUID:
        """The same without waiting: the document, whose run is on its way."""
        code, out, err = self.manage("ingest", str(path), "--collection", collection, "--no-wait")
        assert code == 0, out + err
        with self.ledger.connection() as connection:
            row = connection.execute(
                "SELECT id FROM aegis_document WHERE name = %s AND collection_id = %s", (path.name, collection_id(collection))
            ).fetchone()
        assert row is not None
        return UUID(str(row["id"]))

    def everything(self, document: UUID, collection: str) -> dict[str, Any]:
        """Ids in every store, and whether they agree."""
        scope = collection_id(collection)
        try:
            target = self.ledger.live_target(document)
        except NotFound:
            target = None
        chunks = set(self.ledger.graph_facts().chunk_ids(target.generation)) if target else set()
        entities = self.graph.entity_ids(scope, document)
        relations = self.graph.relation_triples_of(scope, sorted(entities))
        return {
            "chunks": chunks,
            "vectors": self.vectors.chunk_ids(scope, document),
            "graph": self.graph.chunk_ids(scope, document),
            "entities": entities,
            "relations": {triple for triple in relations if {triple[0], triple[2]} <= entities},
        }

    def entities(self, collection: str) -> dict[str, list[str]]:
        """Entities of the graph store: name -> aliases."""
        settings = self.settings
        bolt = Bolt(settings.graph_address, settings.neo4j_user, settings.neo4j_password.get_secret_value())
        rows = bolt.query(ENTITIES, collection=str(collection_id(collection)))
        bolt.close()
        return {row["name"]: row["aliases"] for row in rows}

    def dagster(self, query: str, **variables: object) -> Any:
        """What Dagster's page answers to a query of one field."""
        question = {"query": query, "variables": variables}
        answer = httpx.post(f"{self.stack.dagster}/graphql", json=question, timeout=30, trust_env=False).json()
        (value,) = answer["data"].values()
        return value

    def materialize(self, document: str) -> str:
        """A run of the document's partition, as from Dagster's page. Gives its id."""
        selector = {"repositoryLocationName": "aegis", "repositoryName": "__repository__", "jobName": "ingest"}
        [partition] = self.ledger.partition_keys([UUID(document)]).values()
        tags = {"tags": [{"key": "dagster/partition", "value": partition}]}
        return str(self.dagster(LAUNCH, p={"selector": selector, "runConfigData": {}, "executionMetadata": tags})["run"]["runId"])

    def worker(self, document: UUID) -> int | None:
        """The process of the run that works on the document: Dagster tells its pid."""
        run = self.ledger.document(document).run_id
        query = "query($r: ID!) { logsForRun(runId: $r) { ... on EventConnection { events { ... on MessageEvent { message } } } } }"
        for event in self.dagster(query, r=run).get("events", []):
            if event.get("message", "").startswith("Started process for run (pid: "):
                return int(event["message"].split("pid: ")[1].split(")")[0])
        return None

    def pid(self, part: str) -> int:
        return next(row.pid or 0 for row in status() if row.name == part)


@pytest.fixture
def alone() -> None:
    """For a test that counts what runs on the stack, or stops a part of it: none of another worker runs meanwhile."""


@pytest.fixture
def turn(request: pytest.FixtureRequest, session_folder: Path) -> Iterator[None]:
    with (session_folder / "stack.turn").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX if "alone" in request.fixturenames else fcntl.LOCK_SH)
        yield


@contextmanager
def person_at(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Person]:
    for name, value in stack.environment.items():
        monkeypatch.setenv(name, value)
    settings = load()
    ledger, graph = Ledger(settings.postgres_url.get_secret_value()), BoltGraph.from_settings(settings)
    yield Person(stack, settings, ledger, QdrantVectors.from_settings(settings), graph)
    ledger.close()
    graph.close()


@pytest.fixture
def person(stack: Stack, turn: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Person]:
    with person_at(stack, monkeypatch) as person:
        yield person


@pytest.fixture
def log_in(person: Person) -> Iterator[Callable[..., Page]]:
    """log_in(name, password, **options of the browser): a page of somebody. The test fails where it, or a tab beside it,
    has said an error."""
    problems: list[str] = []
    with sync_playwright() as playwright:
        browser = launched(playwright)

        def opened(name: str, password: str, **options: Any) -> Page:
            context = browser.new_context(**options)
            context.set_default_timeout(60_000)
            context.on(
                "console",
                lambda message: problems.append(f"{message.text} {message.location}") if message.type == "error" else None,
            )
            context.on("weberror", lambda error: problems.append(str(error.error)))
            page = context.new_page()
            page.goto(f"{person.stack.admin}/admin/")
            page.fill("#id_username", name)
            page.fill("#id_password", password)
            page.keyboard.press("Enter")
            page.wait_for_url(f"{person.stack.admin}/admin/")
            return page

        yield opened
        browser.close()
    assert problems == []


@pytest.fixture
def page(person: Person, log_in: Callable[..., Page]) -> Page:
    return log_in("admin", person.stack.admin_password)
