"""A schema tried and saved in the browser.

A file of its own: where a browser's driver runs its event loop, Django's test client cannot ask an async view.
"""

from __future__ import annotations

from django.urls import reverse
from playwright.sync_api import expect

from tests.doubles.ollama import OllamaDouble
from tests.webadmin.console.conftest import Open
from tests.webadmin.console.test_collections import BOOKS, TEXTS, books, ollama
from webadmin.documents.models import Collection

__all__ = ["books", "ollama"]


def test_a_chunk_is_chosen_and_tried_and_the_schema_saved_in_german(
    open_page: Open, books: Collection, ollama: OllamaDouble
) -> None:
    page = open_page(reverse("admin:documents_collection_change", args=[BOOKS]), language="de")
    page.fill("#id_entity_types", "Person")
    expect(page.get_by_text("Diese Änderung lässt 3 Textstücke neu extrahieren")).to_be_visible()
    page.locator(".chunk-button", has_text="Zuse").click()
    expect(page.locator("#id_text")).to_have_value(TEXTS[2])
    page.get_by_role("button", name="Ausprobieren").click()
    expect(page.get_by_role("heading", name="Wie gespeichert")).to_be_visible()
    expect(page.get_by_role("heading", name="Mit den Änderungen")).to_be_visible()
    page.get_by_role("button", name="Speichern", exact=True).click()
    expect(page.get_by_text("Gespeichert.", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Diese Dokumente aufnehmen")).to_be_visible()
