"""The commands as people type them: output, JSON, exit codes, and one sentence when something is wrong."""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from django.contrib.auth import authenticate

from aegis_assets.embedded.postgres import Postgres
from aegis_assets.model.document import State
from aegis_assets.settings import ROOT
from tests.doubles.dagster_graphql import DagsterDouble
from tests.services import free_ports
from tests.webadmin.conftest import forget
from tests.webadmin.typed import Typed
from tests.webadmin.uploads import put
from webadmin.documents import console, services
from webadmin.documents.models import Document


def test_a_name_cannot_steer_the_terminal(ends: dict[str, State]) -> None:
    assert console.printable("a\x1b[2Jb\r\n") == "a\ufffd[2Jb\ufffd\n"


def test_cancel_of_a_waiting_document_is_done_when_it_returns(site: Path) -> None:
    document = put("a.md")
    assert Typed("cancel", str(document)).code == 0
    assert Document.objects.get(pk=document).state == State.CANCELLED
    typed = Typed("cancel", str(document))
    assert typed.code == 1
    assert "cancelled" in typed.err


def test_remove_waits_until_the_document_is_gone(site: Path, dagster: DagsterDouble) -> None:
    document = put("a.md")
    remover = threading.Timer(0.3, lambda: Document.objects.filter(pk=document, state=State.REMOVING).delete())
    remover.start()
    typed = Typed("remove", "a.md")
    remover.join()
    assert typed.code == 0
    assert not Document.objects.exists()
    assert [run["job"] for run in dagster.runs.values()] == ["remove"]


def test_without_waiting_remove_returns_at_once(site: Path) -> None:
    document = put("a.md")
    assert Typed("remove", str(document), "--no-wait").code == 0
    assert Document.objects.get(pk=document).state == State.REMOVING


def test_a_name_that_two_documents_have_is_asked_about(site: Path) -> None:
    put("a.md", b"1")
    services.upload(io.BytesIO(b"1"), "a.md", "other")
    typed = Typed("cancel", "a.md")
    assert typed.code == 1
    assert "More than one" in typed.err
    assert Typed("cancel", "b.md").err.strip() == "There is no document named 'b.md'."


def test_a_name_is_found_however_its_letters_are_composed(site: Path) -> None:
    put("re\u0301sume\u0301.md")
    assert Typed("cancel", "re\u0301sume\u0301.md").code == 0
    assert Typed("cancel", "r\u00e9sum\u00e9.md").err.startswith("r\u00e9sum\u00e9.md: This document is cancelled")


@pytest.mark.parametrize(
    "words", [("retry", "x\udcff.md"), ("search", "x\udcff"), ("search", "x" * 20_000), ("remove", "%"), ("cancel", "_")]
)
def test_odd_words_are_answered_in_a_sentence(site: Path, words: tuple[str, str]) -> None:
    put("a.md")
    typed = Typed(*words)
    assert typed.code == 1
    assert "unexpected" not in typed.err
    assert typed.err.strip().endswith(".")


def test_a_defect_is_told_by_its_class_and_how_to_see_more(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(console, "find", fail)
    typed = Typed("retry", "a.md")
    assert typed.code == 1
    assert "ZeroDivisionError" in typed.err
    assert "--traceback" in typed.err
    assert "secret" not in typed.err


@pytest.mark.parametrize("words", [("retry", "a.md"), ("ingest", "LICENSE"), ("search", "x")])
def test_without_tables_a_command_says_how_to_make_them(postgres_server: Postgres, tmp_path: Path, words: tuple[str, str]) -> None:
    name = f"empty_{os.getpid()}"
    environment = {**os.environ, "AEGIS_HOME": str(tmp_path), "AEGIS_POSTGRES_URL": postgres_server.ensure_database(name)}
    try:
        done = subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        postgres_server.drop_database(name)
    assert done.returncode == 1
    assert "tables are missing" in done.stderr
    assert "`python manage.py migrate`" in done.stderr
    assert "Traceback" not in done.stderr


def test_search_says_what_is_away_and_never_shows_a_traceback(site: Path) -> None:
    put("a.md")
    typed = Typed("search", "anything")
    assert typed.code == 1
    assert "engine server" in typed.err
    assert "Traceback" not in typed.err
    assert Typed("search", "x", "--collection", "nowhere").err.strip() == "There is no collection named 'nowhere'."
    assert Typed("search", "  ").code == 1


@pytest.mark.parametrize("words", [("ingest", "x"), ("search", "x"), ("retry", "x"), ("createadmin",), ("demo",)])
def test_without_a_stack_a_command_says_how_to_start_it(site: Path, words: tuple[str, ...]) -> None:
    (port,) = free_ports(1)
    before = os.environ["AEGIS_POSTGRES_URL"]
    os.environ["AEGIS_POSTGRES_URL"] = f"postgresql://aegis@127.0.0.1:{port}/aegis"
    forget()
    try:
        typed = Typed(*words)
    finally:
        os.environ["AEGIS_POSTGRES_URL"] = before
        forget()
    assert typed.code == 1
    assert typed.err.strip() == (f"The stack is not running (no PostgreSQL at 127.0.0.1:{port}). Start it with make up.")


@pytest.mark.parametrize(
    ("setting", "words", "told"),
    [
        ({"AEGIS_PROFILE": "none"}, ("doctor",), "AEGIS_PROFILE names no profile"),
        ({"AEGIS_ADMIN_PORT": "eight"}, ("search", "x"), "AEGIS_ADMIN_PORT: "),
        ({"AEGIS_PRODUCTION": "1"}, ("search", "x"), "AEGIS_SECRET_KEY must be set"),
        ({}, ("search", "x", "--limit", "0"), "--limit: a number from 1 to 100"),
    ],
)
def test_what_is_wrong_before_a_command_begins_is_no_traceback(
    tmp_path: Path, setting: dict[str, str], words: tuple[str, ...], told: str
) -> None:
    environment = {**os.environ, "AEGIS_HOME": str(tmp_path), **setting}
    done = subprocess.run(
        [sys.executable, "manage.py", *words], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode != 0
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_the_doctor_names_every_part_and_what_to_do(site: Path, dagster: DagsterDouble) -> None:
    typed = Typed("doctor", "--json")
    found = json.loads(typed.out)
    checks = {check["part"]: check for check in found["checks"]}
    assert typed.code == 1
    assert not found["ok"]
    assert {name for name, check in checks.items() if check["ok"]} >= {"ledger", "bucket", "dagster", "dagster daemon", "disk"}
    for part in ("engine server", "graph"):
        assert not checks[part]["ok"]
        assert checks[part]["sentence"]
    assert "FAIL engine server" in Typed("doctor").out


def test_the_password_of_the_admin_is_made_once_and_kept_private(site: Path) -> None:
    typed = Typed("createadmin")
    path = site / "admin-password"
    password = path.read_text().strip()
    assert password in typed.out
    assert len(password) >= 20
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    user = authenticate(username="admin", password=password)
    assert user is not None
    assert user.is_superuser
    assert password not in Typed("createadmin").out
    assert path.read_text().strip() == password
