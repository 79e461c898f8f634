"""Dagster's PostgreSQL storage with connections that are kept.

Dagster's own opens one for every statement, and looks for its tables three times in every new process and every tick of a sensor;
that cost more than the statements. Here a process has one engine for all of it. Its connections are asked before use, so that a
restarted server is noticed there and not by an event that cannot be written.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any

import sqlalchemy
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage
from dagster_postgres.utils import create_pg_engine, pg_url_from_config, retry_pg_connection_fn

TABLES = "SELECT to_regclass('runs') IS NOT NULL AND to_regclass('event_logs') IS NOT NULL AND to_regclass('job_ticks') IS NOT NULL"


class PooledPostgresStorage(DagsterPostgresStorage):
    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> PooledPostgresStorage:
        url = pg_url_from_config(config_value)
        engine = _engine(url, os.getpid())
        storage = cls(url, should_autocreate_tables=not _has_tables(engine), inst_data=inst_data)
        for part in (storage.run_storage, storage.event_log_storage, storage.schedule_storage):
            assert hasattr(part, "_engine"), "dagster_postgres keeps its engine elsewhere: look again how to share one"
            part._engine = engine
        return storage


@lru_cache(maxsize=4)
def _engine(url: str, pid: int) -> sqlalchemy.Engine:
    """pid: a forked child makes its own."""
    return create_pg_engine(url, isolation_level="AUTOCOMMIT", pool_size=2, max_overflow=30, pool_pre_ping=True)


def _has_tables(engine: sqlalchemy.Engine) -> bool:
    def ask() -> bool:
        with engine.connect() as connection:
            return bool(connection.execute(sqlalchemy.text(TABLES)).scalar())

    return retry_pg_connection_fn(ask)
