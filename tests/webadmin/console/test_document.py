"""A document's page and its parts: who may see them, what they cost, and what is hostile in them."""

from __future__ import annotations

import io
import time
from pathlib import Path
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from aegis_assets.stores.ledger import Ledger
from tests.doubles.engine import EngineDouble
from tests.webadmin.conftest import browser, forget
from tests.webadmin.console.ledger_rows import Made, made, mention, relation
from webadmin.console.document.grid import KEPT_SECONDS
from webadmin.documents import services
from webadmin.documents.models import Document, Failure, Placement

EVIL = "<script>alert(1)</script>\u202egnp.exe \U0001f600"


def addresses(one: Made) -> list[str]:
    return [
        reverse("admin:documents_document_change", args=[one.document]),
        reverse("console:time", args=[one.document]),
        reverse("console:text", args=[one.document]),
        reverse("console:chunk", args=[one.document, one.chunks[0]]),
        reverse("console:chunk-at", args=[one.document, 0, 0]),
    ]


def scripts(one: Made) -> list[str]:
    return [reverse("console:chunks", args=[one.document]), reverse("console:page", args=[one.document, one.sha256[:16], 1])]


def queries(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return len(captured)


def test_nothing_of_a_document_is_shown_to_who_may_not_see_documents(site: Path, ledger: Ledger) -> None:
    one = made([2])
    stranger, nobody = Client(headers={"host": "localhost"}), browser()
    for address in addresses(one):
        assert stranger.get(address).status_code == 302
        assert nobody.get(address).status_code == 403
    for address in scripts(one):
        assert stranger.get(address).status_code == 401
        assert nobody.get(address).status_code == 403
    assert [browser(group="viewer").get(address).status_code for address in addresses(one)] == [200] * 5


def test_no_part_of_the_page_is_changed_by_asking(admin: Client, ledger: Ledger) -> None:
    one = made([1])
    for address in (*addresses(one), *scripts(one)):
        assert admin.post(address).status_code == 405


def test_the_number_of_queries_is_the_same_for_one_chunk_and_for_many(admin: Client, ledger: Ledger) -> None:
    small, large = made([1]), made([40, 0, 25, 60])
    for number in range(30):
        mention(large.chunks[0], f"Name {number}", 0, 4)
        relation(large.chunks[0], f"Name {number}", "Other", 0, 4)
        Failure.objects.create(document_id=large.document, stage="embed", kind="x", retryable=True, message=str(number))
    pairs = list(zip(addresses(small), addresses(large), strict=True))
    assert [queries(admin, few) for few, _ in pairs] == [queries(admin, many) for _, many in pairs]
    assert queries(admin, scripts(large)[0]) == queries(admin, scripts(small)[0])


def test_five_thousand_chunks_are_one_short_answer(admin: Client, ledger: Ledger) -> None:
    one = made([16] * 312 + [8])
    with CaptureQueriesContext(connection) as captured:
        answer = admin.get(scripts(one)[0])
    found = answer.json()
    assert sum(len(window[4]) for window in found["windows"]) == 5000
    assert len(answer.content) < 20_000
    assert len([query for query in captured if "aegis_placement" in query["sql"]]) == 1


def test_viewers_share_a_reading_of_the_cells_for_a_second_and_each_is_asked_who_they_are(admin: Client, ledger: Ledger) -> None:
    one, other = made([2]), made([3])
    [cells, _], [others, _] = scripts(one), scripts(other)
    nobody, viewer = browser(), browser(group="viewer")
    first = admin.get(cells).json()
    Placement.objects.filter(chunk=one.chunks[1]).delete()
    with CaptureQueriesContext(connection) as captured:
        assert viewer.get(cells).json() == first
    assert not [query for query in captured if "aegis_placement" in query["sql"]]
    assert nobody.get(cells).status_code == 403
    assert [window[4] for window in viewer.get(others).json()["windows"]] == ["ddd"]
    time.sleep(KEPT_SECONDS)
    assert [window[4] for window in viewer.get(cells).json()["windows"]] == ["d"]


def test_a_document_without_a_generation_has_a_page_too(admin: Client, ledger: Ledger) -> None:
    outcome = services.upload(io.BytesIO(b"x"), "new.md", "default")
    page = admin.get(reverse("admin:documents_document_change", args=[outcome.document])).content.decode()
    assert "No chunks yet." in page
    assert "No run has worked on it yet." in page
    cells = admin.get(reverse("console:chunks", args=[outcome.document])).json()
    assert cells == {"state": "pending", "generation": None, "paged": False, "windows": []}


def test_what_is_hostile_in_a_chunk_is_shown_as_text(admin: Client, ledger: Ledger) -> None:
    one = made([1], text=EVIL)
    Placement.objects.update(headings=[EVIL])
    Document.objects.update(name=EVIL, message=EVIL)
    mention(one.chunks[0], EVIL, 0, 8, kind="<b>TYPE</b>")
    relation(one.chunks[0], EVIL, "<i>y</i>", 0, 8, kind="<u>SAYS</u>")
    Failure.objects.create(
        document_id=one.document, chunk_id=one.chunks[0], stage="embed", kind="<k>", retryable=True, message=EVIL
    )
    for address in (*addresses(one), reverse("admin:documents_document_history", args=[one.document])):
        page = admin.get(address).content.decode()
        for tag in ("<script>alert", "<b>TYPE", "<i>y", "<u>SAYS", "<k>"):
            assert tag not in page, (address, tag)
    assert "&lt;u&gt;SAYS&lt;/u&gt;" in admin.get(addresses(one)[3]).content.decode()


def test_a_chunk_is_a_part_for_the_page_and_a_page_for_a_link(admin: Client, ledger: Ledger) -> None:
    one = made([2])
    address = reverse("console:chunk", args=[one.document, one.chunks[1]])
    assert "<html" in admin.get(address).content.decode()
    part = admin.get(address, headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part
    assert "Chunk 2 of 2" in part


def test_a_chunk_of_another_document_is_not_found(admin: Client, ledger: Ledger) -> None:
    one, other = made([1]), made([1])
    assert admin.get(reverse("console:chunk", args=[one.document, other.chunks[0]])).status_code == 404
    assert admin.get(reverse("console:chunk", args=[uuid4(), one.chunks[0]])).status_code == 404
    assert admin.get(reverse("console:chunk-at", args=[one.document, 0, 7])).status_code == 404
    assert admin.get(reverse("console:chunk-at", args=[one.document, 9, 0])).status_code == 404
    assert admin.get(reverse("console:chunks", args=[uuid4()])).status_code == 404


@pytest.mark.parametrize("span", ["?from=0&to=4", "?from=2&to=999999"])
def test_an_address_points_out_a_span_of_the_text(admin: Client, ledger: Ledger, span: str) -> None:
    one = made([1])
    assert "sought" in admin.get(addresses(one)[3] + span).content.decode()


@pytest.mark.parametrize("span", ["", "?from=x&to=y", "?from=4&to=2", "?from=-1&to=2", "?from=1&to=999999999999", "?from=²&to=³"])
def test_nonsense_points_out_nothing(admin: Client, ledger: Ledger, span: str) -> None:
    one = made([1])
    page = admin.get(addresses(one)[3] + span)
    assert page.status_code == 200
    assert "sought" not in page.content.decode()


def test_a_run_that_is_named_oddly_is_no_error(admin: Client, ledger: Ledger) -> None:
    one = made([1])
    assert admin.get(addresses(one)[0] + "?run=%27%3Cb%3E").status_code == 200


# The picture of a page


@pytest.fixture
def pictured(site: Path, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    with EngineDouble(tmp_path) as engine:
        monkeypatch.setenv("AEGIS_ENGINE_URL", engine.url)
        forget()
        yield made([1], pages=120)


def picture(one: Made, number: int, content: str = "") -> str:
    return reverse("console:page", args=[one.document, content or one.sha256[:16], number])


def test_a_page_is_a_picture_with_its_size_that_a_browser_may_keep(pictured: Made, admin: Client) -> None:
    answer = admin.get(picture(pictured, 1))
    assert (answer.status_code, answer.headers["Content-Type"], answer.headers["Aegis-Page"]) == (
        200,
        "image/webp",
        "612.00 792.00",
    )
    assert answer.content[:4] == b"RIFF"
    assert "private" in answer.headers["Cache-Control"]
    assert "no-store" not in answer.headers["Cache-Control"]


def test_a_page_that_is_not_there_is_not_asked_of_the_engine(pictured: Made, admin: Client) -> None:
    for address in (picture(pictured, 0), picture(pictured, 121), picture(pictured, 1, "0" * 16), picture(pictured, 1, "_")):
        assert admin.get(address).status_code == 404
    Document.objects.update(format="markdown")
    assert admin.get(picture(pictured, 1)).status_code == 404


def test_a_page_that_cannot_be_drawn_says_so_and_is_not_kept(pictured: Made, admin: Client) -> None:
    answer = admin.get(picture(pictured, 99))
    assert (answer.status_code, answer.json()) == (422, {"error": "Page 99 cannot be drawn."})
    assert "no-store" in answer.headers["Cache-Control"]


def test_an_engine_that_is_away_is_a_sentence(admin: Client, ledger: Ledger, no_pauses: None) -> None:
    answer = admin.get(picture(made([1]), 1))
    assert answer.status_code == 503
    assert "engine server" in answer.json()["error"]
