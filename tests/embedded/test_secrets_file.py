from __future__ import annotations

from pathlib import Path

import pytest
from django.core.checks.security.base import SECRET_KEY_MIN_LENGTH

from aegis_assets.embedded import secrets_file
from aegis_assets.errors import Misconfigured
from aegis_assets.settings import load


@pytest.fixture
def home(open_directory: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = open_directory / "home"
    home.mkdir()
    monkeypatch.setenv("AEGIS_HOME", str(home))
    return home


def test_the_file_is_for_its_owner_alone(home: Path) -> None:
    secrets_file.write(home, secrets_file.chosen())
    assert (home / "stack.env").stat().st_mode & 0o777 == 0o600


def test_what_was_generated_stays_and_the_settings_read_it(home: Path) -> None:
    first = secrets_file.write(home, secrets_file.chosen())
    second = secrets_file.write(home, secrets_file.chosen())
    assert first == second
    now = load()
    assert now.secret_key.get_secret_value() == first["AEGIS_SECRET_KEY"]
    assert now.engine_token.get_secret_value() == first["AEGIS_ENGINE_TOKEN"]
    assert now.postgres_url.get_secret_value().endswith(f"@127.0.0.1:{now.postgres_port}/aegis")
    assert (now.neo4j_user, len(now.neo4j_password.get_secret_value()) > 20) == ("root", True)


def test_the_generated_key_is_as_long_as_django_wants_and_a_shorter_one_stays(home: Path) -> None:
    assert len(secrets_file.write(home, secrets_file.chosen())["AEGIS_SECRET_KEY"]) >= SECRET_KEY_MIN_LENGTH
    (home / "stack.env").write_text(f"AEGIS_SECRET_KEY={'old' * 14}\n")
    assert secrets_file.write(home, secrets_file.chosen())["AEGIS_SECRET_KEY"] == "old" * 14


def test_a_later_command_meets_the_ports_and_engines_that_the_stack_was_started_with(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AEGIS_ADMIN_PORT", "18000")
    monkeypatch.setenv("AEGIS_OLLAMA_URL", "http://ollama:11434")
    secrets_file.write(home, secrets_file.chosen())
    for name in ("AEGIS_ADMIN_PORT", "AEGIS_OLLAMA_URL"):
        monkeypatch.delenv(name)
    now = load()
    assert (now.admin_port, now.ollama_url) == (18000, "http://ollama:11434")


def test_the_next_start_forgets_a_setting_that_is_no_longer_given(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AEGIS_ADMIN_PORT", "18000")
    secrets_file.write(home, secrets_file.chosen())
    monkeypatch.delenv("AEGIS_ADMIN_PORT")
    assert secrets_file.write(home, secrets_file.chosen())["AEGIS_ADMIN_PORT"] == "8000"


def test_servers_of_one_s_own_get_no_generated_password(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AEGIS_POSTGRES_URL", "postgresql://me:secret@db.example/ledger")
    monkeypatch.setenv("AEGIS_NEO4J_URL", "bolt://graph.example:7687")
    variables = secrets_file.write(home, secrets_file.chosen())
    assert variables["AEGIS_POSTGRES_URL"] == "postgresql://me:secret@db.example/ledger"
    assert variables["AEGIS_DAGSTER_POSTGRES_URL"] == "postgresql+psycopg2://me:secret@db.example/dagster"
    assert "AEGIS_NEO4J_PASSWORD" not in variables
    assert not (home / "postgres").exists()


def test_a_value_that_the_file_cannot_carry_is_refused_by_name(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AEGIS_NEO4J_URL", "bolt://graph.example:7687")
    monkeypatch.setenv("AEGIS_NEO4J_PASSWORD", "it's")
    with pytest.raises(Misconfigured, match="AEGIS_NEO4J_PASSWORD"):
        secrets_file.write(home, secrets_file.chosen())
