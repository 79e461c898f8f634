"""The sensors' surroundings without engines: a platform whose ledger alone is there, and Dagster with its tables in PostgreSQL."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import dagster as dg
import pytest
import sqlalchemy

from aegis_assets import settings as settings_module
from aegis_assets.defs import platform as platform_module
from aegis_assets.defs.platform import PlatformResource
from aegis_assets.embedded import bootstrap
from aegis_assets.embedded.postgres import Postgres
from aegis_assets.stores.ledger import Ledger
from aegis_assets.stores.ledger.base import PooledConnection

NOWHERE = "127.0.0.1:1"


@dataclass
class Counted:
    ledger: list[str] = field(default_factory=list)
    dagster: list[str] = field(default_factory=list)


@dataclass
class Light:
    ledger: Ledger
    instance: dg.DagsterInstance
    statements: Counted

    def register(self, name: str, size: int = 10, collection: str = "books") -> UUID:
        return self.ledger.register(collection, "upload", name, name, f"blobs/{name}", name, size).document

    def tick(self, sensor: dg.SensorDefinition) -> list[dg.RunRequest]:
        """Evaluate the sensor as Dagster's daemon does, and return the runs that it asks for."""
        found = sensor(dg.build_sensor_context(instance=self.instance), platform=PlatformResource())
        return list(found.run_requests or []) if isinstance(found, dg.SensorResult) else []

    def run(self, status: dg.DagsterRunStatus, **tags: str) -> str:
        @dg.job(name="ingest")
        def ingest() -> None: ...

        return self.instance.create_run_for_job(ingest, status=status, tags=tags).run_id

    @contextmanager
    def counted(self) -> Iterator[Counted]:
        """Count the statements of the ledger and of Dagster."""
        self.statements.ledger.clear()
        self.statements.dagster.clear()
        yield self.statements

    def execute(self, statement: str, **values: Any) -> None:
        """Change Dagster's own tables."""
        with engine_of(self.instance).connect() as connection:
            connection.execute(sqlalchemy.text(statement), values)


def engine_of(instance: dg.DagsterInstance) -> sqlalchemy.Engine:
    """Return the engine of PooledPostgresStorage."""
    engine = getattr(instance.run_storage, "_engine", None)
    assert isinstance(engine, sqlalchemy.Engine)
    return engine


@pytest.fixture(scope="module")
def dagster_url(postgres_server: Postgres) -> Iterator[str]:
    """A database for Dagster, whose tables take seconds to make."""
    database = f"light_{os.getpid()}_{time.monotonic_ns()}"
    yield postgres_server.ensure_database(database).replace("postgresql://", "postgresql+psycopg2://", 1)
    postgres_server.drop_database(database)


@pytest.fixture
def light(ledger_url: str, dagster_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Light]:
    given = {
        "AEGIS_HOME": str(tmp_path),
        "AEGIS_POSTGRES_URL": ledger_url,
        "AEGIS_DAGSTER_POSTGRES_URL": dagster_url,
        "AEGIS_NEO4J_URL": f"bolt://{NOWHERE}",
        "AEGIS_ENGINE_URL": f"http://{NOWHERE}",
        "AEGIS_BUCKET_URL": (tmp_path / "bucket").as_uri(),
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DAGSTER_HOME", str(bootstrap.dagster_home(tmp_path)))
    settings_module.settings.cache_clear()
    platform_module.build.cache_clear()
    ledger = platform_module.build().ledger
    assert isinstance(ledger, Ledger)
    statements, execute = Counted(), PooledConnection.execute

    def noted(self: PooledConnection, query: Any, *positional: Any, **named: Any) -> Any:
        if str(query):  # the pool asks whether a connection lives by an empty one
            statements.ledger.append(str(query))
        return execute(self, query, *positional, **named)

    monkeypatch.setattr(PooledConnection, "execute", noted)
    with dg.DagsterInstance.get() as instance:
        instance.wipe()
        engine = engine_of(instance)
        sqlalchemy.event.listen(engine, "before_cursor_execute", lambda *words: statements.dagster.append(words[2]))
        yield Light(ledger, instance, statements)
        engine.dispose()
    ledger.close()
    settings_module.settings.cache_clear()
    platform_module.build.cache_clear()
