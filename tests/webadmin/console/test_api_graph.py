"""What was extracted from a document, and the removal of a collection, as a script sees them."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import Client
from django.urls import reverse

from aegis_assets.model.document import State
from aegis_assets.stores.ledger import Ledger
from tests.doubles.dagster_graphql import DagsterDouble
from tests.webadmin.conftest import browser
from tests.webadmin.console.ledger_rows import COLLECTION, entity, made, mention, relation
from tests.webadmin.console.test_api import new, script
from webadmin.console.models import AuditEntry
from webadmin.documents.models import Chunk, Collection, Description, DescriptionSource, Document, Entity, Relation

TEXT = "Ada Lovelace wrote notes. Lovelace knew Charles Babbage."


@pytest.fixture
def viewer(ledger: Ledger) -> Client:
    return script("viewer")


@pytest.fixture
def document() -> UUID:
    """Return a document of two chunks, in which Lovelace is another name of Ada Lovelace."""
    document = made([2], text=TEXT)
    first, second = document.chunks
    for name in ("Lovelace", "Ada"):
        Entity.objects.filter(pk=entity(name).pk).update(canonical=entity("Ada Lovelace"))
    mention(first, "Ada Lovelace", 0, 12)
    mention(first, "Lovelace", 26, 34)
    mention(second, "Ada", 0, 3)
    mention(second, "Charles Babbage", 40, 55)
    relation(first, "Lovelace", "Charles Babbage", 26, 56, kind="KNOW")
    relation(second, "Ada Lovelace", "Charles Babbage", 26, 56, kind="KNOW")
    relation(second, "Charles Babbage", "Ada", 0, 25)
    relation(second, "Ada", "Ada Lovelace", 0, 25, kind="IS")
    return document.document


def pages(client: Client, path: str, kind: str, limit: int, **asked: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after: str | None = ""
    while after is not None:
        answer = client.get(path, {"limit": limit, "after": after, **asked}).json()
        assert 0 < len(answer[kind]) <= limit
        found, after = found + answer[kind], answer["next"]
    return found


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_entities_have_their_names_type_and_chunks(viewer: Client, ledger: Ledger, document: UUID, limit: int) -> None:
    rows = {row["name"]: row for row in pages(viewer, f"/api/documents/{document}/entities", "entities", limit)}
    assert list(rows) == [row.name for row in sorted((entity("Ada Lovelace"), entity("Charles Babbage")), key=lambda row: row.pk)]
    assert rows["Ada Lovelace"]["aliases"] == ["Ada", "Lovelace"]
    assert (rows["Ada Lovelace"]["type"], len(rows["Ada Lovelace"]["chunks"])) == ("PERSON", 2)
    assert rows["Charles Babbage"]["aliases"] == []
    assert len(rows["Charles Babbage"]["chunks"]) == 1


@pytest.fixture
def described(document: UUID) -> tuple[UUID, UUID]:
    """Describe Ada Lovelace by a sentence. Return the document's chunks."""
    first, second = Chunk.objects.filter(document=document).order_by("id").values_list("id", flat=True)
    place = {"document_id": document, "chunk_id": first, "start": 0, "end": 25}
    Description.objects.create(entity_id=entity("Ada Lovelace").pk, collection_id=COLLECTION, evidence=2, **place)
    return first, second


def descriptions(client: Client, document: UUID) -> dict[str, tuple[Any, ...]]:
    rows = pages(client, f"/api/documents/{document}/entities", "entities", 100)
    return {row["name"]: (row["description"], row["described_by"], row["described_in"]) for row in rows}


def test_entities_are_described_by_a_sentence_and_its_chunk(
    viewer: Client, ledger: Ledger, document: UUID, described: tuple[UUID, UUID]
) -> None:
    assert descriptions(viewer, document) == {
        "Ada Lovelace": ("Ada Lovelace wrote notes.", "sentence", [str(described[0])]),
        "Charles Babbage": ("", None, []),
    }
    panel = panel_of("Ada Lovelace").partition("What it is")[2].partition("Relations")[0]
    assert (str(described[0]) in panel, "language model" in panel) == (True, False)
    assert "What it is" not in panel_of("Charles Babbage")


def test_entities_are_described_by_a_model_and_the_chunks_that_it_read(
    viewer: Client, ledger: Ledger, document: UUID, described: tuple[UUID, UUID]
) -> None:
    ada = entity("Ada Lovelace").pk
    Description.objects.update(text="A writer of <notes>.", asked=2)
    for chunk in described:
        DescriptionSource.objects.create(entity_id=ada, document_id=document, chunk_id=chunk, start=26, end=56)
    assert descriptions(viewer, document)["Ada Lovelace"] == ("A writer of <notes>.", "model", [str(chunk) for chunk in described])
    panel = panel_of("Ada Lovelace").partition("What it is")[2].partition("Relations")[0]
    assert "A writer of &lt;notes&gt;." in panel
    assert panel.count("Lovelace knew Charles Babbage.") == 2

    other = made([1])
    DescriptionSource.objects.create(entity_id=ada, document_id=other.document, chunk_id=other.chunks[0], start=0, end=5)
    Document.objects.filter(pk=other.document).update(state="removing")
    assert descriptions(viewer, document)["Ada Lovelace"] == ("", None, []), "it may say what goes with that document"


