"""A person's decisions about names: who may take them, and what they do in ledger, graph and trail."""

from __future__ import annotations

from uuid import UUID

import pytest
from django.test import Client
from django.urls import reverse

from aegis_assets.stores.graph import BoltGraph
from aegis_assets.stores.ledger import Ledger
from tests.pipeline.world import World
from tests.webadmin.conftest import browser
from tests.webadmin.console.conftest import locked
from tests.webadmin.console.test_graph import NAMES, PAGE, PICTURE, drawn, entity, panel, world
from webadmin.console import timed
from webadmin.console.models import AuditEntry
from webadmin.documents import platform
from webadmin.documents.models import Decision, Merge

__all__ = ["world"]


def test_who_may_look_and_who_may_decide(world: World) -> None:
    world.ingest("a.md", [["Robot moves Stones", "Robots see Light"]], merges=True)
    robot, stones = entity(world, "Robot"), entity(world, "Stones")
    acts: list[tuple[str, dict[str, object]]] = [
        (reverse("console:graph-merge", args=[robot]), {"other": stones}),
        (reverse("console:graph-split", args=[robot]), {"name": robot}),
        (reverse("console:graph-undo", args=[1]), {}),
    ]
    for client in (browser(group="viewer"), browser(group="operator")):
        assert "It is the same as" not in panel(client, robot)
        assert [client.post(address, values).status_code for address, values in acts] == [403, 403, 403]
    nobody = browser()
    for address in (PAGE, PICTURE, NAMES, reverse("console:graph-decisions")):
        assert nobody.get(address).status_code == 403
    assert [browser(group="admin").get(address).status_code for address, _ in acts] == [405, 405, 405], "a GET decides nothing"
    assert Decision.objects.count() == 0


def test_merging_by_hand_acts_at_once_is_written_down_and_is_undone(world: World) -> None:
    document = world.ingest("a.md", [["Enigma breaks Codes", "Machine helps Turing"]])
    client = browser(group="admin")
    machine = entity(world, "Machine")

    answer = client.post(reverse("console:graph-merge", args=[entity(world, "Enigma")]), {"other": machine}, follow=True)

    assert "Enigma and Machine are one from now on" in answer.content.decode()
    assert [row[2] for row in world.state()["entities"] if row[0] == "Machine"] == [("Enigma",)]
    assert world.agreed(document)
    shown = panel(client, entity(world, "Enigma"))
    assert "by hand" in shown
    decision = Decision.objects.get()
    assert reverse("console:graph-undo", args=[decision.pk]) in shown
    entry = AuditEntry.objects.get(action="entity.merge")
    assert (entry.target, entry.details["other_name"]) == ("Enigma (thing)", "Machine")

    client.post(reverse("console:graph-undo", args=[decision.pk]))

    assert {row[0] for row in world.state()["entities"]} == {"Enigma", "Codes", "Machine", "Turing"}
    assert world.agreed(document)
    assert not Merge.objects.exists()
    assert AuditEntry.objects.filter(action="entity.undo merge").count() == 1
    assert "undone by" in client.get(reverse("console:graph-decisions")).content.decode()


def test_taking_names_out_acts_at_once_and_is_written_down(world: World) -> None:
    world.ingest("a.md", [["Robot moves Stones", "Robots see Light"]], merges=True)
    client = browser(group="admin")
    client.post(reverse("console:graph-split", args=[entity(world, "Robots")]), {"name": [entity(world, "Robot")]})
    assert {row[0] for row in world.state()["entities"] if row[0].startswith("Robot")} == {"Robot", "Robots"}
    assert AuditEntry.objects.get(action="entity.split").details["taken"] == ["Robot"]
    assert "Robots" in client.get(reverse("console:graph-decisions")).content.decode()


@pytest.mark.parametrize("other", ["", "x", str(UUID(int=7)), "itself"])
def test_a_merge_that_makes_no_sense_changes_nothing(world: World, other: str) -> None:
    world.ingest("a.md", [["Ada meets Babbage"]])
    ada = entity(world, "Ada")
    client = browser(group="admin")
    answer = client.post(reverse("console:graph-merge", args=[ada]), {"other": ada if other == "itself" else other}, follow=True)
    assert answer.status_code in (200, 404)
    assert Decision.objects.count() == AuditEntry.objects.filter(action__startswith="entity").count() == 0


def test_a_graph_store_that_is_away_gets_the_decision_when_it_is_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.ingest("a.md", [["Ada meets Babbage"]])
    away = BoltGraph("bolt://127.0.0.1:9", "root", "x", timeout=1.0, patience=0.2)
    client = browser(group="admin")
    with monkeypatch.context() as patch:
        patch.setattr(platform, "graph", lambda: away)
        answer = client.post(
            reverse("console:graph-merge", args=[entity(world, "Ada")]), {"other": entity(world, "Babbage")}, follow=True
        )
    assert "Ada and Babbage are one from now on" in answer.content.decode()
    assert drawn(client, entity=entity(world, "Ada"))[0] == {"Babbage"}, "looking needs no graph store"
    assert {row[0] for row in world.state()["entities"]} == {"Ada", "Babbage"}
    world.sweep(monkeypatch)
    assert {row[0] for row in world.state()["entities"]} == {"Babbage"}
    away.close()


def test_decisions_that_take_too_long_to_read_are_a_sentence(
    admin: Client, ledger: Ledger, ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timed, "SECONDS", "0.05")
    with locked(ledger_url, "aegis_decision"):
        answer = admin.get(reverse("console:graph-decisions"))
    assert answer.status_code == 200
    assert "This question takes too long" in answer.text
    assert "Nobody has merged" not in answer.text
