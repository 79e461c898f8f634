"""Demand 10: every process of the stack gets only the secrets that it needs."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import yaml

from aegis_assets.embedded import part_secrets, secret_volumes, secrets_file
from aegis_assets.embedded.parts import Part
from aegis_assets.embedded.supervision import MARK, Supervisor
from aegis_assets.settings import ROOT, Settings
from tests.conftest import Stack

# A part that tells which secrets its environment, and its settings, have.
TELLS = """
import json, os, sys, time
from pathlib import Path
from pydantic import SecretStr
from aegis_assets.settings import load
known = {name for name, value in load() if isinstance(value, SecretStr) and value.get_secret_value()}
own = {name.removeprefix("AEGIS_").lower() for name in os.environ} & set(sys.argv[2:])
fresh = Path(sys.argv[1] + ".fresh")
fresh.write_text(json.dumps([sorted(own), sorted(known)]))
fresh.rename(sys.argv[1])
time.sleep(600)
"""
FOR_THE_ENGINE = {"engine_token", "s3_access_key", "s3_secret_key", "embedding_api_key", "docling_serve_api_key"}
GETS = {
    "graph": set[str](),
    "postgres": set[str](),
    "engine": FOR_THE_ENGINE,
    "code": part_secrets.SECRETS - {"secret_key", "admin_password"},
    "admin": part_secrets.SECRETS - {"dagster_postgres_url", "admin_password"},
}


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    with tempfile.TemporaryDirectory() as home:
        one = Supervisor(Path(home))
        yield one
        one.stop()


def test_a_part_sees_no_secret_that_it_does_not_need(supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in its environment nor by reading the stack's file, which has them all."""
    urls = dict.fromkeys(("postgres_url", "dagster_postgres_url"), "postgresql://aegis:secret@127.0.0.1/aegis")
    urls["celery_broker"] = "redis://:secret@127.0.0.1/0"
    secrets = {f"AEGIS_{name.upper()}": urls.get(name, "secret") for name in part_secrets.SECRETS}
    environment = {**secrets, "AEGIS_HOME": str(supervisor.home), "PYTHONPATH": str(ROOT)}
    secrets_file._store(supervisor.home / "stack.env", environment)
    monkeypatch.delenv("AEGIS_SECRETS_DIR", raising=False)
    script = supervisor.home / "tells.py"
    script.write_text(TELLS)
    told = {name: supervisor.home / f"{name}.json" for name in GETS}
    parts = [
        Part(name, (sys.executable, str(script), str(path), *part_secrets.SECRETS), "-", (), lambda: True)
        for name, path in told.items()
    ]
    supervisor.start(parts, environment)
    for part in parts:
        supervisor.launch(part.name)
    deadline = time.monotonic() + 60
    while not all(path.exists() for path in told.values()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    seen = {name: [set(names) for names in json.loads(path.read_text())] for name, path in told.items()}
    assert seen == {name: [gets, gets] for name, gets in GETS.items()}


def test_the_engine_s_container_has_the_files_of_its_own_secrets_alone(tmp_path: Path) -> None:
    secret_volumes.write(tmp_path)
    secret_volumes.put(tmp_path, "aegis_embedding_api_key", "of a paid server")
    secret_volumes.put(tmp_path, "aegis_llm_api_key", "of another")
    files = {path.name.removeprefix("aegis_"): path.read_text() for path in (tmp_path / "engine").iterdir()}
    assert files.keys() == FOR_THE_ENGINE - {"docling_serve_api_key"}
    assert all((tmp_path / "aegis" / f"aegis_{name}").read_text() == text for name, text in files.items())
    compose = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())["services"]
    for engine in ("engine", "engine-gpu"):
        volumes = compose[engine]["volumes"]
        assert [volume for volume in volumes if "secrets" in volume] == ["secrets-engine:/run/secrets:ro"]


def test_every_secret_is_somebody_s_or_the_commands() -> None:
    given = set().union(part_secrets.DAGSTER, *part_secrets.NEEDED.values())
    assert set(part_secrets.SECRETS) - given == {"admin_password"}  # `manage.py createadmin` needs it, which `make up` runs
    assert {"secret_key", "postgres_url", "llm_api_key"} < part_secrets.SECRETS < set(Settings.model_fields)


def test_in_the_running_stack_the_engine_its_children_and_the_jvm_have_neither_key_nor_database(stack: Stack) -> None:
    hidden = {"AEGIS_SECRET_KEY", "AEGIS_POSTGRES_URL", "AEGIS_DAGSTER_POSTGRES_URL", "AEGIS_NEO4J_PASSWORD"}
    looked_at: dict[str, int] = {}
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            environment, command = process.environ(), " ".join([*process.cmdline(), *process.parent().cmdline()])
            kind = next((word for word in ("aegis_assets.engines.server", "arcadedb") if word in command), "")
            if environment.get(MARK) == str(stack.home) and kind and "supervisord" not in " ".join(process.cmdline()):
                looked_at[kind] = looked_at.get(kind, 0) + 1
                assert hidden & set(environment) == set(), command
    assert looked_at.keys() == {"aegis_assets.engines.server", "arcadedb"}
