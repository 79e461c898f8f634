"""A reachable PostgreSQL -> databases, tables, an admin account and a Dagster home: what the other parts stand on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit, urlunsplit

import psycopg
from psycopg import sql

from aegis_assets.embedded.supervision import inherited
from aegis_assets.errors import Internal, Misconfigured, StoreUnavailable
from aegis_assets.postgres_options import connection_options
from aegis_assets.settings import ROOT, Settings

ADMIN: Final = "admin"
HAS_DATABASE: Final = "SELECT 1 FROM pg_database WHERE datname = %s"
HAS_ADMIN: Final = "SELECT 1 FROM auth_user WHERE username = %s"


def prepare(now: Settings, environment: dict[str, str], say: Callable[[str], None]) -> None:
    """Doing it twice changes nothing. environment: of the stack, for the commands."""
    for url, setting in (
        (now.postgres_url.get_secret_value(), "AEGIS_POSTGRES_URL"),
        (now.dagster_postgres_url.get_secret_value(), "AEGIS_DAGSTER_POSTGRES_URL"),
    ):
        ensure_database(url, setting)
    _finish(_manage(environment, "migrate", "--noinput", "--verbosity", "0"), "migrate")
    if not has_admin(now):
        say(_finish(_manage(environment, "createadmin"), "createadmin").strip())  # with its password, this once


def ensure_database(url: str, setting: str) -> None:
    """Made if it is not there, on a server that lets us. Raises Misconfigured or StoreUnavailable, naming the setting.

    Whether it is there is asked in SQL: what a server says of it depends on the server's language.
    """
    url = url.replace("postgresql+psycopg2://", "postgresql://", 1)
    name = unquote(urlsplit(url).path.lstrip("/"))
    try:
        with psycopg.connect(url, **connection_options("aegis stack")):
            return
    except psycopg.OperationalError as error:
        if _has_database(url, name) is not False:
            raise StoreUnavailable(f"{setting} does not answer: {str(error).strip().splitlines()[-1]}") from error
    try:
        with psycopg.connect(_maintenance(url), autocommit=True, **connection_options("aegis stack")) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    except psycopg.Error as error:
        raise Misconfigured(f"The database {name} of {setting} does not exist and cannot be made: {error}") from error


def _maintenance(url: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path="/postgres"))


def _has_database(url: str, name: str) -> bool | None:
    """None where the server does not let us ask."""
    try:
        with psycopg.connect(_maintenance(url), **connection_options("aegis stack")) as connection:
            return connection.execute(HAS_DATABASE, (name,)).fetchone() is not None
    except psycopg.OperationalError:
        return None


def has_admin(now: Settings) -> bool:
    """Asked in SQL: starting Django to learn it would cost a start two seconds."""
    with psycopg.connect(now.postgres_url.get_secret_value(), **connection_options("aegis stack")) as connection:
        return connection.execute(HAS_ADMIN, (ADMIN,)).fetchone() is not None


def dagster_home(home: Path) -> Path:
    """Return AEGIS_HOME/dagster with the project's dagster.yaml, which replaces an earlier release's."""
    directory = home / "dagster"
    directory.mkdir(exist_ok=True)
    _replace(directory / "dagster.yaml", (ROOT / "dagster.yaml").read_text())
    return directory


def _replace(path: Path, text: str) -> None:
    """Whoever reads it meanwhile, a worker that starts beside the stack, finds the old text or the new one."""
    fresh = path.with_name(f".{path.name}-{os.getpid()}")
    fresh.write_text(text)
    os.replace(fresh, path)


def _manage(environment: dict[str, str], *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(ROOT / "manage.py"), *words]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=inherited(environment),
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def _finish(process: subprocess.Popen[str], name: str) -> str:
    try:
        output, _ = process.communicate(timeout=300)
    except subprocess.TimeoutExpired as error:
        process.kill()
        raise Internal(f"manage.py {name} did not end within 300 s.") from error
    if process.returncode:
        raise Internal(f"manage.py {name} failed: {' | '.join(output.strip().splitlines()[-3:])}")
    return output
