"""German readers see the platform's sentences in German, wherever they are shown; others and scripts see them as they are kept."""

from __future__ import annotations

import asyncio
import io
from html import escape
from typing import get_args

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from aegis_assets import errors
from aegis_assets.pipeline.decide import BY_PERSON
from aegis_assets.pipeline.matching import Reason
from aegis_assets.stores.ledger import Ledger
from tests.doubles.dagster_graphql import DagsterDouble
from tests.webadmin.console.ledger_rows import Made, made, merge
from tests.webadmin.console.serving import Watched, connected, until, watch
from tests.webadmin.console.test_api import script
from tests.webadmin.uploads import put
from webadmin.console import words
from webadmin.console.dashboard import views
from webadmin.console.live import topics
from webadmin.documents.models import ChunkTask, Document, Failure
from webadmin.monitoring.doctor import Check

GERMAN = {"accept-language": "de"}
EVIL = "<script>alert(1)</script>"
SLOW = "Parsing pages 1 to 4 took longer than 5 s and was stopped (AEGIS_PARSE_TIMEOUT)."
LANGSAM = "Das Lesen der Seiten 1 bis 4 dauerte länger als 5 s und wurde abgebrochen (AEGIS_PARSE_TIMEOUT)."
MISSING = f"The file is not a document ({EVIL}). Readable are text."
FEHLT = f"Die Datei ist kein Dokument ({EVIL}). Lesbar sind text."
IN_FRENCH = "The text is in French, and the spaCy extractor has a model for English only."
AUF_FRANZOESISCH = "Sprache des Textes: Französisch. Der spaCy-Extraktor hat nur ein Modell für Englisch."
PART, TEIL = "1 of 2 chunks failed in embed: ", "1 von 2 Textstücken in „einbetten“ fehlgeschlagen: "
HELD, GEHALTEN = "Uploaded, not ingested yet.", "Hochgeladen, noch nicht aufgenommen."


@pytest.fixture
def failed(ledger: Ledger) -> Made:
    """A document with a sentence of each kind on it."""
    one = made([2])
    Document.objects.filter(pk=one.document).update(state="running")
    Document.objects.filter(pk=one.document).update(state="partial", message=f"{PART}{MISSING}")
    failure = {"document_id": one.document, "retryable": False}
    Failure.objects.create(stage="parse", kind="limit", message=SLOW, **failure)
    Failure.objects.create(stage="embed", kind="bad_input", message=MISSING, chunk_id=one.chunks[0], **failure)
    ChunkTask.objects.filter(chunk_id=one.chunks[0], stage="extract").update(state="skipped", note=IN_FRENCH)
    return one


def test_a_german_page_shows_failures_and_notices_in_german(admin: Client, failed: Made) -> None:
    of_chunk = [(MISSING, FEHLT), (IN_FRENCH, AUF_FRANZOESISCH)]
    shown = {
        reverse("admin:documents_document_change", args=[failed.document]): [
            (SLOW, LANGSAM),
            (f"{PART}{MISSING}", f"{TEIL}{FEHLT}"),
        ],
        reverse("admin:documents_document_changelist"): [(f"{PART}{MISSING}", f"{TEIL}{FEHLT}")],
        reverse("console:chunk", args=[failed.document, failed.chunks[0]]): of_chunk,
        reverse("console:text", args=[failed.document]): of_chunk,
        reverse("console:dashboard-work"): [(SLOW, LANGSAM), (MISSING, FEHLT)],
    }
    for address, pairs in shown.items():
        kept, page = (admin.get(address, headers=headers).content.decode() for headers in ({}, GERMAN))
        for english, german in pairs:
            assert (escape(english) in kept, escape(german) in kept) == (True, False), address
            assert (escape(english) in page, escape(german) in page) == (False, True), address
        assert EVIL not in page


def test_kinds_of_failures_are_words_and_german_for_german_readers(admin: Client, failed: Made) -> None:
    addresses = [
        reverse("admin:documents_document_change", args=[failed.document]),
        reverse("console:chunk", args=[failed.document, failed.chunks[0]]),
        reverse("console:dashboard-work"),
    ]
    for address in addresses:
        kept, page = (admin.get(address, headers=headers).content.decode() for headers in ({}, GERMAN))
        assert ("unusable input" in kept, "unbrauchbare Eingabe" in page) == (True, True), address
        assert "bad_input" not in kept + page, address


def test_every_kind_and_reason_has_its_word() -> None:
    kinds = {one.kind for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.AegisError)}
    assert kinds <= set(words.KINDS)
    assert {*get_args(Reason), BY_PERSON} == set(words.REASONS)


