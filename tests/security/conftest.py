"""The admin as a process of its own over the worker's PostgreSQL: one for this folder, since a start takes seconds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.conf import settings as django_settings

from tests.webadmin.admin_process import AdminProcess, started
from tests.webadmin.conftest import asked_here, dagster, ledger, site

__all__ = ["asked_here", "dagster", "ledger", "site"]  # fixtures

API_REQUESTS = 60  # a minute, of a user or token: more than the streams that a test opens


@pytest.fixture(scope="session")
def shared_admin(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdminProcess]:
    chosen = {
        "AEGIS_POSTGRES_URL": database_url,
        "AEGIS_HOME": str(tmp_path_factory.mktemp("admin")),
        "AEGIS_SECRET_KEY": django_settings.SECRET_KEY,  # sessions that a test makes hold there too
        "AEGIS_API_REQUESTS_PER_MINUTE": str(API_REQUESTS),
        "AEGIS_ENGINE_PORT": "9",  # nothing listens there
    }
    with started(**chosen) as admin:
        yield admin


@pytest.fixture
def admin_process(shared_admin: AdminProcess, site: object) -> AdminProcess:
    """The shared admin, its tables empty and nobody logged in."""
    shared_admin.client.cookies.clear()
    return shared_admin
