"""A ledger and a graph of the release before migration 0017, migrated, against the same documents ingested anew.

`data/identity/present.json` was made by that release from the texts of `documents.json`: all documents but `making.md` published,
Globex and Initech merged by a person, and Umbrellas taken out of Umbrella.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from aegis_assets.model import ids
from aegis_assets.model.document import State
from aegis_assets.pipeline.decide import write_decided
from aegis_assets.pipeline.flow.resolve import resolve_documents
from aegis_assets.pipeline.outbox import Stores
from aegis_assets.pipeline.publish import compare
from aegis_assets.settings import Settings
from aegis_assets.stores.bolt import Bolt
from aegis_assets.stores.bucket import open_bucket
from aegis_assets.stores.graph import BoltGraph
from aegis_assets.stores.ledger import Ledger
from aegis_assets.stores.ledger.graph_view import GraphView
from aegis_assets.stores.vectors import QdrantVectors
from tests.doubles.name_embedder import NameEmbedder
from tests.marked import marked_extraction
from tests.pipeline import world as worlds
from tests.pipeline.world import World

DATA: Final = Path(__file__).parent / "data" / "identity"
DOCUMENTS: Final[dict[str, list[list[str]]]] = json.loads((DATA / "documents.json").read_text())
UNPUBLISHED: Final = "making.md"
ENDS: Final = {
    "FROM_DOCUMENT": ("Chunk", "Document"),
    "NEXT_CHUNK": ("Chunk", "Chunk"),
    "FROM_CHUNK": ("Entity", "Chunk"),
    "RELATES_TO": ("Entity", "Entity"),
}
BARE_CHUNKS: Final = """
MATCH (k:Chunk {collection: $c}) WHERE k.text CONTAINS '{' AND NOT (:Entity)-[:FROM_CHUNK]->(k) RETURN k.text AS text"""
TYPES: Final = (
    "SELECT e.name, f.name AS form, f.type, f.mentions, f.weight FROM aegis_surface_form f JOIN aegis_entity e ON e.id = entity_id"
)


def migrate(name: str | None) -> None:
    """Migrate forwards or backwards to the migration of this name, None for the last one."""
    executor = MigrationExecutor(connection)
    targets = [("documents", name)] if name else executor.loader.graph.leaf_nodes()
    executor.migrate(targets)


@pytest.fixture
def before(site: Path) -> Iterator[None]:
    """Migrate to the tables of the release before, and back to the present ones afterwards."""
    migrate("0016_bounds")
    yield
    migrate(None)


def load_ledger(tables: dict[str, list[dict[str, Any]]]) -> None:
    """Insert the rows as they were."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # no triggers: their tables have rows too
        for table, rows in tables.items():
            cursor.execute(
                f"INSERT INTO {table} SELECT * FROM json_populate_recordset(NULL::{table}, %s::json)", [json.dumps(rows)]
            )
            cursor.execute("SELECT pg_get_serial_sequence(%s, 'id') WHERE EXISTS (SELECT FROM information_schema.columns"
                " WHERE table_name = %s AND column_name = 'id' AND data_type = 'bigint')", [table, table])  # fmt: skip
            if found := cursor.fetchone():
                cursor.execute(f"SELECT setval(%s, max(id)) FROM {table}", [found[0]])
        cursor.execute("SET session_replication_role = DEFAULT")


def empty_graph(bolt: Bolt) -> None:
    """Delete what the graph holds of this file's collections."""
    for collection in ("present", "fresh"):
        for label in ("Entity", "Chunk", "Document"):
            scope = {"c": str(ids.collection_id(collection))}
            bolt.run((f"MATCH (n:{label} {{collection: $c}}) DETACH DELETE n", scope))


def load_graph(bolt: Bolt, nodes: dict[str, list[dict[str, Any]]], edges: dict[str, list[dict[str, Any]]]) -> None:
    """Make the nodes and edges as they were."""
    for label, rows in nodes.items():
        bolt.run((f"UNWIND $rows AS row CREATE (n:{label}) SET n = row", {"rows": rows}))
    for kind, rows in edges.items():
        a, b = ENDS[kind]
        ends = f"MATCH (a:{a} {{key: row.a}}), (b:{b} {{key: row.b}})"
        bolt.run((f"UNWIND $rows AS row {ends} CREATE (a)-[r:{kind}]->(b) SET r = row.values", {"rows": rows}))