def panel_of(name: str) -> str:
    """Return what the graph page says of an entity."""
    address = reverse("console:graph-entity", args=[entity(name).pk])
    return browser(group="viewer").get(address, headers={"hx-request": "true"}).content.decode()


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_relations_join_entities_and_show_what_says_them(viewer: Client, ledger: Ledger, document: UUID, limit: int) -> None:
    rows = pages(viewer, f"/api/documents/{document}/relations", "relations", limit)
    assert {(row["source"]["name"], row["type"], row["target"]["name"], len(row["chunks"]), row["sentence"]) for row in rows} == {
        ("Ada Lovelace", "KNOW", "Charles Babbage", 2, "Lovelace knew Charles Babbage."),
        ("Charles Babbage", "WRITE", "Ada Lovelace", 1, "Ada Lovelace wrote notes."),
    }
    assert len(rows) == 2, "a relation of an entity to itself says nothing"
    assert {row["source"]["id"] for row in rows} == {str(entity(name).pk) for name in ("Ada Lovelace", "Charles Babbage")}


@pytest.mark.parametrize("limit", [1, 100])
def test_a_relation_that_may_be_an_instruction_is_marked_and_can_be_left_out(
    viewer: Client, ledger: Ledger, document: UUID, limit: int
) -> None:
    path = f"/api/documents/{document}/relations"
    Relation.objects.filter(type="WRITE").update(addressed=True)
    doubtful, _ = Relation.objects.filter(type="KNOW").order_by("id")
    Relation.objects.filter(pk=doubtful.pk).update(addressed=True, confidence=0.9, start=0, end=25)
    rows = pages(viewer, path, "relations", limit)
    assert {row["type"]: row["addressed"] for row in rows} == {"KNOW": False, "WRITE": True}
    stated = pages(viewer, path, "relations", limit, addressed="no")
    assert stated == [row for row in rows if row["type"] == "KNOW"]
    assert stated[0]["sentence"] == "Lovelace knew Charles Babbage.", "a sentence that addresses nobody comes first"


def test_a_document_has_only_what_its_live_text_says(viewer: Client, ledger: Ledger, document: UUID) -> None:
    other = made([1], text=TEXT)
    mention(other.chunks[0], "Ada Lovelace", 0, 12)
    [row] = viewer.get(f"/api/documents/{other.document}/entities").json()["entities"]
    assert (row["name"], row["aliases"], row["chunks"]) == ("Ada Lovelace", [], [str(other.chunks[0])])
    assert viewer.get(f"/api/documents/{other.document}/relations").json() == {"relations": [], "next": None}
    Document.objects.filter(pk=document).update(live=None)
    for kind in ("entities", "relations"):
        assert viewer.get(f"/api/documents/{document}/{kind}").json() == {kind: [], "next": None}


@pytest.mark.parametrize("kind", ["entities", "relations"])
@pytest.mark.parametrize(
    ("query", "status"), [("limit=0", 400), ("limit=501", 400), ("after=x", 400), ("after=1.2.KNOW", 400), ("limit=1", 200)]
)
def test_a_page_that_is_asked_for_wrongly_is_refused(
    viewer: Client, ledger: Ledger, document: UUID, kind: str, query: str, status: int
) -> None:
    assert viewer.get(f"/api/documents/{document}/{kind}?{query}").status_code == status


@pytest.mark.parametrize("kind", ["entities", "relations"])
def test_who_may_read_what_was_extracted(viewer: Client, ledger: Ledger, document: UUID, kind: str) -> None:
    path = f"/api/documents/{document}/{kind}"
    assert viewer.get(path).status_code == 200
    assert Client(headers={"host": "localhost"}).get(path).status_code == 401
    assert browser().get(path).status_code == 403
    assert viewer.post(path).status_code == 405
    assert viewer.get(f"/api/documents/{uuid4()}/{kind}").status_code == 404


def test_a_collection_goes_after_its_documents(ledger: Ledger, dagster: DagsterDouble) -> None:
    documents = [new(name, "papers") for name in ("a.md", "b.md")]
    kept, client = new("c.md"), script("admin")
    first = client.post("/api/collections/papers/remove")
    assert (first.status_code, first.json()["documents"], first.json()["removed"]) == (202, 2, False)
    assert set(Document.objects.filter(state=State.REMOVING).values_list("pk", flat=True)) == set(documents)
    assert client.post("/api/collections/papers/remove").status_code == 202
    for document in documents:
        ledger.start_removal(document)
        ledger.erase(document)
    last = client.post("/api/collections/papers/remove")
    assert (last.status_code, last.json()["removed"]) == (200, True)
    assert list(Collection.objects.values_list("name", flat=True)) == ["default"]
    assert Document.objects.get().pk == kept
    said = AuditEntry.objects.exclude(action__startswith="session").order_by("id").values_list("action", flat=True)
    assert list(said) == ["document.remove", "document.remove", "collection.delete"]
    for name, answer in (("papers", 404), ("pap%00ers", 400)):
        assert client.post(f"/api/collections/{name}/remove").status_code == answer


def test_a_collection_whose_document_runs_is_not_removed(ledger: Ledger, dagster: DagsterDouble) -> None:
    document = new("a.md", "papers")
    ledger.begin(document, "run", lambda _: False)
    refused = script("admin").post("/api/collections/papers/remove")
    assert (refused.status_code, list(refused.json())) == (409, ["error"])
    assert Document.objects.get().state == State.RUNNING


def test_who_may_remove_a_collection(ledger: Ledger) -> None:
    new("a.md", "papers")
    for client, status in (
        (script("operator"), 403),
        (browser("delete_collection"), 403),
        (browser("remove_document"), 403),
        (Client(headers={"host": "localhost"}), 401),
    ):
        assert client.post("/api/collections/papers/remove").status_code == status
    assert Document.objects.get().state == State.PENDING
