"""A collection's schema: what a change of it costs is said before it is saved; a dry run asks the extractor and writes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from django.urls import reverse

from aegis_assets.model.extraction import Schema
from aegis_assets.settings import settings
from aegis_assets.stores.ledger import Ledger
from tests.doubles.dagster_graphql import DagsterDouble
from tests.doubles.ollama import OllamaDouble
from tests.stores.ledger import build
from tests.webadmin.conftest import browser, forget
from tests.webadmin.console.conftest import locked
from webadmin.console import timed
from webadmin.console.collections import trial
from webadmin.console.collections.marked import pieces
from webadmin.console.models import AuditEntry
from webadmin.documents import platform
from webadmin.documents.models import ChunkTask, Collection, Document, Extraction, Lease

TEXTS = ["Ada Lovelace met Charles Babbage.", "Grace Hopper built the compiler.", "Konrad Zuse built the Z3."]
BOOKS = build.collection("books")


@pytest.fixture
def ollama(site: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OllamaDouble]:
    with OllamaDouble(models=["qwen3:32b", "small:1b"]) as double:
        monkeypatch.setenv("AEGIS_OLLAMA_URL", double.url)
        forget()
        yield double


@pytest.fixture
def books(ollama: OllamaDouble, ledger: Ledger) -> Collection:
    """A document of three chunks, extracted by the collection's present schema."""
    document = build.ingested(ledger, [TEXTS])
    ChunkTask.objects.filter(document=document, stage="extract").update(fingerprint=now())
    return Collection.objects.get(pk=BOOKS)


def now(**edited: Any) -> str:
    return trial.extractor().fingerprint(Schema(**edited))


def url(name: str, *more: object) -> str:
    return reverse(f"console:collection-{name}", args=[BOOKS, *more])


def form(**edited: str) -> dict[str, str]:
    return {"description": "", "entity_types": "", "relation_types": "", "prompt": "", "model": "", **edited}


def edit(client: Client, **edited: str) -> Any:
    return client.post(reverse("admin:documents_collection_change", args=[BOOKS]), form(**edited))


def test_the_cost_is_said_before_anything_is_saved(admin: Client, books: Collection) -> None:
    answer = edit(admin, prompt="Machines only.")
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "3 chunks to be extracted again, in 1 document." in page
    assert "Nothing is saved yet." in page
    books.refresh_from_db()
    assert books.prompt == ""
    assert edit(admin, prompt="Machines only.", said=now(prompt="Machines only.")).status_code == 302
    books.refresh_from_db()
    assert books.prompt == "Machines only."
    assert AuditEntry.objects.get(action="collection.change").details == {"fields": ["prompt"]}


def test_a_cost_said_for_another_change_does_not_count(admin: Client, books: Collection) -> None:
    assert edit(admin, prompt="Machines only.", said=now(prompt="People only.")).status_code == 200
    books.refresh_from_db()
    assert books.prompt == ""


def test_what_costs_nothing_is_saved_at_once(admin: Client, books: Collection) -> None:
    assert edit(admin, description="About machines.").status_code == 302
    ChunkTask.objects.all().delete()
    assert edit(admin, description="About machines.", entity_types="machine\nperson\nmachine").status_code == 302
    books.refresh_from_db()
    assert (books.description, books.entity_types) == ("About machines.", ["machine", "person"])


def test_chunks_known_under_the_edited_schema_cost_no_call(admin: Client, books: Collection) -> None:
    chunk = ChunkTask.objects.filter(stage="extract").first()
    assert chunk is not None
    Extraction.objects.create(text_hash=chunk.chunk.text_hash, fingerprint=now(model="small:1b"), payload={})
    said = admin.post(url("cost"), form(model="small:1b")).content.decode()
    assert "3 chunks to be extracted again" in said
    assert "1 of them was extracted this way before" in said


def test_an_engine_that_is_away_leaves_the_cost_untold_and_saving_possible(
    admin: Client, books: Collection, monkeypatch: pytest.MonkeyPatch, no_pauses: None
) -> None:
    monkeypatch.setenv("AEGIS_EXTRACTOR", "spacy")
    forget()
    assert "does not answer" in admin.post(url("cost"), form(entity_types="machine")).content.decode()
    assert edit(admin, entity_types="machine").status_code == 200
    assert edit(admin, entity_types="machine", said="unknown").status_code == 302


