"""`python -m aegis_assets.embedded.container ACTION` -> one part of the platform as the process of a container.

    setup         make databases, tables, the user admin and buckets, then end
    admin, code, daemon, engine, webserver, worker     become that part: the command that `make up` runs
    check PART    end with 0 if the part in this container works (a health check)

Settings come from the environment and from secrets' files. Dagster reads its databases' addresses from the environment alone: they
are composed here and given to the process, so that neither the container's configuration nor a command line shows a password.
"""

from __future__ import annotations

import os
import sys
from typing import Final, NoReturn

from aegis_assets.embedded import bootstrap, secrets_file
from aegis_assets.embedded.part_secrets import withheld
from aegis_assets.embedded.parts import Part, parts
from aegis_assets.embedded.supervision import inherited
from aegis_assets.errors import AegisError, Misconfigured
from aegis_assets.settings import Settings, home, load
from aegis_assets.stores.bucket import open_bucket

NEVER: Final = ("postgres", "graph")  # the embedded servers, which a container has no volume for


def main(arguments: list[str]) -> int:
    """Return the exit code; an error of the platform is one sentence on stderr."""
    try:
        match arguments:
            case ["setup"]:
                setup(load())
            case ["check", name]:
                return 0 if find_part(name, load()).ready() else 1
            case [name]:
                become(name)
            case _:
                raise Misconfigured("Name one action: setup, check PART, or a part.")
    except AegisError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    return 0


def find_part(name: str, now: Settings) -> Part:
    """Return the part that `make up` would run under this name. Raises Misconfigured."""
    known = {part.name: part for part in parts(Settings.model_construct(), now) if part.name not in NEVER}
    if name not in known:
        raise Misconfigured(f"{name!r} is no part; this configuration has {', '.join(known)}.")
    return known[name]


def setup(now: Settings) -> None:
    """Doing it twice changes nothing. A bucket is made by the first write where its server allows that, as SeaweedFS does."""
    variables = environment(now)
    bootstrap.prepare(now, variables, print_line)
    for url in (now.bucket_address, now.watch_address):
        open_bucket(url, now).check()
    print_line("Databases, tables and buckets are there.")


def become(name: str) -> NoReturn:
    now = load()
    part, variables = find_part(name, now), environment(now)
    os.chdir(part.directory)
    hidden = withheld(name)
    os.execve(part.command[0], part.command, {key: value for key, value in inherited(variables).items() if key not in hidden})


def environment(now: Settings) -> dict[str, str]:
    """Return what a part's process needs beyond its container's environment. Raises Misconfigured where an address is missing."""
    urls = {"AEGIS_POSTGRES_URL": now.postgres_url, "AEGIS_DAGSTER_POSTGRES_URL": now.dagster_postgres_url}
    if missing := [name for name, url in urls.items() if not url.get_secret_value()]:
        raise Misconfigured(f"A container keeps no database: set {' and '.join(missing)}.")
    place = home()
    place.mkdir(parents=True, exist_ok=True)
    return {
        "AEGIS_HOME": str(place),
        "DAGSTER_HOME": str(bootstrap.dagster_home(place)),
        "AEGIS_CODE_HOST": now.code_host,
        "AEGIS_CODE_PORT": str(now.code_port),
        "AEGIS_DAGSTER_POSTGRES_URL": secrets_file.driver(now.dagster_postgres_url.get_secret_value()),
    }


def print_line(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
