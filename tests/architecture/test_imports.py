"""Who may import whom: the contracts in pyproject.toml, and what a fresh interpreter really loads."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from aegis_assets.settings import ROOT

HEAVY = ("torch", "docling", "docling_core", "spacy", "FlagEmbedding", "transformers")


def loaded_by(module: str, home: Path) -> set[str]:
    """Top-level packages in a new interpreter after importing the module."""
    call = f"import {module}, sys; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    environment = {**os.environ, "AEGIS_HOME": str(home)}
    command = [sys.executable, "-c", call]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def sources() -> list[Path]:
    return [path for package in ("aegis_assets", "webadmin") for path in (ROOT / package).rglob("*.py")]


def test_the_import_contracts_hold() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]


def test_the_web_process_loads_neither_dagster_nor_anything_heavy(tmp_path: Path) -> None:
    assert loaded_by("webadmin.asgi", tmp_path) & {*HEAVY, "dagster"} == set()


def test_dagster_s_processes_load_nothing_heavy(tmp_path: Path) -> None:
    assert loaded_by("aegis_assets.definitions", tmp_path) & set(HEAVY) == set()


@pytest.mark.parametrize(
    "module", ["aegis_assets", "aegis_assets.definitions", "aegis_assets.engines.client", "aegis_assets.embedded.cli"]
)
def test_the_platform_does_not_know_django(module: str, tmp_path: Path) -> None:
    assert "django" not in loaded_by(module, tmp_path)


def test_the_model_loads_no_engine_and_no_store(tmp_path: Path) -> None:
    assert (
        loaded_by("aegis_assets.model.parsing", tmp_path) & {*HEAVY, "dagster", "psycopg", "neo4j", "qdrant_client", "httpx"}
        == set()
    )


def test_only_settings_read_the_environment() -> None:
    readers = []
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            reads = isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ" and isinstance(node.ctx, ast.Load)
            calls = isinstance(node, ast.Call) and ast.unparse(node.func) in (
                "os.environ.get",
                "os.getenv",
                "getenv",
                "environ.get",
            )
            if (reads or calls) and path != ROOT / "aegis_assets" / "settings.py":
                readers.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert readers == []