def test_what_became_out_of_date_is_offered_and_ingested_only_when_asked_for(
    admin: Client, books: Collection, dagster: DagsterDouble
) -> None:
    page = reverse("admin:documents_collection_change", args=[BOOKS])
    assert "Ingest these documents" not in admin.get(page).content.decode()
    edit(admin, prompt="Machines only.", said=now(prompt="Machines only."))
    assert "Ingest these documents" in admin.get(page).content.decode()
    assert Document.objects.get().state == "succeeded"
    assert admin.post(url("ingest")).status_code == 302
    assert Document.objects.get().state == "queued"
    assert AuditEntry.objects.get(action="collection.ingest").details == {"documents": 1}


def test_a_dry_run_shows_both_sides_and_writes_nothing(admin: Client, books: Collection, ollama: OllamaDouble) -> None:
    before = Extraction.objects.count()
    answer = admin.post(url("try"), form(entity_types="Person", text=TEXTS[0]))
    page = answer.content.decode()
    assert "As it is saved" in page
    assert "With your changes" in page
    assert "<mark" in page
    assert len(ollama.requests()) == 2
    assert Extraction.objects.count() == before
    assert not Lease.objects.exists(), "the slots are given back"


def test_what_the_ledger_has_is_not_asked_again_and_equal_schemas_are_one_call(
    admin: Client, books: Collection, ollama: OllamaDouble
) -> None:
    text = TEXTS[0]
    found = build.extraction("Ada Lovelace").model_dump(mode="json")
    Extraction.objects.create(text_hash=trial.text_hash(text), fingerprint=now(), payload=found)
    assert "known from the ledger" in admin.post(url("try"), form(text=text)).content.decode()
    assert ollama.requests() == []
    admin.post(url("try"), form(text="Another text."))
    assert len(ollama.requests()) == 1


def test_each_side_is_asked_of_its_own_model(admin: Client, books: Collection, ollama: OllamaDouble) -> None:
    page = admin.post(url("try"), form(model="small:1b", text=TEXTS[0])).content.decode()
    assert {request["model"] for request in ollama.requests()} == {"qwen3:32b", "small:1b"}
    assert "ollama small:1b" in page
    page = admin.post(url("try"), form(model="absent:9b", text=TEXTS[0])).content.decode()
    assert "absent:9b" in page
    assert "<mark" in page, "the other side is there all the same"


