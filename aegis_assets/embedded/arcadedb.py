"""ArcadeDB from its wheel (jars and a JRE) -> a command line that serves Bolt on loopback, and an answer to "is it ready?".

The wheel's own Python API embeds the JVM into the calling process; here the JVM is a process of its own, so that every worker
reaches one graph over Bolt, with the driver and the Cypher that serve Neo4j too. This module starts nothing: whoever owns the
process group runs the command.
"""

from __future__ import annotations

import os
import secrets
from importlib.util import find_spec
from pathlib import Path

from aegis_assets.errors import Misconfigured

USER = "root"
DATABASE = "neo4j"  # the name that a neo4j driver asks for when no database is named
HEAP_MB = 512  # a 390-page manual's graph stays below 300 MB resident; the heap grows to its bound only under load

# What the wheel's jars need of a modular JVM: vector instructions, and three packages opened by reflection.
_MODULES = (
    "--add-modules=jdk.incubator.vector",
    "--add-exports=java.management/sun.management=ALL-UNNAMED",
    "--add-opens=java.base/java.util.concurrent.atomic=ALL-UNNAMED",
    "--add-opens=java.base/java.nio.channels.spi=ALL-UNNAMED",
    "--enable-native-access=ALL-UNNAMED",
)


def password(home: Path) -> str:
    """The root password of the server in `home`, made once and kept 0600. The server reads the same file."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = home / "password"
    if not path.exists() or not path.read_text().strip():
        # Written beside and linked into place: of two that race, one wins and both read its password, whole.
        draft = home / f".password-{os.getpid()}-{secrets.token_hex(4)}"
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(24))
        if path.exists():
            path.unlink(missing_ok=True)  # a kill left an empty file
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()


def command(home: Path, bolt_port: int, http_port: int, heap_mb: int = HEAP_MB) -> list[str]:
    """The server's command line for data, configuration and logs in `home`. The password is in a file, for every user of the
    machine can read a command line."""
    package = _package()
    password(home)
    logs = home / "log"
    logs.mkdir(mode=0o700, exist_ok=True)
    options = {
        "server.rootPath": home,
        "server.rootPasswordPath": home / "password",
        "server.logsDirectory": logs,
        "server.mode": "production",
        "server.httpIncomingHost": "127.0.0.1",
        "server.httpIncomingPort": http_port,
        "server.plugins": "Bolt:com.arcadedb.bolt.BoltProtocolPlugin",
        "server.defaultDatabases": f"{DATABASE}[{USER}]",
        "bolt.host": "127.0.0.1",
        "bolt.port": bolt_port,
        "bolt.defaultDatabase": DATABASE,
    }
    return [
        str(package / "jre" / "bin" / "java"),
        f"-Xmx{heap_mb}m",
        "-XX:+UseSerialGC",  # one collector thread: this shares two cores with everything else
        "-XX:+ExitOnOutOfMemoryError",  # a supervisor restarts a dead server; nobody notices one that limps
        "-XX:-UsePerfData",  # no file under /tmp that outlives the server
        f"-XX:ErrorFile={logs / 'jvm-crash-%p.log'}",
        *_MODULES,
        *(f"-Darcadedb.{name}={value}" for name, value in options.items()),
        "-cp",
        str(package / "jars" / "*"),
        "com.arcadedb.server.ArcadeDBServer",
    ]


def ready(bolt_port: int, password: str) -> bool:
    """Whether a query over Bolt is answered. A listening port is not enough: the databases open after it."""
    from neo4j import GraphDatabase
    from neo4j.exceptions import DriverError, Neo4jError

    address = f"bolt://127.0.0.1:{bolt_port}"
    try:
        with GraphDatabase.driver(
            address,
            auth=(USER, password),
            connection_timeout=2.0,
            connection_acquisition_timeout=3.0,
            max_transaction_retry_time=0.0,
        ) as driver:
            return driver.execute_query("RETURN 1 AS one").records[0]["one"] == 1  # type: ignore[no-any-return]
    except (DriverError, Neo4jError, OSError):
        return False


def _package() -> Path:
    """Found without importing it: the package starts a JVM's worth of machinery on import."""
    spec = find_spec("arcadedb_embedded")
    if spec is None or spec.origin is None:
        raise Misconfigured("The package arcadedb-embedded is not installed: install it, or set AEGIS_NEO4J_URL to a graph server.")
    return Path(spec.origin).parent