@pytest.fixture
def stores(ledger_url: str, arcadedb: tuple[str, str], tmp_path: Path) -> Iterator[dict[str, Any]]:
    address, password = arcadedb
    graph, bolt = BoltGraph(address, "root", password), Bolt(address, "root", password)
    graph.ensure_schema()
    ledger, view = Ledger(ledger_url), GraphView(ledger_url)
    bucket, vectors = open_bucket((tmp_path / "bucket").as_uri(), Settings()), QdrantVectors(path=tmp_path / "vectors")
    empty_graph(bolt)
    yield {"ledger": ledger, "view": view, "vectors": vectors, "graph": graph, "bucket": bucket, "bolt": bolt}
    empty_graph(bolt)
    for one in (ledger, view, graph, bolt):
        one.close()


def ingest_all(world: World) -> None:
    """Do with the documents what the release before has done with them."""
    for number, (name, texts) in enumerate(DOCUMENTS.items()):
        run_id = f"run-{number}"
        document = world.prepare(name, texts, run_id)
        platform: Any = SimpleNamespace(ledger=world.ledger, embedder=NameEmbedder())
        resolve_documents(platform, [document], run_id)
        if name != UNPUBLISHED:
            world.publish(document, run_id)
            world.ledger.finish(document, run_id, State.SUCCEEDED, "")
    stores = Stores(world.view, world.vectors, world.graph)
    pair = (ids.entity_id(world.id, "Globex"), ids.entity_id(world.id, "Initech"))
    write_decided(world.ledger.merge_entities(world.id, pair, "ada"), stores)
    umbrella, umbrellas = (ids.entity_id(world.id, name) for name in ("Umbrella", "Umbrellas"))
    write_decided(world.ledger.split_entity(world.id, umbrella, [umbrellas], "ada"), stores)


def ledger_of(world: World) -> dict[str, Any]:
    """Return what the ledger holds of names, by names."""
    mine = " WHERE e.collection_id = %s"
    names = world.rows(
        "SELECT e.name, c.name AS canonical, e.type, e.normalised FROM aegis_entity e JOIN aegis_entity c ON c.id = e.canonical_id"
        + mine,
        world.id,
    )
    blocks = world.rows("SELECT e.name, b.key FROM aegis_entity_block b JOIN aegis_entity e ON e.id = b.entity_id" + mine, world.id)
    merges = world.rows(
        "SELECT least(l.name, r.name) AS a, greatest(l.name, r.name) AS b, reason, undone FROM aegis_merge m"
        " JOIN aegis_entity l ON l.id = m.left_id JOIN aegis_entity r ON r.id = m.right_id WHERE m.collection_id = %s",
        world.id,
    )
    said = world.rows(
        "SELECT m.name, e.name AS entity, m.type, m.joined_from IS NOT NULL AS joined FROM aegis_mention m"
        " JOIN aegis_entity e ON e.id = m.entity_id" + mine,
        world.id,
    )
    found = {"names": names, "blocks": blocks, "merges": merges, "said": said, "forms": world.rows(TYPES + mine, world.id)}
    return {what: sorted(tuple(row.values()) for row in rows) for what, rows in found.items()}


def test_a_ledger_and_a_graph_of_the_release_before_end_as_if_all_had_been_ingested_anew(
    before: None, stores: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worlds, "extraction", marked_extraction)
    present = json.loads((DATA / "present.json").read_text())
    load_ledger(present["ledger"])
    load_graph(stores["bolt"], present["nodes"], present["edges"])
    old, fresh = World("present", salt="present", **stores), World("fresh", salt="fresh", **stores)
    graph_before = old.nodes()

    migrate(None)

    assert old.nodes() == graph_before, "the graph stays whole until the sweep"
    old.require_mirror()
    with pytest.MonkeyPatch.context() as apart:  # sweep undoes its own, and the fixture's must stay
        old.sweep(apart)
    assert old.dirty() == []
    assert old.bolt.query(BARE_CHUNKS, c=str(old.id)) == []
    ingest_all(fresh)
    assert old.nodes() == fresh.nodes()
    assert ledger_of(old) == ledger_of(fresh)
    documents = [row["id"] for row in old.rows("SELECT id FROM aegis_document WHERE collection_id = %s", old.id)]
    held = compare(old.view.live_targets(documents), old.view.graph_facts(), None, old.graph)
    assert [one for one in held.values() if not one.agree] == []

    for decision in old.rows("SELECT id FROM aegis_decision WHERE collection_id = %s ORDER BY id DESC", old.id):
        write_decided(old.ledger.undo_decision(decision["id"], "ada"), Stores(old.view, old.vectors, old.graph))
    assert {"Globex", "Initech", "Umbrellas"} <= {name for name, _ in old.nodes()["counted"]}


def test_an_empty_ledger_is_migrated_to_the_same_tables(before: None) -> None:
    migrate(None)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM aegis_surface_form")
        assert cursor.fetchone() == (0,)
