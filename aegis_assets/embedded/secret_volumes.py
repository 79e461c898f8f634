"""`python -m aegis_assets.embedded.secret_volumes DIRECTORY` -> the secrets of deploy/compose.yaml, a directory per server.

    DIRECTORY/aegis/aegis_engine_token, ...     read by our own parts as settings (secret_files.py)
    DIRECTORY/engine/aegis_engine_token, ...    what the engine server needs of them: it reads documents from anywhere
    DIRECTORY/postgres/password, neo4j/auth, qdrant/api_key, redis/redis.conf, s3/s3.json     what each server reads

Each directory is a volume that only its server's container mounts; each file is 0600 and belongs to the account that the server
runs under. What is there stays, so that a second start changes nothing. `... DIRECTORY put NAME < file` writes a setting's secret,
such as the key of a paid model server.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from aegis_assets.embedded.part_secrets import NEEDED
from aegis_assets.errors import AegisError, BadInput
from aegis_assets.settings import Settings

BYTES: Final = 48  # 64 characters: Django wants 50 for its key
OURS: Final = "aegis"
ENGINE: Final = "engine"
GENERATED: Final = (
    "aegis_admin_password",
    "aegis_celery_password",
    "aegis_engine_token",
    "aegis_neo4j_password",
    "aegis_postgres_password",
    "aegis_qdrant_api_key",
    "aegis_s3_access_key",
    "aegis_s3_secret_key",
    "aegis_secret_key",
)
ENGINE_NEEDS: Final = tuple(f"aegis_{name}" for name in sorted(NEEDED["engine"]))
# The accounts that the images run under. Neo4j's entrypoint refuses a file that is not its own account's, even as root.
ACCOUNTS: Final[Mapping[str, int]] = {
    OURS: 10001,
    ENGINE: 10001,
    "postgres": 999,
    "neo4j": 7474,
    "qdrant": 1000,
    "redis": 999,
    "s3": 0,
}


def write(directory: Path) -> None:
    """Generate what is missing, and derive the servers' files from it."""
    ours = directory / OURS
    values = {}
    for name in GENERATED:
        path = ours / name
        if not path.exists() or not path.read_text().strip():
            store(path, secrets.token_urlsafe(BYTES), ACCOUNTS[OURS])
        values[name] = path.read_text().strip()
    for name, text in server_files(values).items():
        store(directory / name, text, ACCOUNTS[name.split("/", maxsplit=1)[0]])
    for name in ENGINE_NEEDS:
        if (ours / name).exists():
            store(directory / ENGINE / name, (ours / name).read_text().strip(), ACCOUNTS[ENGINE])


def server_files(values: Mapping[str, str]) -> dict[str, str]:
    """Return the text of each server's file, by its path below the directory."""
    credentials = {"accessKey": values["aegis_s3_access_key"], "secretKey": values["aegis_s3_secret_key"]}
    identity = {"name": OURS, "credentials": [credentials], "actions": ["Admin", "Read", "Write", "List", "Tagging"]}
    return {
        "postgres/password": values["aegis_postgres_password"],
        "neo4j/auth": f"neo4j/{values['aegis_neo4j_password']}",
        "qdrant/api_key": values["aegis_qdrant_api_key"],
        "redis/redis.conf": f"requirepass {values['aegis_celery_password']}\n",
        "s3/s3.json": json.dumps({"identities": [identity]}),
    }


def put(directory: Path, name: str, value: str) -> None:
    """Write the secret of one setting. Raises BadInput if no setting has that name, or the value is empty."""
    if not name.startswith("aegis_") or name.removeprefix("aegis_") not in Settings.model_fields:
        raise BadInput(f"No setting is called {name}: write it like aegis_engine_token.")
    if not value.strip():
        raise BadInput(f"The value of {name} is empty: give it on the standard input.")
    for part in (OURS, ENGINE) if name in ENGINE_NEEDS else (OURS,):
        store(directory / part / name, value.strip(), ACCOUNTS[part])


def store(path: Path, text: str, account: int) -> None:
    """Write a file whole or not at all, never readable by others, not even for a moment. Only root can give it away."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.fresh")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    if os.geteuid() == 0:
        os.chown(fresh, account, account)
        os.chown(path.parent, account, account)
        path.parent.chmod(0o700)
    fresh.rename(path)


def main(arguments: list[str]) -> int:
    try:
        match arguments:
            case [directory]:
                write(Path(directory))
            case [directory, "put", name]:
                put(Path(directory), name, sys.stdin.read())
            case _:
                raise BadInput("Name the directory of the secrets, and, to add to them: put NAME < file.")
    except AegisError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
