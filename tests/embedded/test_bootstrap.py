"""What is made on a PostgreSQL that is there, and what is said where it cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest

from aegis_assets.embedded import bootstrap
from aegis_assets.embedded.postgres import Postgres
from aegis_assets.errors import StoreUnavailable
from aegis_assets.settings import ROOT

SETTING = "AEGIS_POSTGRES_URL"


@pytest.fixture
def missing(postgres_server: Postgres) -> Any:
    name = "not there, yet"
    yield postgres_server.url(name.replace(" ", "%20"))
    postgres_server.drop_database(name)


def test_a_database_that_is_missing_is_made_once(missing: str) -> None:
    for _ in range(2):
        bootstrap.ensure_database(missing, SETTING)
    with psycopg.connect(missing, connect_timeout=5) as connection:
        assert connection.info.dbname == "not there, yet"


def test_it_is_made_whatever_the_language_of_the_server(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = psycopg.connect

    def german(url: str, **options: Any) -> Any:
        try:
            return connect(url, **options)
        except psycopg.OperationalError:
            raise psycopg.OperationalError("FATAL:  Datenbank »not there, yet« existiert nicht") from None

    monkeypatch.setattr(psycopg, "connect", german)
    bootstrap.ensure_database(missing, SETTING)
    with connect(missing, connect_timeout=5) as connection:
        assert connection.info.dbname == "not there, yet"


def test_a_role_that_does_not_exist_is_no_missing_database(postgres_server: Postgres) -> None:
    """Its message says 'does not exist' too, or that the password is wrong."""
    url = postgres_server.url("postgres").replace("//aegis:", "//stranger:", 1)
    with pytest.raises(StoreUnavailable, match=rf"{SETTING} does not answer: .*stranger"):
        bootstrap.ensure_database(url, SETTING)


def test_who_reads_dagsters_settings_while_they_are_written_finds_whole_ones(tmp_path: Path) -> None:
    (tmp_path / "dagster").mkdir()
    (tmp_path / "dagster" / "dagster.yaml").write_text("run_coordinator: {module: of.an.earlier.release}\n")
    with (tmp_path / "dagster" / "dagster.yaml").open() as reader:
        bootstrap.dagster_home(tmp_path)
        assert "earlier" in reader.read()
    assert (tmp_path / "dagster" / "dagster.yaml").read_text() == (ROOT / "dagster.yaml").read_text()
    assert [path.name for path in (tmp_path / "dagster").iterdir()] == ["dagster.yaml"]
