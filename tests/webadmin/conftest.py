"""Django against the session's PostgreSQL, without a test runner of its own: each test begins with empty tables."""

# ruff: noqa: E402  Django's models can be imported after django.setup() alone.
from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aegis_assets.model.document import State
from aegis_assets.settings import settings
from tests.doubles.dagster_graphql import DagsterDouble

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webadmin.settings")

import django

django.setup()

import stamina
from django.conf import settings as django_settings
from django.contrib.auth.models import Group, Permission, User
from django.db import connections
from django.test import Client
from psycopg.conninfo import conninfo_to_dict

from tests.webadmin.typed import Worker
from webadmin.documents import platform
from webadmin.documents.aside import aside

if TYPE_CHECKING:
    from aegis_assets.stores.ledger import Ledger

django_settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # a real one is slow on purpose: 0.3 s
CACHED = (settings, platform.ledger, platform.bucket, platform.engine, platform.vectors, platform.graph)


@pytest.fixture(autouse=True)
def asked_here() -> None:
    """Each test has stores of its own, which a child of this process would not know; test_process has a web process that is one."""
    aside.on = False


@pytest.fixture
def dagster() -> Iterator[DagsterDouble]:
    double = DagsterDouble()
    yield double
    double.close()


@pytest.fixture
def site(ledger_url: str, dagster: DagsterDouble, tmp_path: Path) -> Iterator[Path]:
    """The admin on this test's database, bucket and Dagster; gives AEGIS_HOME."""
    chosen = {
        "AEGIS_POSTGRES_URL": ledger_url,
        "AEGIS_HOME": str(tmp_path),
        "AEGIS_DAGSTER_PORT": str(dagster.port),
        "AEGIS_MAX_FILE_MB": "1",
        "AEGIS_ENGINE_PORT": "9",  # nothing listens there
    }
    before = {name: os.environ.get(name) for name in chosen}
    os.environ.update(chosen)
    forget()
    parts = conninfo_to_dict(ledger_url)
    connection = connections["default"]
    connection.close()
    connection.settings_dict.update(
        NAME=parts["dbname"], USER=parts["user"], PASSWORD=parts.get("password", ""), HOST=parts["host"], PORT=parts["port"]
    )
    User.objects.all().delete()
    yield tmp_path
    platform.ledger().close()
    connection.close()
    for name, value in before.items():
        os.environ.pop(name) if value is None else os.environ.update({name: value})
    forget()


@pytest.fixture
def no_pauses() -> Iterator[None]:
    """What is away does not come back in this test: it is asked three times at once, where a page would go on for seconds."""
    with stamina.set_testing(True, attempts=3):
        yield


def forget() -> None:
    """What the process keeps for its life: a test is shorter."""
    for made_once in CACHED:
        made_once.cache_clear()


@pytest.fixture
def ledger(site: Path) -> Ledger:
    return platform.ledger()


def browser(*permissions: str, group: str = "", superuser: bool = False) -> Client:
    """A browser of someone who is logged in, with these permissions."""
    user = User.objects.create_user(f"user{User.objects.count()}", is_staff=True, is_superuser=superuser)
    for permission in permissions:
        user.user_permissions.add(Permission.objects.get(content_type__app_label="documents", codename=permission))
    if group:
        user.groups.add(Group.objects.get(name=group))
    client = Client(headers={"host": "localhost"})
    client.force_login(user)
    return client


@pytest.fixture
def admin(site: Path) -> Client:
    return browser(superuser=True)


@pytest.fixture
def ends(dagster: DagsterDouble, ledger: Ledger) -> Iterator[dict[str, State]]:
    """Documents end as this says, by name."""
    chosen: dict[str, State] = {}
    worker = Worker(dagster, ledger, chosen)
    worker.start()
    yield chosen
    worker.stop()


@pytest.fixture
def papers(tmp_path: Path) -> Path:
    folder = tmp_path / "papers"
    (folder / "deep").mkdir(parents=True)
    (folder / "one.md").write_text("one")
    (folder / "deep" / "two.md").write_text("two")
    (folder / ".hidden").write_text("hidden")
    (folder / "link.md").symlink_to("/etc/passwd")
    return folder
