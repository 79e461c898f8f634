"""The environment of whoever types `make up` -> `stack.env` in AEGIS_HOME: everything that the running stack uses, 0600.

It holds what was generated (keys, tokens, passwords), the ports, and a copy of the settings given to `make up`, so that a command
typed later in another shell meets the same stores and engines. A next `make up` writes it anew from its own environment; only what
was generated stays. A file of variables rather than a vault: pydantic-settings reads it, and it is as safe as its directory.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from dotenv import dotenv_values
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from aegis_assets.embedded import arcadedb, postgres
from aegis_assets.errors import Misconfigured
from aegis_assets.settings import Settings

GENERATED: Final = ("AEGIS_SECRET_KEY", "AEGIS_ENGINE_TOKEN")
SECRET_BYTES: Final = 48  # 64 characters: Django wants 50 for its key
PORTS: Final = (
    "admin_port",
    "dagster_port",
    "code_port",
    "engine_port",
    "postgres_port",
    "bolt_port",
    "graph_http_port",
)
DAGSTER: Final = "dagster"  # the database of Dagster's own tables, on the ledger's server


def chosen() -> Settings:
    """What the environment of this process says, without what an earlier `make up` wrote down."""
    return Settings(_env_file=None)  # type: ignore[call-arg]


def write(home: Path, own: Settings) -> dict[str, str]:
    """Write the file of the stack that is about to start; returns its variables."""
    path = home / "stack.env"
    kept = dotenv_values(path, interpolate=False) if path.exists() else {}
    given = {f"AEGIS_{name.upper()}": _text(getattr(own, name)) for name in own.model_fields_set if name in Settings.model_fields}
    variables = {name: kept.get(name) or secrets.token_urlsafe(SECRET_BYTES) for name in GENERATED}
    variables |= {f"AEGIS_{name.upper()}": str(getattr(own, name)) for name in PORTS}
    variables |= {name: value for name, value in given.items() if value}
    variables |= {"AEGIS_HOME": str(home)} | _databases(home, own) | _graph(home, own)
    _store(path, variables)
    return variables


def ports(home: Path) -> dict[str, int]:
    """By the names of the settings: those that the stack was last started with."""
    written = dotenv_values(home / "stack.env", interpolate=False)
    return {name: int(written[f"AEGIS_{name.upper()}"] or 0) for name in PORTS if f"AEGIS_{name.upper()}" in written}


def _databases(home: Path, own: Settings) -> dict[str, str]:
    ledger = _checked("postgres_url", own.postgres_url) or postgres.of_home(home, own.postgres_port).prepared().url()
    given = _checked("dagster_postgres_url", own.dagster_postgres_url)
    dagster = given or urlunsplit(urlsplit(ledger)._replace(path=f"/{DAGSTER}"))
    return {"AEGIS_POSTGRES_URL": ledger, "AEGIS_DAGSTER_POSTGRES_URL": driver(dagster)}


def _checked(name: str, value: SecretStr) -> str:
    """The address, if it is one. psycopg's own sentence repeats it with its password."""
    url = value.get_secret_value()
    if not url:
        return ""
    try:
        parts = urlsplit(url)
        conninfo_to_dict(urlunsplit(parts._replace(scheme="postgresql")))
        sound = parts.scheme.split("+")[0] in ("postgresql", "postgres") and parts.path.strip("/") != ""
    except (ValueError, ProgrammingError):
        sound = False
    if not sound:
        raise Misconfigured(f"AEGIS_{name.upper()} is not an address like postgresql://user:password@host:5432/database.") from None
    return url


def driver(url: str) -> str:
    """Named, because SQLAlchemy 2.1 reads plain postgresql:// as psycopg 3, which refuses dagster-postgres' NOTIFY."""
    return urlunsplit(urlsplit(url)._replace(scheme="postgresql+psycopg2"))


def _graph(home: Path, own: Settings) -> dict[str, str]:
    if own.neo4j_url:
        return {}
    return {"AEGIS_NEO4J_USER": arcadedb.USER, "AEGIS_NEO4J_PASSWORD": arcadedb.password(home / "graph")}


def _text(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return str(value)


def _store(path: Path, variables: dict[str, str]) -> None:
    """Whole or not at all, and never readable by others, not even for a moment."""
    lines = ["# Written by `make up`. It holds passwords.\n"]
    for name, value in sorted(variables.items()):
        if "'" in value or "\n" in value or "${" in value or "\\" in value:
            raise Misconfigured(f"{name} holds a quote, a backslash, a line break or '${{', which stack.env cannot carry.")
        lines.append(f"{name}='{value}'\n")
    fresh = path.with_suffix(".fresh")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.writelines(lines)
    fresh.rename(path)
