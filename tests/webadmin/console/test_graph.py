"""The graph page: what it draws, lists and quotes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from aegis_assets.model import ids
from aegis_assets.settings import settings
from aegis_assets.stores.bolt import Bolt
from aegis_assets.stores.bucket import open_bucket
from aegis_assets.stores.graph import BoltGraph
from aegis_assets.stores.ledger import Ledger
from aegis_assets.stores.ledger.graph_view import GraphView
from aegis_assets.stores.vectors import QdrantVectors
from tests.pipeline.world import World
from tests.webadmin.conftest import browser
from webadmin.console import timed
from webadmin.console.graph import queries
from webadmin.documents import platform
from webadmin.documents.models import Chunk, Collection, Entity

PAGE = reverse("console:graph")
PICTURE = reverse("console:graph-picture")
NAMES = reverse("console:graph-names")
HOSTILE = '<img src=x onerror="alert(1)">\u202e🙂'
PANEL = {"hx-request": "true"}


@pytest.fixture
def world(site: Path, ledger_url: str, arcadedb: tuple[str, str], tmp_path: Path) -> Iterator[World]:
    """A collection in the stores that the pages are set to."""
    address, password = arcadedb
    chosen = {"AEGIS_NEO4J_URL": address, "AEGIS_NEO4J_USER": "root", "AEGIS_NEO4J_PASSWORD": password}
    os.environ.update(chosen)
    settings.cache_clear()
    graph, bolt, view = BoltGraph(address, "root", password), Bolt(address, "root", password), GraphView(ledger_url)
    graph.ensure_schema()
    name = f"world-{uuid4().hex[:12]}"
    bucket = open_bucket((tmp_path / "bucket").as_uri(), settings())
    yield World(name, platform.ledger(), view, QdrantVectors(path=tmp_path / "v"), graph, bucket, bolt, name)
    platform.graph().close()
    for one in (graph, bolt, view):
        one.close()
    for name in chosen:
        os.environ.pop(name)
    settings.cache_clear()


def entity(world: World, name: str) -> UUID:
    return ids.entity_id(world.id, name)


def panel(client: Client, one: UUID) -> str:
    return client.get(reverse("console:graph-entity", args=[one]), headers=PANEL).content.decode()


def drawn(client: Client, **asked: object) -> tuple[set[str], set[tuple[str, str, str]]]:
    answer = client.get(PICTURE, asked).json()
    names = {node["id"]: node["name"] for node in answer["nodes"]}
    return set(names.values()), {(names[one["source"]], one["type"], names[one["target"]]) for one in answer["edges"]}


def test_a_picture_shows_an_entity_its_neighbours_and_what_relates_them(world: World) -> None:
    world.ingest("a.md", [["Ada meets Babbage", "Babbage builds Engine", "Engine eats Cards"]])
    viewer = browser(group="viewer")
    names, edges = drawn(viewer, entity=entity(world, "Babbage"))
    assert names == {"Ada", "Babbage", "Engine"}
    assert edges == {("Ada", "meets", "Babbage"), ("Babbage", "builds", "Engine")}
    nodes = {one["name"]: one for one in viewer.get(PICTURE, {"entity": entity(world, "Babbage")}).json()["nodes"]}
    assert nodes["Engine"]["neighbours"] == 2, "one of them is not drawn yet"
    seen = [entity(world, name) for name in names]
    assert drawn(viewer, entity=entity(world, "Engine"), seen=seen)[0] == {"Ada", "Babbage", "Engine", "Cards"}


@pytest.mark.parametrize("start", ["collection", "document", "chunk", "seen"])
def test_a_picture_begins_with_what_is_related_most(world: World, start: str) -> None:
    document = world.ingest("a.md", [["Ada meets Babbage", "Stone", "Stone", "Moon"]])
    chunks = [row["id"] for row in world.rows("SELECT id FROM aegis_chunk WHERE text LIKE 'Ada%%'")]
    asked = {"collection": world.id, "document": document, "chunk": chunks, "seen": [entity(world, "Ada")]}
    names, edges = drawn(browser(group="viewer"), **{start: asked[start]})
    assert {"Ada", "Babbage"} <= names
    assert edges == {("Ada", "meets", "Babbage")}


def test_a_picture_grows_by_steps_and_has_an_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    letters = [f"{chr(65 + n // 26)}{chr(97 + n % 26)}x" for n in range(40)]
    world.ingest("a.md", [[f"Hub meets {name}" for name in letters]])
    viewer, hub = browser(group="viewer"), entity(world, "Hub")
    first = viewer.get(PICTURE, {"entity": hub}).json()
    assert len(first["nodes"]) == 1 + queries.NODES_PER_STEP
    assert first["full"] is False
    assert next(node for node in first["nodes"] if node["name"] == "Hub")["neighbours"] == 40
    seen = [node["id"] for node in first["nodes"]]
    assert len(viewer.get(PICTURE, {"entity": hub, "seen": seen}).json()["nodes"]) == 1 + 2 * queries.NODES_PER_STEP
    monkeypatch.setattr(queries, "NODES_AT_MOST", 15)
    full = viewer.get(PICTURE, {"entity": hub, "seen": seen}).json()
    assert (len(full["nodes"]), full["full"]) == (15, True)


def test_a_picture_that_begins_with_a_chunk_says_so_and_searches_its_collection(world: World) -> None:
    world.ingest("a.md", [["Ada meets Babbage"]])
    Collection.objects.create(id=uuid4(), name="another")
    chunk = Chunk.objects.get(text__startswith="Ada")
    page = browser(group="viewer").get(PAGE, {"chunk": chunk.pk}).content.decode()
    assert "From a chunk of the document" in page
    assert reverse("console:chunk", args=[chunk.document_id, chunk.pk]) in page
    assert f'data-query="chunk={chunk.pk}"' in page
    assert f'data-collection="{world.id}"' in page


def test_what_is_seen_and_was_merged_meanwhile_is_drawn_once(world: World) -> None:
    world.ingest("a.md", [["Robot moves Stones", "Robots see Light"]], merges=True)
    names, _ = drawn(browser(group="viewer"), entity=entity(world, "Stones"), seen=[entity(world, "Robot"), uuid4()])
    assert names == {"Stones", "Robots"}


def test_what_a_revision_no_longer_says_is_not_drawn(world: World) -> None:
    document = world.ingest("a.md", [["Ada meets Babbage"]])
    world.prepare("a.md", [["Ada meets Menabrea"]], "run-2")
    assert drawn(browser(group="viewer"), entity=entity(world, "Ada"))[0] == {"Ada", "Babbage"}, "not live yet"
    world.publish(document, "run-2")
    assert drawn(browser(group="viewer"), entity=entity(world, "Ada"))[0] == {"Ada", "Menabrea"}


def test_names_are_found_by_any_part_and_by_any_alias(world: World) -> None:
    world.ingest("a.md", [["Robot moves Stones", "Robots see Light"]], merges=True)
    viewer = browser(group="viewer")

    def found(text: str, collection: object = world.id) -> list[tuple[str, str]]:
        answer = viewer.get(NAMES, {"collection": collection, "q": text}).json()
        return [(one["name"], one["alias"]) for one in answer["names"]]

    assert found("OBOTS") == [("Robots", "")]
    assert found("robot") == [("Robots", "")]
    assert found("ight") == [("Light", "")]
    assert found("%") == found("_") == found(" ") == found("x' OR 1=1") == []
    assert found("robot", uuid4()) == []
    Entity.objects.filter(name="Robot").update(name="Automaton", normalised="automaton")
    assert found("auto") == [("Robots", "Automaton")]


def test_an_entity_s_panel_gives_sentence_page_and_place(world: World) -> None:
    world.ingest("a.md", [["Nothing here. Ada meets Babbage in the park. Later on."]])
    text = panel(browser(group="viewer"), entity(world, "Ada"))
    assert "<mark>Ada</mark> meets Babbage in the park." in text
    assert "Nothing here" not in text.split('class="quotes"')[1].split("</ol>")[0]
    assert "a.md" in text
    assert "page 1" in text
    said = browser(group="viewer").get(
        reverse("console:graph-relation", args=[entity(world, "Ada"), entity(world, "Babbage")]), {"type": "meets"}
    )
    assert "<mark>Ada</mark> meets <mark>Babbage</mark>" in said.content.decode()


def test_hostile_names_are_text(world: World) -> None:
    world.ingest(HOSTILE, [["Ada meets Babbage"]])
    Entity.objects.filter(name="Ada").update(name=HOSTILE, type="<b>x</b>")
    Entity.objects.filter(name="Babbage").update(name="</script><script>alert(1)</script>")
    viewer = browser(group="admin")
    for page in (panel(viewer, entity(world, "Ada")), viewer.get(PAGE, {"entity": entity(world, "Ada")}).content.decode()):
        assert "<img src=x" not in page
        assert "<b>x</b>" not in page
        assert "<script>alert" not in page
        assert "&lt;img src=x" in page
    assert "application/json" in viewer.get(PICTURE, {"entity": entity(world, "Ada")}).headers["Content-Type"]


def test_the_number_of_queries_does_not_grow_with_what_is_shown(world: World) -> None:
    world.ingest("a.md", [["Ada meets Babbage"]])
    client = browser(group="admin")

    def counted(address: str, **asked: object) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(address, asked, headers=PANEL).status_code == 200
        return len(captured)

    def all_of_them() -> list[int]:
        one = entity(world, "Ada")
        return [
            counted(PAGE),
            counted(PAGE, entity=one),
            counted(PICTURE, entity=one),
            counted(PICTURE, collection=world.id),
            counted(reverse("console:graph-entity", args=[one])),
            counted(NAMES, collection=world.id, q="a"),
        ]

    few = all_of_them()
    world.ingest("b.md", [[f"Ada meets {name}" for name in ("Bernoulli", "Carnot", "Darwin", "Euler")], ["Euler writes Ada"]])
    assert all_of_them() == few


@pytest.mark.parametrize(
    ("address", "asked", "status"),
    [
        (PICTURE, {"entity": "x"}, 400),
        (PICTURE, {"seen": ["1", "2"]}, 400),
        (PICTURE, {"entity": str(UUID(int=7))}, 404),
        (NAMES, {"collection": "", "q": "a"}, 400),
        (PAGE, {"entity": "x"}, 404),
        (PAGE, {"document": str(UUID(int=7))}, 404),
        (PAGE, {"chunk": "x"}, 404),
        (PAGE, {"chunk": str(UUID(int=7))}, 404),
        (reverse("console:graph-entity", args=[UUID(int=7)]), {}, 404),
    ],
)
def test_what_is_not_there_is_said_and_nothing_breaks(
    admin: Client, ledger: Ledger, address: str, asked: dict[str, object], status: int
) -> None:
    assert admin.get(address, asked, headers=PANEL).status_code == status


def test_without_a_collection_the_page_says_what_to_do(admin: Client, ledger: Ledger) -> None:
    assert "upload a document" in admin.get(PAGE).content.decode()


def test_an_entity_s_address_opened_as_a_page_leads_to_the_page(world: World) -> None:
    world.ingest("a.md", [["Ada meets Babbage"]])
    answer = browser(group="viewer").get(reverse("console:graph-entity", args=[entity(world, "Ada")]))
    assert answer.headers["Location"] == f"{PAGE}?entity={entity(world, 'Ada')}"


def test_a_question_that_takes_too_long_is_given_up_with_a_sentence(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.ingest("a.md", [["Ada meets Babbage"]])
    slow: Callable[..., object] = lambda *_: queries.rows("SELECT pg_sleep(3)")  # noqa: E731
    monkeypatch.setattr(timed, "SECONDS", "0.05")
    monkeypatch.setattr(queries, "neighbourhood", slow)
    answer = browser(group="viewer").get(PICTURE, {"entity": entity(world, "Ada")})
    assert (answer.status_code, "too long" in answer.json()["error"]) == (503, True)


def test_relations_that_may_be_instructions_are_marked_and_can_be_left_out(world: World) -> None:
    world.ingest("a.md", [["Ada meets Babbage", "Babbage builds Engine"]])
    world.rows("UPDATE aegis_relation SET addressed = true WHERE type = 'builds' RETURNING id")
    viewer, babbage = browser(group="viewer"), entity(world, "Babbage")
    edges = viewer.get(PICTURE, {"entity": babbage}).json()["edges"]
    assert {edge["type"]: edge["addressed"] for edge in edges} == {"meets": False, "builds": True}
    assert drawn(viewer, entity=babbage, addressed="no")[1] == {("Ada", "meets", "Babbage")}
    assert panel(viewer, babbage).count("addresses the reader or a model") == 1
    stated = reverse("console:graph-relation", args=[babbage, entity(world, "Engine")])
    assert "addresses the reader or a model" in viewer.get(f"{stated}?type=builds", headers=PANEL).content.decode()
