"""Dagster's PostgreSQL storage with connections that are kept, and calls that outlive an outage of PostgreSQL.

Dagster's own opens a connection for every statement, and looks for its tables three times in every new process and every tick of a
sensor; that cost more than the statements. Here a process has one engine for all of it. Its connections are asked before use, so
that a restarted server is noticed there and not by an event that cannot be written. A run whose event cannot be written is dead,
whatever its document has reached: so a connection waits for AEGIS_OUTAGE_SECONDS, and a call whose connection breaks is repeated.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any, Final, ParamSpec, TypeVar

import sqlalchemy
import stamina
from dagster_postgres import DagsterPostgresStorage
from dagster_postgres.utils import create_pg_engine, pg_url_from_config, retry_pg_connection_fn, retry_pg_creation_fn
from sqlalchemy.exc import DBAPIError

from aegis_assets.outages import OutageClock
from aegis_assets.postgres_options import connection_options
from aegis_assets.settings import settings

P = ParamSpec("P")
R = TypeVar("R")

# Dagster's, by which this storage sees whether all are there.
TABLES: Final = [
    *("asset_check_executions", "asset_daemon_asset_evaluations", "asset_event_tags", "asset_keys", "backfill_tags"),
    *("bulk_actions", "concurrency_limits", "concurrency_slots", "daemon_heartbeats", "dynamic_partitions", "event_logs"),
    *("instance_info", "instigators", "job_ticks", "jobs", "kvs", "pending_steps", "run_tags", "runs", "secondary_indexes"),
    "snapshots",
]
ARE_THERE: Final = sqlalchemy.text("SELECT bool_and(to_regclass(name) IS NOT NULL) FROM unnest(:names) AS name")


class PooledPostgresStorage(DagsterPostgresStorage):
    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> PooledPostgresStorage:
        url = with_options(pg_url_from_config(config_value))
        engine = engine_of_process(url, os.getpid())
        complete = _has_tables(engine)
        storage = cls(url, should_autocreate_tables=not complete, inst_data=inst_data)
        parts: tuple[Any, ...] = (storage.run_storage, storage.event_log_storage, storage.schedule_storage)
        for part in parts:
            if not complete:
                _create_rest(part)
            part._engine = engine
            _repeat_broken_calls(part)
        return storage


def with_options(url: str) -> str:
    """Return the address with our parameters, for Dagster's storages also make engines of their own from it."""
    parsed = sqlalchemy.make_url(url)
    options = connection_options("aegis dagster", {name: str(value) for name, value in parsed.query.items()})
    query = {name: str(value) for name, value in options.items()}
    return parsed.set(query=query).render_as_string(hide_password=False)


@lru_cache(maxsize=4)
def engine_of_process(url: str, pid: int) -> sqlalchemy.Engine:
    """pid: a forked child makes its own."""
    engine = create_pg_engine(url, isolation_level="AUTOCOMMIT", pool_size=2, max_overflow=30, pool_pre_ping=True)
    outage = OutageClock(settings().outage_seconds)

    @sqlalchemy.event.listens_for(engine, "do_connect")
    def connect(dialect: Any, _: Any, arguments: Any, options: Any) -> Any:
        """Connect in SQLAlchemy's stead; wait for a server that is away, stopping or starting."""
        for attempt in stamina.retry_context(
            on=lambda error: isinstance(error, dialect.loaded_dbapi.OperationalError) and outage.keep_waiting(),
            attempts=None,
            timeout=None,
            wait_initial=0.1,
            wait_max=2.0,
            wait_jitter=0.5,
        ):
            with attempt:
                connection = dialect.connect(*arguments, **options)
                outage.answered()
                return connection
        raise AssertionError("stamina returns or raises")

    return engine


def _repeat_broken_calls(storage: object) -> None:
    """Wrap the storage's public methods, which are called from within each other: a broken connection is met by the innermost."""
    for name, _ in inspect.getmembers(type(storage), inspect.isfunction):
        if not name.startswith("_"):
            setattr(storage, name, repeated(getattr(storage, name)))


def repeated(call: Callable[P, R]) -> Callable[P, R]:
    """Repeat a call whose connection broke while it was used, once: the second time `connect` waits.

    Trade-off: an event that was written just before its connection broke is written twice. Dagster takes the later.
    """

    @wraps(call)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return call(*args, **kwargs)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
        return call(*args, **kwargs)

    return wrapper


def _create_rest(part: Any) -> None:
    """Create tables that are missing.

    Dagster looks for the first one only and creates each by itself: a process that was killed meanwhile has left some out. Its
    public upgrade creates none in a database that was stamped, so these names of its are private.
    """
    retry_pg_creation_fn(part._init_db)


def _has_tables(engine: sqlalchemy.Engine) -> bool:
    def ask() -> bool:
        with engine.connect() as connection:
            return bool(connection.execute(ARE_THERE, {"names": TABLES}).scalar())

    return retry_pg_connection_fn(ask)
