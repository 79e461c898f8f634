"""The search page: hits with their scores, marks and entities from real stores, and a sentence when something is away."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from playwright.sync_api import expect

from aegis_assets.model.embedding import VectorPoint
from aegis_assets.model.extraction import Extraction, Mention
from aegis_assets.model.ids import collection_id
from aegis_assets.stores.ledger import Ledger
from tests.doubles.engine import EMBEDDER, EngineDouble
from tests.stores.ledger.build import done, enriched, planned, publish, running
from tests.webadmin.conftest import browser, forget
from tests.webadmin.console.conftest import Open
from webadmin.console.search.marks import EXCERPT, excerpt, places
from webadmin.documents import platform

PAGE = reverse("console:search")


@pytest.fixture
def engine(site: Path, tmp_path: Path) -> Iterator[EngineDouble]:
    with EngineDouble(tmp_path) as double:
        os.environ["AEGIS_ENGINE_URL"] = double.url
        forget()
        yield double
        del os.environ["AEGIS_ENGINE_URL"]
        forget()


def put(texts: list[str], name: str = "a.md", collection: str = "books", found: Extraction | None = None) -> list[UUID]:
    """A document whose chunks answer searches."""
    ledger, scope = platform.ledger(), collection_id(collection)
    document = running(ledger, name, name, collection)
    generation = planned(ledger, document, "k1", content=name)
    (window,) = ledger.windows(generation.id)
    chunks = enriched(ledger, window.id, texts)
    done(ledger, document, chunks, found=found)
    publish(ledger, document, generation.id)
    platform.vectors().ensure(scope, EMBEDDER)
    pairs = zip(chunks, platform.engine().embed(texts, "passage"), strict=True)
    points = [VectorPoint(id=one, document=document, embedding=vector, live=True) for one, vector in pairs]
    platform.vectors().upsert(scope, points)
    return chunks


def page(client: Client, question: str, **more: str) -> str:
    answer = client.get(PAGE, {"q": question, **more})
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_a_hit_shows_scores_marks_place_and_entities(engine: EngineDouble) -> None:
    ada = Extraction(mentions=(Mention(name="Ada Lovelace", type="person", start=0, end=12),), calls=1)
    put(["Ada Lovelace wrote programs", "Stones fall"], found=ada)
    shown = page(browser(group="viewer"), "Ada Lovelace wrote programs")
    first = shown.split('<li class="card hit"')[1]
    assert "<mark>Ada</mark> <mark>Lovelace</mark> <mark>wrote</mark> <mark>programs</mark>" in first
    assert "a.md" in first
    assert "page 1" in first
    assert "Title" in first, "the heading path"
    assert first.count("<progress") == 3
    assert "3.000" in first, "the best by its words, and 2 for a cosine of 1"
    assert "1.000" in first, "the cosine of a text with itself"
    assert f"{reverse('console:graph')}?entity=" in first
    assert 'id="around"' in shown


def test_a_hit_says_by_which_entities_the_graph_leads_to_it_unless_it_is_left_out(engine: EngineDouble) -> None:
    ada = Extraction(mentions=(Mention(name="Ada Lovelace", type="person", start=0, end=12),), calls=1)
    put(["Ada Lovelace wrote programs", "Stones fall"], found=ada)
    client = browser(group="viewer")
    with_graph = page(client, "Who was Ada Lovelace?")
    assert "By the graph: <bdi>Ada Lovelace</bdi>" in with_graph
    without = page(client, "Who was Ada Lovelace?", graph="false")
    assert "By the graph:" not in without
    assert 'name="graph" value="false" checked' in without

    def paths(graph: str) -> list[list[str]]:
        return [hit["path"] for hit in client.get("/api/search", {"q": "Who was Ada Lovelace?", "graph": graph}).json()["hits"]]

    assert paths("true")[0] == ["Ada Lovelace"]
    assert paths("false") == [[], []]
    assert client.get("/api/search", {"q": "x", "graph": "perhaps"}).status_code == 400


def test_hits_fit_a_phone(engine: EngineDouble, open_page: Open) -> None:
    put(["Ada Lovelace wrote programs"], "a scanned report.pdf")
    page = open_page("/admin/search/", width=390)
    page.goto(f"{PAGE}?q=Ada")
    expect(page.locator(".scores .number").last).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_collection_filters_and_the_address_can_be_shared(engine: EngineDouble) -> None:
    put(["Ada Lovelace in books"], "a.md", "books")
    put(["Ada Lovelace in papers"], "b.md", "papers")
    client = browser(group="viewer")
    assert ("a.md" in page(client, "Ada"), "b.md" in page(client, "Ada")) == (True, True)
    one = page(client, "Ada", collection="papers")
    assert ("a.md" in one, "b.md" in one) == (False, True)
    assert '<option value="papers" selected>' in one
    assert 'value="Ada"' in one
    assert "There is no collection named" in page(client, "Ada", collection="nowhere")


def test_an_engine_that_is_away_is_said_in_one_sentence(ledger: Ledger, no_pauses: None) -> None:
    running(ledger)
    shown = page(browser(group="viewer"), "anything")
    problem = shown.split('role="alert">')[1].split("</p>")[0]
    assert "engine server" in problem
    assert "Traceback" not in shown


def test_hostile_questions_and_texts_are_text(engine: EngineDouble) -> None:
    put(["<script>alert(1)</script> \u202e🙂 <b>bold</b>"], name='<img src=x onerror="alert(1)">')
    for question in ('"><script>alert(1)</script>', "%_\\'", "🙂\u202e", "x" * 20_000, "<b>bold</b>"):
        shown = page(browser(group="viewer"), question)
        assert "<script>alert" not in shown
        assert "<img src=x" not in shown
        assert "<b>bold" not in shown
    assert "ask in at most" in page(browser(group="viewer"), "x" * 20_000)


def test_who_may_search_and_by_which_method(site: Path, ledger: Ledger) -> None:
    assert browser().get(PAGE).status_code == 403
    assert browser(group="viewer").post(PAGE, {"q": "x"}).status_code == 405
    assert browser(group="viewer").get(PAGE).status_code == 200


@pytest.mark.parametrize(("asked", "shown"), [("2", 2), ("0", 1), ("-1", 4), ("x", 4), ("²", 4), ("99999999", 4), ("49", 4)])
def test_a_limit_is_a_number_within_bounds(engine: EngineDouble, asked: str, shown: int) -> None:
    put(["Ada one", "Ada two", "Ada three", "Ada four"])
    assert page(browser(group="viewer"), "Ada", limit=asked).count('class="card hit"') == shown


def test_the_number_of_queries_does_not_grow_with_the_hits(engine: EngineDouble) -> None:
    client = browser(group="viewer")

    def counted() -> int:
        with CaptureQueriesContext(connection) as captured:
            page(client, "Ada")
        return len(captured)

    put(["Ada one"])
    few = counted()
    put([f"Ada {n}" for n in range(8)], "b.md")
    assert counted() == few


def test_words_are_marked_by_their_beginning_and_empty_words_are_not() -> None:
    text = "The computer, computing; Computers. IT is in the pit. UNIX unix"

    def marked(question: str) -> list[str]:
        return [text[start:end] for start, end in places(question, text)]

    assert marked("Which computers?") == ["computer", "computing", "Computers"]
    assert marked("the it is in") == []
    assert marked("unix") == ["UNIX", "unix"]
    assert marked("pits") == []
    assert marked("") == marked("?!") == []


def test_an_excerpt_is_where_most_marks_are_and_a_short_text_is_whole() -> None:
    assert excerpt("short", []) == (0, 5)
    text = "filler " * 200 + "Ada met Ada and Ada " + "filler " * 200
    start, end = excerpt(text, places("Ada", text))
    assert text[start:end].count("Ada") == 3
    assert end - start <= EXCERPT
    assert text[start - 1] == " "
    unbroken = "x" * 5000
    assert excerpt(unbroken, []) == (0, EXCERPT)
