"""`manage.py reindex` as people type it: what it says first, and what it starts."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from aegis_assets.model.extraction import Schema
from aegis_assets.stores.ledger import Ledger
from tests.doubles.dagster_graphql import DagsterDouble
from tests.stores.ledger import build
from tests.webadmin.conftest import forget
from tests.webadmin.typed import Typed
from webadmin.console.collections import trial
from webadmin.documents.models import ChunkTask, Document

ASKED = ("reindex", "--collection", "books", "--stage", "extract")
TEXTS = ["Ada Lovelace met Charles Babbage.", "Grace Hopper built the compiler.", "Konrad Zuse built the Z3."]


@pytest.fixture
def books(site: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A document of three chunks, extracted by the earlier release."""
    monkeypatch.setenv("AEGIS_OLLAMA_URL", "http://127.0.0.1:9")
    forget()
    document = build.ingested(ledger, [TEXTS])
    ChunkTask.objects.filter(document=document, stage="extract").update(fingerprint=trial.extractor().earlier(Schema())[0])


def test_it_says_first_what_it_takes_and_does_nothing_unasked(books: None, dagster: DagsterDouble) -> None:
    typed = Typed(*ASKED)
    assert typed.code == 1
    assert "3 of 3 extracted chunks, in 1 documents" in typed.out
    assert "takes 3 calls of ollama qwen3:32b" in typed.out
    assert "say --yes" in typed.err
    assert Document.objects.get().state == "succeeded"
    assert not ChunkTask.objects.filter(stage="extract", fingerprint="").exists()


def test_asked_it_starts_the_documents_and_their_extractions_are_missing_work(books: None, dagster: DagsterDouble) -> None:
    typed = Typed(*ASKED, "--yes", "--no-wait")
    assert typed.code == 0, typed.err
    assert Document.objects.get().state == "queued"
    assert ChunkTask.objects.filter(stage="extract", fingerprint="").count() == 3


def test_a_document_that_is_at_work_is_left_alone_and_counted(books: None, dagster: DagsterDouble) -> None:
    Document.objects.update(state="running")
    typed = Typed(*ASKED, "--yes", "--no-wait")
    assert (typed.code, "1 documents were not begun" in typed.err) == (1, True)
    assert not ChunkTask.objects.filter(stage="extract", fingerprint="").exists()


def test_what_is_of_the_present_release_is_left_alone(books: None, dagster: DagsterDouble) -> None:
    ChunkTask.objects.filter(stage="extract").update(fingerprint=trial.extractor().fingerprint(Schema()))
    typed = Typed(*ASKED, "--yes")
    assert (typed.code, Document.objects.get().state) == (0, "succeeded")
    assert "nothing is to be done" in typed.out


def test_an_unknown_collection_is_named(books: None) -> None:
    typed = Typed("reindex", "--collection", "nowhere", "--stage", "extract")
    assert (typed.code, "no collection named 'nowhere'" in typed.err) == (1, True)


def test_the_collections_page_does_not_call_an_earlier_release_out_of_date(books: None, admin: Client) -> None:
    page = admin.get(reverse("admin:documents_collection_change", args=[build.collection("books")])).content.decode()
    assert "Ingest these documents" not in page
