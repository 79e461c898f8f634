"""The benchmarks' client of the API against the admin as the stack serves it: what it uploads, waits for, reads and removes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from django.contrib.auth.models import User

from aegis_assets.model.document import State
from aegis_assets.stores.ledger import Ledger
from bench.login import logged_in
from bench.quality import api as quality_api
from bench.quality.api import Api
from tests.webadmin.console.ledger_rows import made, mention, relation
from webadmin.documents.models import Collection, Document

TEXTS = {"a.md": "# A\n\nAda.\n", "b.md": "# B\n\nBob.\n"}


@pytest.fixture
def api(site_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    monkeypatch.setattr(quality_api, "POLL_SECONDS", 0.1)
    User.objects.create_superuser("admin", password="a long password")
    with closing(logged_in(site_url, "a long password")) as client:
        yield Api(client)


def test_texts_are_ingested_into_a_collection_of_their_own(api: Api, ends: dict[str, State]) -> None:
    with api.ingested("Small set", TEXTS, keep=True) as ingested:
        assert ingested.collection.startswith("eval-small-set-")
        assert set(ingested.documents) == set(TEXTS)
        assert ingested.unfinished == 0
    assert Collection.objects.get().name == ingested.collection
    assert set(Document.objects.values_list("state", flat=True)) == {State.SUCCEEDED}


def test_a_document_that_fails_is_counted_and_all_that_fail_are_an_error(api: Api, ends: dict[str, State]) -> None:
    ends["b.md"] = State.FAILED
    with api.ingested("one", TEXTS, keep=True) as ingested:
        assert ingested.facts()["unfinished"] == 1
    ends["a.md"] = State.FAILED
    with pytest.raises(RuntimeError, match="no document succeeded"), api.ingested("none", TEXTS, keep=True):
        pass


def test_what_was_extracted_is_read_page_by_page(api: Api, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quality_api, "ROWS_PER_PAGE", 1)
    document = made([1], text="Ada knew Bob and Cid.")
    for name, start in (("Ada", 0), ("Bob", 9), ("Cid", 17)):
        mention(document.chunks[0], name, start, start + 3)
    relation(document.chunks[0], "Ada", "Bob", 0, 21)
    relation(document.chunks[0], "Ada", "Cid", 0, 21)
    assert {row["name"] for row in api.entities(str(document.document))} == {"Ada", "Bob", "Cid"}
    assert {row["target"]["name"] for row in api.relations(str(document.document))} == {"Bob", "Cid"}


def test_a_collection_is_removed_once_its_documents_are_gone(api: Api, ledger: Ledger) -> None:
    assert api.upload("eval-x", {}) == {}
    api.remove("eval-x")  # it was never made
    Collection.objects.create(id="6b1f2e0a-0f2a-4a7e-8a3b-6a9d5b1d2c3e", name="eval-x")
    api.remove("eval-x")
    assert not Collection.objects.exists()


def test_a_refusal_is_an_error_with_its_sentence(api: Api, ledger: Ledger) -> None:
    with pytest.raises(RuntimeError, match=r"b\.md"):
        api.upload("eval-x", {"a.md": "a", "b.md": ""})
    with pytest.raises(RuntimeError, match="empty"):
        api.search("", "eval-x", 1, graph=True)
