"""Where a setting comes from: the environment, then stack.env, then the file, then the default."""

from __future__ import annotations

from pathlib import Path

import pytest

from aegis_assets.settings import load


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


@pytest.mark.parametrize(
    ("name", "field"), [("GRAPH_EXTRACTION_WORKERS", "parallel_chunks_per_doc"), ("EMBEDDING_BATCH_SIZE", "embedding_batch_size")]
)
def test_the_names_of_the_predecessor_are_taken_too(home: Path, monkeypatch: pytest.MonkeyPatch, name: str, field: str) -> None:
    monkeypatch.setenv(name, "9")
    assert getattr(load(), field) == 9


@pytest.mark.parametrize(("name", "value"), [("AEGIS_WINDOW_PAGES", "0"), ("AEGIS_ADMIN_PORT", "eight"), ("AEGIS_PROFILE", "none")])
def test_a_wrong_value_is_an_error_that_names_it(home: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=f"(?i){name.removeprefix('AEGIS_')}|{name}"):
        load()


def test_passwords_do_not_show_in_a_repr(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AEGIS_POSTGRES_URL", "postgresql://aegis:hunter2@127.0.0.1/aegis")
    assert "hunter2" not in repr(load())
