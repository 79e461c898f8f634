"""Descriptions in ledger and graph: kept by difference while documents come, change and go, at a cost that nothing makes grow."""

from __future__ import annotations

import pytest

from aegis_assets.pipeline.flow.rebuild import rebuild_graph
from aegis_assets.stores.ledger import describing
from tests.pipeline.test_remove import removed
from tests.pipeline.world import World
from tests.stores.ledger.touched import ledger_of_one_connection, touched

ENGINE = "The Engine is a machine of brass."
OTHER = "Nobody had ever seen the Engine move."


def described(world: World) -> dict[str, str]:
    """Return what the graph says of each entity."""
    query = "MATCH (e:Entity {collection: $c}) RETURN e.name AS name, e.description AS description"
    return {row["name"]: row["description"] for row in world.bolt.query(query, c=str(world.id))}


def evidence(world: World, name: str) -> int:
    query = "SELECT x.evidence FROM aegis_description x JOIN aegis_entity e ON e.id = x.entity_id WHERE e.name = %s"
    return int(world.rows(query, name)[0]["evidence"])


def test_an_entity_is_described_when_its_document_is_published(world: World) -> None:
    document = world.prepare("a.md", [[f"{OTHER} {ENGINE}"]])
    assert described(world) == {}
    world.publish(document)
    assert described(world) == {"Engine": ENGINE, "Nobody": OTHER, "The": ENGINE}
    assert not world.dirty()


def test_a_description_stands_until_its_evidence_has_doubled(world: World) -> None:
    world.ingest("a.md", [[OTHER, "They painted the Engine red.", "They painted the Engine blue."]])
    first = described(world)["Engine"]
    world.ingest("b.md", [[ENGINE]])
    world.ingest("c.md", [["Then all of them sold the Engine."]])
    assert (described(world)["Engine"], evidence(world, "Engine")) == (first, 3)
    world.ingest("d.md", [["Then all of them bought the Engine."]])
    assert (described(world)["Engine"], evidence(world, "Engine")) == (ENGINE, 6)


def test_a_description_goes_with_its_document_and_the_next_best_takes_its_place(world: World) -> None:
    world.ingest("a.md", [[OTHER]])
    document = world.ingest("b.md", [[ENGINE]])
    assert described(world)["Engine"] == ENGINE
    removed(world, document)
    assert described(world) == {"Nobody": OTHER, "Engine": OTHER}
    assert world.rows("SELECT 1 FROM aegis_description WHERE document_id = %s", document) == []


def test_of_the_last_document_no_description_remains(world: World) -> None:
    removed(world, world.ingest("a.md", [[ENGINE]]))
    assert described(world) == {}
    assert world.rows("SELECT 1 FROM aegis_description WHERE collection_id = %s", world.id) == []


def test_a_revision_that_names_the_same_in_another_sentence_is_described_anew(world: World) -> None:
    world.ingest("a.md", [[ENGINE]])
    again = "The Engine was a toy of tin."
    document = world.prepare("a.md", [[again]], run_id="run-2")
    assert described(world)["Engine"] == ENGINE
    world.publish(document, "run-2")
    assert described(world) == {"The": again, "Engine": again}
    assert world.rows("SELECT 1 FROM aegis_chunk WHERE text = %s", ENGINE) == []


def test_a_rebuild_gives_the_same_and_describes_what_an_earlier_release_wrote(world: World) -> None:
    world.ingest("a.md", [[f"{OTHER} {ENGINE}", "They painted the Engine red."]])
    before = described(world)
    world.bolt.run(("MATCH (e:Entity {collection: $c}) DETACH DELETE e", {"c": str(world.id)}))
    assert rebuilt(world) == before
    world.execute("DELETE FROM aegis_description WHERE collection_id = %s", world.id)
    world.bolt.run(("MATCH (e:Entity {collection: $c}) REMOVE e.description", {"c": str(world.id)}))
    assert rebuilt(world) == before


def rebuilt(world: World) -> dict[str, str]:
    list(rebuild_graph(world.ledger, world.bucket, world.vectors, world.graph, world.id, anew=True))
    return described(world)


def test_names_that_become_one_have_one_description(world: World) -> None:
    world.ingest("a.md", [["Nobody had ever seen the Pump move."]])
    world.ingest("b.md", [["Pumps are the hearts of a mine."]], merges=True)
    world.publish(world.prepare("c.md", [["All Pumps stood still then."]], run_id="run-3"), "run-3")
    assert {name: text for name, text in described(world).items() if name.startswith("Pump")} == {
        "Pumps": "Pumps are the hearts of a mine."
    }
    assert len(world.rows("SELECT 1 FROM aegis_description x JOIN aegis_entity e ON e.id = x.entity_id WHERE e.name ~ 'Pump'")) == 1


def test_a_hub_costs_no_more_to_describe_than_its_limits(world: World, ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    world.ingest("many.md", [[f"Number {number} had much to do with the Engine then." for number in range(500)]])
    engine = world.rows("SELECT id FROM aegis_entity WHERE name = 'Engine'")[0]["id"]
    world.execute("DELETE FROM aegis_description WHERE entity_id = %s", engine)
    world.execute("ANALYZE")
    with ledger_of_one_connection(ledger_url, monkeypatch) as ledger:
        cost = touched(ledger, lambda: ledger.describe([engine]))
    assert cost["aegis_mention"] <= describing.READ
    assert described(world)["Engine"]


def test_descriptions_that_are_asked_for_twice_are_the_same(world: World) -> None:
    world.ingest("a.md", [[ENGINE]])
    view = world.view
    entities = [row["id"] for row in world.rows("SELECT id FROM aegis_graph_entity WHERE collection_id = %s", world.id)]
    before = world.rows("SELECT * FROM aegis_description ORDER BY entity_id")
    view.describe(entities)
    assert world.rows("SELECT * FROM aegis_description ORDER BY entity_id") == before
