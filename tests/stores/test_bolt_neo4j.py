"""What a person may set up of a Neo4j server: a database by name, TLS by an authority of their own, reads apart from writes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from aegis_assets.errors import Misconfigured, StoreUnavailable
from aegis_assets.model.graph import GraphServer as ServerInfo
from aegis_assets.stores.bolt import Bolt, secured
from aegis_assets.stores.graph import BoltGraph
from tests.arcadedb_service import stop
from tests.certificates import make_authority, make_certificate
from tests.conftest import GraphServer, skipped_if_unavailable
from tests.neo4j_service import start_neo4j
from tests.services import free_ports

neo4j = pytest.mark.neo4j


class TlsServer:
    """A Neo4j with a certificate of an authority of its own, which can be emptied. It lets everybody in."""

    def __init__(self, home: Path) -> None:
        self.authority = make_authority(home / "authority")
        certificate = make_certificate(self.authority, home / "tls", addresses=())
        self.port, self._home = free_ports(1)[0], home / "neo4j"
        self._config = {
            "dbms.security.auth_enabled": "false",
            "server.bolt.advertised_address": f"localhost:{self.port}",
            "server.bolt.tls_level": "OPTIONAL",  # REQUIRED would not let the fixture ask whether it is up
            "dbms.ssl.policy.bolt.enabled": "true",
            "dbms.ssl.policy.bolt.base_directory": str(certificate.parent),
            "dbms.ssl.policy.bolt.public_certificate": certificate.name,
            "dbms.ssl.policy.bolt.private_key": certificate.with_suffix(".key").name,
        }
        self._process = start_neo4j(self._home, self.port, self._config)[0]

    def empty(self) -> None:
        """Start it again without its data."""
        stop(self._process)
        shutil.rmtree(self._home)
        self._process = start_neo4j(self._home, self.port, self._config)[0]

    def close(self) -> None:
        stop(self._process)


@pytest.fixture(scope="module")
def tls_server(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[TlsServer]:
    with skipped_if_unavailable("Neo4j", pytestconfig):
        server = TlsServer(tmp_path_factory.mktemp("tls"))
    yield server
    server.close()


@neo4j
@pytest.mark.parametrize("scheme", ["bolt+s", "neo4j+s"])
def test_a_certificate_of_ones_own_authority_is_trusted_where_a_setting_names_it(
    tls_server: TlsServer, scheme: str, tmp_path: Path
) -> None:
    address = f"{scheme}://localhost:{tls_server.port}"
    trusting = Bolt(address, "neo4j", "any", patience=10.0, ca_file=str(tls_server.authority))
    trusting.run(("CREATE (:TlsTest)", {}))
    assert trusting.query("MATCH (n:TlsTest) RETURN count(n) > 0 AS there") == [{"there": True}]
    trusting.close()

    stranger = make_authority(tmp_path, "stranger")
    for ca_file in ("", str(stranger)):
        wary = Bolt(address, "neo4j", "any", patience=1.0, ca_file=ca_file)
        with pytest.raises(Misconfigured, match="AEGIS_CA_FILE"):
            wary.query("RETURN 1")
        wary.close()


@neo4j
def test_a_certificate_for_another_host_is_refused_although_its_authority_is_trusted(tls_server: TlsServer) -> None:
    elsewhere = Bolt(f"bolt+s://127.0.0.1:{tls_server.port}", "neo4j", "any", patience=1.0, ca_file=str(tls_server.authority))
    with pytest.raises(Misconfigured, match="the host that the certificate is for"):
        elsewhere.query("RETURN 1")
    elsewhere.close()


def test_a_file_without_certificates_is_said_before_anything_is_sent(tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_text("no certificate")
    for path in (tmp_path / "no.pem", tmp_path / "absent.pem"):
        with pytest.raises(Misconfigured, match="AEGIS_CA_FILE cannot be read"):
            Bolt("neo4j+s://127.0.0.1:9", "neo4j", "any", patience=1.0, ca_file=str(path)).query("RETURN 1")


def test_only_an_encrypted_address_gets_the_authorities(tls_authority: Path) -> None:
    assert secured("bolt://h:1", str(tls_authority)) == ("bolt://h:1", {})
    assert secured("neo4j+ssc://h:1", str(tls_authority)) == ("neo4j+ssc://h:1", {})
    assert secured("neo4j+s://h:1", "") == ("neo4j+s://h:1", {})
    address, options = secured("neo4j+s://h:1", str(tls_authority))
    assert (address, list(options)) == ("neo4j://h:1", ["ssl_context"])


@pytest.fixture
def tls_authority(tmp_path: Path) -> Path:
    return make_authority(tmp_path)


@neo4j
def test_a_server_whose_data_were_replaced_is_used_on(tls_server: TlsServer) -> None:
    """A process remembers the last transaction that it saw, and asks servers of a cluster to be as far on."""
    store = Bolt(f"neo4j://localhost:{tls_server.port}", "neo4j", "any", patience=60.0)
    for _ in range(50):
        store.run(("CREATE (:Before)", {}))
    tls_server.empty()
    assert store.query("MATCH (n:Before) RETURN count(n) AS n") == [{"n": 0}]
    store.run(("CREATE (:After)", {}))
    assert store.query("MATCH (n:After) RETURN count(n) AS n") == [{"n": 1}]
    store.close()


@neo4j
def test_a_query_only_reads(neo4j_server: GraphServer) -> None:
    """In a cluster it goes to a follower, which writes nothing."""
    store = Bolt(neo4j_server.address.replace("bolt://", "neo4j://"), neo4j_server.user, neo4j_server.password)
    label = f"Written{uuid4().hex}"
    with pytest.raises(StoreUnavailable, match=r"refused a statement \(Neo\.ClientError\.Statement\.AccessMode\)"):
        store.query(f"CREATE (:{label})")
    store.run((f"CREATE (:{label})", {}))
    assert store.query(f"MATCH (n:{label}) RETURN count(n) AS n") == [{"n": 1}]
    store.close()


def test_a_database_that_is_not_there_is_named_with_its_setting(graph_server: GraphServer) -> None:
    store = BoltGraph(graph_server.address, graph_server.user, graph_server.password, patience=5.0, database="no-such")
    with pytest.raises(Misconfigured, match="no database named 'no-such': check AEGIS_NEO4J_DATABASE"):
        store.check()
    store.close()


@neo4j
def test_the_server_says_its_edition_version_and_database(neo4j_server: GraphServer) -> None:
    for database in ("", "neo4j"):
        store = BoltGraph(neo4j_server.address, neo4j_server.user, neo4j_server.password, database=database)
        assert str(store.check()).startswith("Neo4j 5.26.")
        assert str(store.check()).endswith(" community, database neo4j")
        store.close()
    system = Bolt(neo4j_server.address, neo4j_server.user, neo4j_server.password, database="system")
    assert system.server().database == "system"
    system.close()


def test_arcadedb_is_not_taken_for_the_neo4j_that_it_says_it_is(arcadedb: tuple[str, str]) -> None:
    store = BoltGraph(arcadedb[0], "root", arcadedb[1])
    server = store.check()
    assert (server.product, server.has_dynamic_labels) == ("ArcadeDB", False)
    assert str(server).startswith("ArcadeDB 2")
    store.close()


@pytest.mark.parametrize(
    ("product", "version", "can"),
    [
        ("Neo4j", "5.26.0", True), ("Neo4j", "2025.10.1", True), ("Neo4j", "5.26-aura", True), ("Neo4j", "5.25.9", False),
        ("Neo4j", "4.4.40", False), ("Neo4j", "", False), ("Memgraph", "9.9", False),
    ],
)  # fmt: skip
def test_labels_as_parameters_come_with_neo4j_5_26(product: str, version: str, can: bool) -> None:
    assert ServerInfo(product=product, version=version, edition="", database="").has_dynamic_labels == can
