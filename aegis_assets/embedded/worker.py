"""`make worker QUEUES=docling=2,gpu=1`, or `python -m aegis_assets.embedded.worker docling=2 gpu=1` -> a worker of those queues.

Beside a running stack it takes the stack's own settings (stack.env); on another machine the environment must name the shared
stores. Dagster reads its instance's addresses from the environment alone, so they are put there, and never on a command line.
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from dotenv import dotenv_values

from aegis_assets.embedded import bootstrap, secrets_file
from aegis_assets.embedded.supervision import inherited
from aegis_assets.settings import ROOT, home, load


def become(queues: str) -> NoReturn:
    """queues: as `aegis_assets.defs.worker` takes them; empty: AEGIS_WORKER_QUEUES."""
    place, now = home(), load()
    place.mkdir(parents=True, exist_ok=True)
    written = dotenv_values(place / "stack.env", interpolate=False) if (place / "stack.env").exists() else {}
    variables = {name: value for name, value in written.items() if value}
    if now.dagster_postgres_url.get_secret_value():
        variables["AEGIS_DAGSTER_POSTGRES_URL"] = secrets_file.driver(now.dagster_postgres_url.get_secret_value())
    variables |= {"AEGIS_HOME": str(place), "DAGSTER_HOME": str(bootstrap.dagster_home(place))}
    command = [sys.executable, "-m", "aegis_assets.defs.worker", *([queues] if queues else [])]
    os.chdir(ROOT)
    os.execve(sys.executable, command, inherited(variables))


if __name__ == "__main__":
    become(",".join(sys.argv[1:]))
