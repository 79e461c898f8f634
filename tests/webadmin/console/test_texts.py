"""The German texts are whole, and what Django reads is what stands in the source."""

from __future__ import annotations

from pathlib import Path

import polib
import pytest
from django.test import Client

from webadmin.console import texts
from webadmin.console.sentences.german import PARTS, SENTENCES

SHORT = "/admin/documents/document/"


@pytest.fixture(scope="module")
def catalogue() -> polib.POFile:
    return texts.read()


def test_every_text_of_the_sources_is_in_the_catalogue_and_no_other(catalogue: polib.POFile) -> None:
    said = set(texts.texts())
    kept = {(entry.msgid, entry.msgid_plural) for entry in catalogue}
    assert said - kept == set(), "run `python manage.py texts`"
    assert kept - said == set(), "run `python manage.py texts`"


def test_no_text_lacks_a_german_one(catalogue: polib.POFile) -> None:
    assert texts.missing(catalogue) == []


def test_what_django_reads_was_compiled_from_the_source(catalogue: polib.POFile) -> None:
    assert texts.FILE.with_suffix(".mo").read_bytes() == texts.compiled(catalogue), "run `python manage.py texts`"


def test_a_translation_fills_the_same_places_as_the_text(catalogue: polib.POFile) -> None:
    import re

    def places(text: str) -> list[str]:
        return sorted(re.findall(r"%\(\w+\)s|\{\}", text))

    for entry in catalogue:
        for said in entry.msgstr_plural.values() if entry.msgid_plural else [entry.msgstr]:
            assert places(said) == places(entry.msgid), entry.msgid


def test_a_chunk_is_called_by_one_word(catalogue: polib.POFile) -> None:
    said = [text for entry in catalogue for text in (entry.msgstr, *entry.msgstr_plural.values())]
    assert [text for text in said if "chunk" in text.lower()] == []
    assert [text for text in (*SENTENCES.values(), *PARTS.values()) if "chunk" in text.replace("{chunk", "").lower()] == []


def test_python_and_templates_are_read(tmp_path: Path) -> None:
    python = 'x = _("one")\ny = ngettext("{} leaf", "{} leaves", n)\nz = other("no")\nm = f"{_(\'in f\')}"\n'
    assert set(texts._of_python(python)) == {("one", ""), ("{} leaf", "{} leaves"), ("in f", "")}
    template = (
        '{% load i18n %}{% translate "it\'s" %} plain {% blocktranslate count n=n %}{{ n }} leaf{% plural %}{{ n }} leaves'
        "{% endblocktranslate %}{% blocktranslate with a=b %}for {{ a }}{% endblocktranslate %}"
    )
    assert set(texts._of_template(template)) == {("it's", ""), ("%(n)s leaf", "%(n)s leaves"), ("for %(a)s", "")}


def test_the_browser_s_language_is_spoken_and_english_otherwise(admin: Client) -> None:
    german = admin.get(SHORT, headers={"accept-language": "de-AT,de;q=0.9,en;q=0.5"}).content.decode()
    assert '<html lang="de"' in german
    assert "Dokumente" in german
    assert "Hochladen" in german
    french = admin.get(SHORT, headers={"accept-language": "fr"}).content.decode()
    assert '<html lang="en"' in french


def test_the_language_is_switched_in_the_user_menu_and_stays(admin: Client) -> None:
    page = admin.get(SHORT).content.decode()
    assert 'action="/i18n/setlang/"' in page
    assert admin.post("/i18n/setlang/", {"language": "de", "next": "/admin/"}).headers["Location"] == "/admin/"
    assert '<html lang="de"' in admin.get(SHORT).content.decode()
    assert admin.post("/i18n/setlang/", {"language": "de", "next": "https://elsewhere.example/"}).headers["Location"] == "/"