def test_a_dry_run_waits_for_a_slot_and_gives_up_in_time(
    admin: Client, books: Collection, ledger_url: str, monkeypatch: pytest.MonkeyPatch, ollama: OllamaDouble
) -> None:
    from django.db import connection

    monkeypatch.setattr(trial, "SECONDS", 1.0)
    monkeypatch.setenv("AEGIS_OLLAMA_MAX_CONCURRENT", "1")
    forget()
    Lease.objects.create(id=BOOKS, resource="ollama", weight=1, owner=BOOKS, session=5, held=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(5)")
    page = admin.post(url("try"), form(prompt="x", text=TEXTS[0])).content.decode()
    assert "No slot of the language model came free within 1 s" in page
    assert ollama.requests() == []
    Lease.objects.filter(pk=BOOKS).delete()


def test_an_extractor_that_hangs_is_one_sentence(
    admin: Client, books: Collection, monkeypatch: pytest.MonkeyPatch, ollama: OllamaDouble
) -> None:
    monkeypatch.setattr(trial, "SECONDS", 1.0)
    ollama.configure(latency=30.0)
    page = admin.post(url("try"), form(text=TEXTS[0])).content.decode()
    assert "did not answer within 1 s" in page


@pytest.mark.parametrize("text", ["", " \n ", "x" * 8001])
def test_a_text_that_is_none_or_too_long_is_refused_without_a_call(
    admin: Client, books: Collection, ollama: OllamaDouble, text: str
) -> None:
    assert "notice bad" in admin.post(url("try"), form(text=text)).content.decode()
    assert ollama.requests() == []


@pytest.mark.parametrize(
    "edited",
    [
        {"entity_types": "x" * 65},
        {"entity_types": "\n".join(map(str, range(101)))},
        {"relation_types": "hid\u202eden"},
        {"model": "a b"},
        {"model": "../../etc"},
        {"prompt": "x" * 4001},
    ],
)
def test_a_schema_that_no_prompt_could_hold_is_refused(admin: Client, books: Collection, edited: dict[str, str]) -> None:
    assert edit(admin, **edited).status_code == 200
    books.refresh_from_db()
    assert (books.entity_types, books.model, books.prompt) == ([], "", "")


def test_only_who_may_change_collections_spends_calls(site: Path, books: Collection, ollama: OllamaDouble) -> None:
    viewer, operator = browser(group="viewer"), browser(group="operator")
    page = viewer.get(reverse("admin:documents_collection_change", args=[BOOKS])).content.decode()
    assert "Try it on a text" not in page
    assert edit(viewer, prompt="x").status_code == 403
    for name in ("try", "cost", "ingest"):
        assert viewer.post(url(name), form(text="x")).status_code == 403, name
        assert operator.get(url(name)).status_code == 405, name
    assert ollama.requests() == []
    assert operator.post(url("try"), form(text=TEXTS[0])).status_code == 200


def test_chunks_are_found_and_put_into_the_field_and_stay_in_their_collection(admin: Client, books: Collection) -> None:
    page = admin.get(url("chunks"), {"q": "zuse"}).content.decode()
    assert page.count("chunk-button") == 1
    chunk = ChunkTask.objects.filter(chunk__text=TEXTS[2]).values_list("chunk", flat=True).first()
    assert TEXTS[2] in admin.get(url("chunk", chunk)).content.decode()
    other = Collection.objects.create(id=UUID(int=9), name="other")
    assert admin.get(reverse("console:collection-chunk", args=[other.pk, chunk])).status_code == 404
    assert admin.get(url("chunks"), {"q": "100%_\\'"}).status_code == 200


def test_a_search_for_a_chunk_that_takes_too_long_is_a_sentence(
    admin: Client, books: Collection, ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timed, "SECONDS", "0.05")
    with locked(ledger_url, "aegis_chunk"):
        page = admin.get(url("chunks"), {"q": "zuse"}, headers={"accept-language": "de"}).content.decode()
    assert "Diese Frage dauert zu lange" in page
    assert "<ul>" not in page


def test_the_models_that_the_server_has_are_offered(admin: Client, books: Collection) -> None:
    assert "small:1b" in admin.get(reverse("console:collection-models")).content.decode()


def test_a_new_collection_is_made_with_its_schema(admin: Client, ollama: OllamaDouble) -> None:
    answer = admin.post(
        reverse("admin:documents_collection_add"),
        form(name="papers", entity_types="Person, Place", model="small:1b", pairs="on"),
    )
    assert answer.status_code == 302
    made = Collection.objects.get(name="papers")
    assert (made.pk, made.entity_types, made.model) == (build.collection("papers"), ["Person", "Place"], "small:1b")
    schema = platform.ledger().collection(made.pk).schema
    assert schema == Schema(entity_types=("Person", "Place"), model="small:1b", pairs=True)
    assert admin.post(reverse("admin:documents_collection_add"), form(name="no/name")).status_code == 200


def test_the_longest_of_overlapping_names_is_marked() -> None:
    from aegis_assets.model.extraction import Extraction as Found
    from aegis_assets.model.extraction import Mention

    mentions = (Mention(name="Ada", type="A", start=0, end=3), Mention(name="Ada Lovelace", type="B", start=0, end=12))
    made = pieces("Ada Lovelace!", Found(mentions=mentions))
    assert "".join(piece.text for piece in made) == "Ada Lovelace!"
    assert {piece.type for piece in made} == {"B", ""}


def test_a_model_of_its_own_is_another_fingerprint_and_the_default_one_is_not() -> None:
    from aegis_assets.engines.chosen import language_model_extractor

    chosen = settings().model_copy(update={"ollama_url": "http://127.0.0.1:9", "ollama_model": "qwen3:32b"})
    extractor = language_model_extractor(chosen)
    assert extractor.fingerprint(Schema()) == extractor.fingerprint(Schema(model="qwen3:32b"))
    assert extractor.fingerprint(Schema()) != extractor.fingerprint(Schema(model="small:1b"))
    assert extractor.named(Schema(model="small:1b")) == "ollama small:1b"
    assert extractor.fingerprint(Schema()) != extractor.fingerprint(Schema(pairs=True)), "the neighbour decides, too"