def test_merges_are_listed_with_their_reasons_in_german(admin: Client, failed: Made) -> None:
    for number, reason in enumerate(words.REASONS):
        merge(f"A {number}", f"B {number}", reason)
    page = admin.get("/admin/documents/merge/?reason=fuzzy", headers=GERMAN).content.decode()
    rows = page.partition('id="result_list"')[2]
    assert ("ähnliche Schreibweise" in rows, "B 1" in rows, "B 0" in rows) == (True, True, False)
    assert ("fuzzy</" in page, "von Hand" in page) == (False, True)


def test_the_dashboard_says_in_german_what_is_away(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    away = f"Ollama at http://{EVIL} cannot be reached: start it or correct AEGIS_OLLAMA_URL."
    checks = [Check(part="extractor", used=f"Ollama {EVIL} at http://ai", ok=False, sentence=away)]
    monkeypatch.setattr(views, "diagnose", lambda: checks)
    page = admin.get(reverse("console:dashboard-health"), headers=GERMAN).content.decode()
    assert f"Ollama unter http://{escape(EVIL)} ist nicht erreichbar: Starten Sie es" in page
    assert f"Ollama {escape(EVIL)} unter http://ai" in page
    kept = admin.get(reverse("console:dashboard-health")).content.decode()
    assert escape(away) in kept, "those who look at the same time share one diagnosis, not one language"


def test_uploads_and_actions_are_answered_in_german(admin: Client, dagster: DagsterDouble) -> None:
    dagster.close()
    files = [SimpleUploadedFile("empty.md", b""), SimpleUploadedFile("a.md", b"a")]
    form = {"new_collection": "papers", "ingest": "on", "files": files}
    page = admin.post(reverse("admin:documents_document_add"), form, headers=GERMAN).content.decode()
    assert "Abgelehnt: Die Datei ist leer." in page
    assert "Neues Dokument." in page
    assert "Das Dokument wartet und startet, sobald Dagster läuft." in page
    document = Document.objects.get()
    action = reverse("admin:documents_document_ingest", args=[document.pk])
    said = admin.post(action, follow=True, headers=GERMAN).content.decode()
    assert said.count("Dagster ist unter") >= 2, "once in the message, once on the document"
    assert "Dagster is not reachable" not in said


def test_the_api_answers_in_the_language_that_is_asked_for(ledger: Ledger, dagster: DagsterDouble) -> None:
    document = put("a.md")
    Document.objects.filter(pk=document).update(message=HELD, state="cancelled")
    operator = script("operator")
    for headers, message, error, sentence in (
        ({}, HELD, "A state is one of ", "Refused: The file is empty."),
        (GERMAN, GEHALTEN, "Ein Zustand ist einer aus ", "Abgelehnt: Die Datei ist leer."),
    ):
        assert operator.get(f"/api/documents/states?id={document}", headers=headers).json()["documents"][0]["message"] == message
        assert operator.get(f"/api/documents/{document}", headers=headers).json()["message"] == message
        assert operator.get("/api/documents?state=odd", headers=headers).json()["error"].startswith(error)
        files = {"files": io.BytesIO(b""), "collection": "papers"}
        refused = operator.post("/api/documents", files, headers=headers).json()
        assert (refused["error"], refused["documents"][0]["sentence"]) == (sentence, sentence)


def test_each_viewer_of_a_document_is_told_in_its_own_language(
    site_url: str, viewer: dict[str, str], ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = put("a.md")
    Document.objects.filter(pk=document).update(message=HELD, state="cancelled")
    readings: list[int] = []
    standings = Ledger.standings
    monkeypatch.setattr(Ledger, "standings", lambda self, ids: (readings.append(1), standings(self, ids))[1])

    async def look() -> list[Watched]:
        seen: list[Watched] = []
        async with connected() as http:
            address = f"{site_url}/api/documents/events?id={document}"
            watching = [
                asyncio.create_task(watch(http, address, 8, seen, cookies=viewer, headers={"accept-language": language}))
                for language in ("de", "en", "fr", "de-AT")
            ]
            await until(lambda: len(seen) == 4 and all(one.of("standing") for one in seen))
            for one in watching:
                one.cancel()
        return seen

    watched = asyncio.run(look())
    told = sorted(one.of("standing")[-1]["message"] for one in watched)
    assert told == sorted([GEHALTEN, HELD, HELD, GEHALTEN])
    assert len(readings) <= 2, "one reading for all of them, or one for those who came a moment later"


def test_a_frame_without_a_sentence_is_made_once(ledger: Ledger) -> None:
    document = put("a.md")
    key, detail = topics.Key(document, False), topics.Key(document, True)
    frames = topics.read([key, detail])
    assert [list(frame.texts) for frame in frames.values()] == [["en"], ["en"]]
    Document.objects.filter(pk=document).update(message=HELD)
    assert list(topics.read([key])[key].texts) == ["en", "de"]
