"""The contract tests against the newest Dagster that the index has, in a small venv: `python -m tests.dagster_ext.newest`.

Run it before the pinned version is raised. What fails says in its message where to look. The venv holds Dagster's packages and what
`dagster_ext` imports, in the versions of constraints.txt; it is removed afterwards. Takes two minutes and 400 MB.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Final

from aegis_assets.settings import ROOT

DAGSTER: Final = ("dagster==", "dagster-postgres==", "dagster-webserver==")
OURS: Final = ("anyio", "httpx", "psutil", "psycopg[binary,pool]", "pydantic-settings", "pytest", "pyyaml", "stamina", "structlog")
# The others need a PostgreSQL of the tests, or more of the project than a small venv has.
TESTS: Final = ("test_contracts.py", "test_launcher.py", "test_steps.py", "test_threads.py")


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="aegis-newest-") as name:
        directory = Path(name)
        venv.create(directory / "venv", with_pip=True)
        python = str(directory / "venv" / "bin" / "python")
        constraints = directory / "constraints.txt"
        pinned = (ROOT / "constraints.txt").read_text().splitlines()
        constraints.write_text("\n".join(line for line in pinned if not line.startswith("dagster")))
        newest = [line.replace("==", ">=") for line in pinned if line.startswith(DAGSTER)]  # pip would mix them with ancient ones
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--constraint", str(constraints), *newest, *OURS], check=True)
        subprocess.run([python, "-m", "pip", "list", "--disable-pip-version-check"], check=True)
        tests = [str(Path(__file__).parent / test) for test in TESTS]
        options = ["-q", "--noconftest", "-p", "no:cacheprovider", "-o", "addopts="]
        return subprocess.run([python, "-m", "pytest", *options, *tests], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
