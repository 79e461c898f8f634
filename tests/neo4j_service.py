"""A real Neo4j (community) for tests, on a free loopback port, in the caller's directory.

Up in 5 to 15 s, 400 MB. The password is generated, and reaches Java by a file: a command line can be read by every account.
"""

from __future__ import annotations

import secrets
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import neo4j

from tests.download_cache import ServerUnavailable
from tests.neo4j_jars import neo4j_jars
from tests.services import free_ports

USER = "neo4j"
START_SECONDS = 120.0  # on a machine busy with other tests
ADMIN = "org.neo4j.server.startup.Neo4jAdminCommand"
SERVER = "org.neo4j.server.CommunityEntryPoint"
OPENED = ("java.nio", "java.io", "sun.nio.ch", "java.util.concurrent")
# Logs are not allocated ahead: they take 512 MB of a temporary directory for a few megabytes of data.
CONFIG: Mapping[str, str] = {
    "server.default_listen_address": "127.0.0.1",
    "server.http.enabled": "false",
    "dbms.usage_report.enabled": "false",
    "server.memory.pagecache.size": "64m",
    "db.tx_log.preallocate": "false",
    "db.tx_log.rotation.size": "16m",
}


def start_neo4j(
    home: Path, port: int | None = None, config: Mapping[str, str] | None = None
) -> tuple[subprocess.Popen[bytes], str, str]:
    """Return the process, its Bolt address and the password of USER. The caller stops the process.

    home: a directory used before keeps its data and its password. config: settings of neo4j.conf on top of ours. Raise
    ServerUnavailable without a JRE, or if the packages cannot be downloaded.
    """
    if shutil.which("java") is None:
        raise ServerUnavailable("`java` is not installed. On Debian: apt-get install default-jre-headless")
    jars = neo4j_jars()
    port = port or free_ports(1)[0]
    address = f"bolt://127.0.0.1:{port}"
    _configure(home, {**CONFIG, "server.bolt.listen_address": f"127.0.0.1:{port}", **(config or {})})
    password = _password(home, jars)
    opens = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENED]
    command = ["java", *opens, "-Xmx512m", "-XX:+UseSerialGC", "-cp", f"{jars}/*", SERVER]
    with (home / "server.out").open("ab") as log:
        process = subprocess.Popen(
            [*command, f"--home-dir={home}", f"--config-dir={home}"], cwd=home, stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )
    deadline = time.monotonic() + START_SECONDS
    while not _answers(address, password):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            process.wait(10)
            raise RuntimeError((home / "server.out").read_text(errors="replace")[-3000:])
        time.sleep(0.2)
    return process, address, password


def _configure(home: Path, config: Mapping[str, str]) -> None:
    home.mkdir(parents=True, exist_ok=True)
    (home / "neo4j.conf").write_text("".join(f"{name}={value}\n" for name, value in config.items()))


def _password(home: Path, jars: Path) -> str:
    """Return the password of this home, set before its server starts for the first time."""
    kept = home / "password"
    if kept.exists():
        return kept.read_text()
    password = secrets.token_hex(16)
    arguments = home / "set-password"
    arguments.touch(0o600)
    arguments.write_text(f"-cp\n{jars}/*\n{ADMIN}\ndbms\nset-initial-password\n{password}\n")
    environment = {"NEO4J_HOME": str(home), "NEO4J_CONF": str(home), "PATH": "/usr/bin:/bin"}
    java = shutil.which("java") or "java"
    done = subprocess.run([java, f"@{arguments}"], env=environment, capture_output=True, text=True, timeout=120, check=False)
    arguments.unlink()
    if done.returncode:
        raise RuntimeError(f"Neo4j's password could not be set: {done.stdout}{done.stderr}")
    kept.touch(0o600)
    kept.write_text(password)
    return password


def _answers(address: str, password: str) -> bool:
    with neo4j.GraphDatabase.driver(address, auth=(USER, password), connection_timeout=2.0, max_transaction_retry_time=0) as driver:
        try:
            driver.execute_query("RETURN 1")
        except (neo4j.exceptions.ServiceUnavailable, neo4j.exceptions.TransientError, neo4j.exceptions.SessionExpired):
            return False
    return True
