"""Downloads Neo4j's community server once, by Maven, from the registry that this machine's Maven is configured for.

`python3 -m tests.neo4j_jars` fills the cache and prints its directory. Standard library only: .ci/run calls it while pip installs.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

from tests.download_cache import ServerUnavailable, cached

POM = Path(__file__).with_name("neo4j-pom.xml")
DOWNLOAD_SECONDS = 400.0  # 214 jars, 116 MB: 25 s by a near registry


def neo4j_version() -> str:
    version = ElementTree.parse(POM).findtext(".//{*}neo4j.version")
    assert version is not None
    return version


def neo4j_jars() -> Path:
    """Return the directory of the server's jars. Raise ServerUnavailable if it is neither cached nor can be downloaded."""
    return cached(f"neo4j-{neo4j_version()}", _download)


def _download(directory: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise ServerUnavailable("its packages are not downloaded yet, and `mvn` is not installed. On Debian: apt-get install maven")
    command = [maven, "-q", "-B", "-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={directory}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=DOWNLOAD_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise ServerUnavailable(f"`mvn` did not download its packages within {DOWNLOAD_SECONDS:.0f} s") from error
    if done.returncode:
        raise ServerUnavailable(f"`mvn` could not download its packages: {(done.stdout + done.stderr).strip()[-500:]}")


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{neo4j_jars()}\n")
    except ServerUnavailable as error:
        sys.exit(f"No Neo4j: {error}")
