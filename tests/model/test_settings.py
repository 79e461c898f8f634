"""Where a setting comes from: the environment, then stack.env, then the file, then the default."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from aegis_assets.errors import Misconfigured
from aegis_assets.settings import ROOT, Settings, load, parallelization


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AEGIS_HOME", str(tmp_path))
    numbers = tmp_path / "parallelization.yml"
    numbers.write_text("default: {window_pages: 11, parallel_documents: 5}\nprofiles: {small: {window_pages: 3}}\n")
    monkeypatch.setenv("AEGIS_PARALLELIZATION", str(numbers))
    return tmp_path


def test_the_file_gives_the_numbers_and_a_profile_changes_them(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (load().window_pages, load().parallel_documents) == (11, 5)
    monkeypatch.setenv("AEGIS_PROFILE", "small")
    assert (load().window_pages, load().parallel_documents) == (3, 5)


def test_stack_env_wins_over_the_file_and_the_environment_over_both(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "stack.env").write_text("AEGIS_WINDOW_PAGES=7\nAEGIS_ADMIN_PORT=9999\n")
    assert (load().window_pages, load().admin_port) == (7, 9999)
    monkeypatch.setenv("AEGIS_WINDOW_PAGES", "2")
    assert load().window_pages == 2


def test_an_empty_variable_is_an_absent_one(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AEGIS_HOME", "AEGIS_ADMIN_PORT", "AEGIS_QDRANT_URL"):
        monkeypatch.setenv(name, "")
    assert (load().home, load().admin_port, load().qdrant_url) == (ROOT / ".aegis", 8000, "")


@pytest.mark.parametrize(
    ("name", "field"), [("GRAPH_EXTRACTION_WORKERS", "parallel_chunks_per_doc"), ("EMBEDDING_BATCH_SIZE", "embedding_batch_size")]
)
def test_the_names_of_the_predecessor_are_taken_too(home: Path, monkeypatch: pytest.MonkeyPatch, name: str, field: str) -> None:
    monkeypatch.setenv(name, "9")
    assert getattr(load(), field) == 9


WRONG = [("AEGIS_WINDOW_PAGES", "0"), ("AEGIS_ADMIN_PORT", "eight"), ("AEGIS_PROFILE", "none"), ("AEGIS_LOG_LEVEL", "loud")]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_value_is_one_sentence_that_names_it(home: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(Misconfigured, match=rf"^{name}[^\n]*\.$"):
        load()


def test_every_wrong_value_is_named_at_once_and_none_is_shown(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AEGIS_ADMIN_PORT", "hunter2")
    monkeypatch.setenv("AEGIS_BOLT_PORT", "x")
    with pytest.raises(Misconfigured, match=r"AEGIS_ADMIN_PORT: .* AEGIS_BOLT_PORT: ") as wrong:
        load()
    assert "hunter2" not in wrong.value.message


@pytest.mark.parametrize("text", ["default: 3", ": ]", "- one\n- two", "default: {window_pages"])
def test_a_broken_file_is_a_sentence_that_names_it(home: Path, text: str) -> None:
    (home / "parallelization.yml").write_text(text)
    with pytest.raises(Misconfigured, match=r"parallelization\.yml"):
        load()


def test_an_empty_file_leaves_the_defaults(home: Path) -> None:
    (home / "parallelization.yml").write_text("")
    assert load().window_pages == 16


def test_a_log_level_may_be_written_small(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AEGIS_LOG_LEVEL", "warning")
    assert load().log_level == "WARNING"


def test_a_bucket_whose_listing_costs_money_is_looked_at_less_often(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load().watch_interval == 1
    monkeypatch.setenv("AEGIS_WATCH_URL", "s3://inbox")
    assert load().watch_interval == 30
    monkeypatch.setenv("AEGIS_WATCH_SECONDS", "5")
    assert load().watch_interval == 5


def test_owners_are_e_mail_addresses_and_teams(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load().owners == []
    monkeypatch.setenv("AEGIS_DAGSTER_OWNERS", "team:library, ada.lovelace@example.org,")
    assert load().owners == ["team:library", "ada.lovelace@example.org"]
    monkeypatch.setenv("AEGIS_DAGSTER_OWNERS", "the library")
    with pytest.raises(Misconfigured, match="AEGIS_DAGSTER_OWNERS: 'the library' is neither an e-mail address nor team:NAME"):
        _ = load().owners


def test_passwords_do_not_show_in_a_repr(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AEGIS_POSTGRES_URL", "postgresql://aegis:hunter2@127.0.0.1/aegis")
    assert "hunter2" not in repr(load())


def test_each_setting_is_read_by_something_and_each_number_of_the_file_is_a_setting() -> None:
    code = "".join(path.read_text() for folder in ("aegis_assets", "webadmin") for path in (ROOT / folder).rglob("*.py"))
    read = set(re.findall(r"\.([a-z]\w*)", code))
    assert set(Settings.model_fields) - read == set()
    table = parallelization()
    named = {name for numbers in (table.default, *table.profiles.values()) for name in numbers}
    assert named - set(Settings.model_fields) == set()


@pytest.fixture
def secrets(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = home / "secrets"
    directory.mkdir()
    monkeypatch.setenv("AEGIS_SECRETS_DIR", str(directory))
    return directory


def test_a_secret_is_read_from_its_file_after_the_environment_and_before_stack_env(
    secrets: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "stack.env").write_text("AEGIS_ENGINE_TOKEN=stack\nAEGIS_QDRANT_API_KEY=stack\n")
    (secrets / "aegis_engine_token").write_text("file\n")
    (secrets / "AEGIS_NEO4J_PASSWORD").write_text("pa ss#word")
    (secrets / "aegis_qdrant_api_key").write_text("\n")  # empty: absent
    (secrets / "..data").mkdir()  # as Kubernetes mounts them
    now = load()
    assert now.engine_token.get_secret_value() == "file"
    assert now.neo4j_password.get_secret_value() == "pa ss#word"
    assert now.qdrant_api_key.get_secret_value() == "stack"
    monkeypatch.setenv("AEGIS_ENGINE_TOKEN", "environment")
    assert load().engine_token.get_secret_value() == "environment"


@pytest.mark.parametrize(
    ("url", "composed"),
    [
        ("postgresql://aegis@db:5432/aegis", "postgresql://aegis:p%40ss%2Fw%3Ard@db:5432/aegis"),
        ("postgresql+psycopg2://aegis@db/x?sslmode=require", "postgresql+psycopg2://aegis:p%40ss%2Fw%3Ard@db/x?sslmode=require"),
        ("postgresql://aegis:own@db/aegis", "postgresql://aegis:own@db/aegis"),
        ("postgresql://%61egis@[::1]:5432/x", "postgresql://%61egis:p%40ss%2Fw%3Ard@[::1]:5432/x"),
        ("postgresql://[broken", "postgresql://[broken"),
        ("host=db dbname=aegis", "host=db dbname=aegis"),
    ],
)
def test_a_password_in_its_own_file_goes_into_the_addresses_without_one(
    secrets: Path, monkeypatch: pytest.MonkeyPatch, url: str, composed: str
) -> None:
    (secrets / "aegis_postgres_password").write_text("p@ss/w:rd")
    (secrets / "aegis_celery_password").write_text("hush")
    monkeypatch.setenv("AEGIS_POSTGRES_URL", url)
    monkeypatch.setenv("AEGIS_CELERY_BROKER", "redis://redis:6379/0")
    now = load()
    assert now.postgres_url.get_secret_value() == composed
    assert now.dagster_postgres_url.get_secret_value() == ""
    assert now.celery_broker.get_secret_value() == "redis://:hush@redis:6379/0"


def test_secrets_that_cannot_be_read_are_a_sentence_that_names_the_file(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (secrets / "aegis_engine_token").write_bytes(b"\xff\xfe")
    with pytest.raises(Misconfigured, match=r"secret's file .* cannot be read"):
        load()
    monkeypatch.setenv("AEGIS_SECRETS_DIR", str(secrets / "none"))
    with pytest.raises(Misconfigured, match=r"^AEGIS_SECRETS_DIR is no directory: "):
        load()
