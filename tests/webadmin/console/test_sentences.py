"""Sentences of the platform in the reader's language: every one has a template, and whatever a value holds, it stays a value."""

from __future__ import annotations

import time
from collections.abc import Iterator
from string import Formatter

import pytest
from django.template import Context, Template
from django.utils import translation
from django.utils.safestring import SafeString, mark_safe

from aegis_assets.engines.spacy_extractor import UNSPACED as LANGUAGES_OF_TEXTS
from tests.webadmin.console import spoken
from webadmin.console.sentences import LONGEST, said
from webadmin.console.sentences.german import PARTS, SENTENCES
from webadmin.console.sentences.german.languages import LANGUAGES
from webadmin.console.sentences.matching import template

# Said on a terminal, to Dagster, in a log or to a model, and never on a page. What they raise counts all the same.
ELSEWHERE = (
    *("aegis_assets/defs/jobs.py", "aegis_assets/dagster_ext/", "aegis_assets/defs/ops.py", "aegis_assets/defs/report.py"),
    *("aegis_assets/defs/checks.py", "aegis_assets/defs/reaper.py", "aegis_assets/defs/run.py"),
    *("aegis_assets/pipeline/flow/checks.py", "aegis_assets/pipeline/flow/staleness.py"),
    *("aegis_assets/embedded/cli.py", "aegis_assets/embedded/stack.py"),
    *(
        "aegis_assets/pipeline/describing.py",
        "aegis_assets/pipeline/extraction_prompt.py",
        "aegis_assets/pipeline/prompts.py",
        "aegis_assets/stores/watch",
        "aegis_assets/stores/ledger/watched.py",
    ),
    *("webadmin/console/management", "webadmin/documents/console.py", "webadmin/documents/management"),
    *("webadmin/monitoring/metrics.py", "webadmin/security.py"),
)
NOT_SHOWN = {
    "{}: {}.": "of pydantic, before there is a page",
    "{} {}": "of a command that waits",
    "Nothing was done: say --yes to begin.": "of a command",
}
UNKNOWN = "Nobody ever wrote this sentence."
TOO_LARGE, ZU_GROSS = "The file is larger than 3 MB (AEGIS_MAX_FILE_MB).", "Die Datei ist größer als 3 MB (AEGIS_MAX_FILE_MB)."
TWIN, ZWILLING = (
    "Duplicate of {}: the same bytes are in this collection under that name.",
    "Doppelt: wie {}; derselbe Inhalt ist unter jenem Namen in dieser Sammlung.",
)


@pytest.fixture
def german() -> Iterator[None]:
    with translation.override("de"):
        yield


def test_every_sentence_of_the_sources_has_a_german_one() -> None:
    sources = spoken.trees()
    errors = spoken.error_classes(sources)
    known = {spoken.shape(english) for english in SENTENCES}
    wanted: dict[str, str] = {}
    for path, tree in sources.items():
        place = path.relative_to(spoken.ROOT).as_posix()
        here = [] if place.startswith(ELSEWHERE) else list(spoken.like_sentences(tree))
        wanted |= dict.fromkeys((*spoken.raised(tree, errors), *spoken.of_statements(tree), *here), place)
    assert len(wanted) > 250
    missing = {text: place for text, place in wanted.items() if text not in known and text not in NOT_SHOWN}
    assert missing == {}, "give these a template in webadmin/console/sentences/german"
    assert wanted.keys() > NOT_SHOWN.keys()


def test_every_template_is_still_said_somewhere() -> None:
    trees = list(spoken.trees().values())
    there = {text for tree in trees for read in (spoken.literals, spoken.of_statements) for text in read(tree)}
    # An earlier release wrote them into the ledger.
    earlier = {
        *LANGUAGES,
        *(part for part in PARTS if part == "a language in another script" or part.startswith("the language with")),
    }
    assert [english for english in (*SENTENCES, *PARTS) if spoken.shape(english) not in there and english not in earlier] == []


def test_every_language_that_a_text_may_be_in_has_a_german_name() -> None:
    assert set(LANGUAGES_OF_TEXTS.values()) <= PARTS.keys()


@pytest.mark.parametrize("english", [*SENTENCES, *PARTS])
def test_both_languages_have_the_same_fields(english: str) -> None:
    made = template(english, "")
    names = [field.name for field in made.fields]
    assert sorted(names) == sorted(name for _, name, _, _ in Formatter().parse((SENTENCES | PARTS)[english]) if name is not None)
    assert len(set(names)) == len(names)
    assert {field.kind for field in made.fields} <= {"", "said", "word", "listed"}
    assert all(made.literals[1:-1]), "two values side by side cannot be told apart"


def test_each_sentence_is_said_by_its_own_template(german: None) -> None:
    """Not by one that happens to fit too."""
    values = {"word": ("running", "läuft"), "listed": ("parse failed", "„lesen“ fehlgeschlagen")}
    for english, in_german in SENTENCES.items():
        kinds = {field.name: values.get(field.kind, ("17", "17")) for field in template(english, "").fields}
        kept = "".join(text + (kinds[name][0] if name else "") for text, name, _, _ in Formatter().parse(english))
        assert said(kept) == in_german.format(**{name: shown for name, (_, shown) in kinds.items()})


def test_english_readers_see_what_is_kept() -> None:
    with translation.override("en"):
        assert said(TOO_LARGE) == TOO_LARGE
    with translation.override(None):
        assert said(TOO_LARGE) == TOO_LARGE


def test_what_no_template_fits_is_shown_as_it_is(german: None) -> None:
    for text in ("", UNKNOWN, "a: b", "Refused", TOO_LARGE + " ", "{", "{0}", "{why}", "%s", "nothing failed: x"):
        assert said(text) == text
    assert said(None) == ""


@pytest.mark.parametrize(
    "name",
    [
        '"quoted".pdf',
        "it's.pdf",
        "{0}{name}{}.pdf",
        "{{",
        "<b>bold</b>&amp;.pdf",
        "\u202efdp.exe\u202c",
        "a\nb.pdf",
        "",
        "%(name)s",
    ],
)
def test_a_value_is_carried_over_as_it_is(german: None, name: str) -> None:
    assert said(TWIN.format("|").replace("|", name)) == ZWILLING.format("|").replace("|", name)


def test_a_name_that_holds_a_piece_of_its_own_sentence_loses_nothing(german: None) -> None:
    name = "x: the same bytes are in this collection under that name."
    assert said(TWIN.format(name)) == ZWILLING.format(name)


def test_a_name_is_not_translated(german: None) -> None:
    assert said(TWIN.format(TOO_LARGE)) == ZWILLING.format(TOO_LARGE)
    assert said(TWIN.format("Reading the document")) == ZWILLING.format("Reading the document")


def test_a_sentence_within_a_sentence_is_german_too(german: None) -> None:
    assert said(f"Refused: {TOO_LARGE}") == f"Abgelehnt: {ZU_GROSS}"
    assert said(f"Refused: {UNKNOWN}") == f"Abgelehnt: {UNKNOWN}"
    shown = said(
        "3 of 10 chunks failed in embed, 1 window failed in parse, publish failed: Parsing pages 1 to 4 took longer than 5 s and"
        " was stopped (AEGIS_PARSE_TIMEOUT). The generation before it still answers searches."
    )
    assert shown == (
        "3 von 10 Textstücken in „einbetten“ fehlgeschlagen, 1 Fenster in „lesen“ fehlgeschlagen, „veröffentlichen“ fehlgeschlagen:"
        " Das Lesen der Seiten 1 bis 4 dauerte länger als 5 s und wurde abgebrochen (AEGIS_PARSE_TIMEOUT). Suchen beantwortet"
        " weiterhin die vorherige Generation."
    )


def test_several_sentences_a_line_each(german: None) -> None:
    assert said(f"{TOO_LARGE}\n{UNKNOWN}") == f"{ZU_GROSS}\n{UNKNOWN}"


def test_the_reader_s_language_decides_each_time() -> None:
    for language, expected in (("de", ZU_GROSS), ("en", TOO_LARGE), ("de", ZU_GROSS)):
        with translation.override(language):
            assert said(TOO_LARGE) == expected


def test_the_filter_gives_text_that_a_template_escapes(german: None) -> None:
    name = "<script>alert(1)</script>"
    shown = Template("{% load console %}{{ sentence|said }}")
    for sentence in (TWIN.format(name), mark_safe(TWIN.format(name)), mark_safe(name)):
        assert not isinstance(said(sentence), SafeString)
        html = shown.render(Context({"sentence": sentence}))
        assert "<script>" not in html
        assert "&lt;script&gt;" in html


@pytest.mark.parametrize(
    "text",
    [
        "Ollama at " + " has a context of " * 300,
        "Workers on " + " take steps, but " * 200,
        "Refused: " * 400,
        "parse failed, " * 280 + ": x",
        "parse failed: " * 280,
        "1 of 2 chunks failed in embed, " * 120 + "parse failed: " + "Refused: " * 20,
        " and " * 700 + " both want port ",
        "{why:said}" * 390,
        "(" * 3900 + ").",
        "A" * 100_000 + ".",
        "Duplicate of " + "x" * LONGEST,
    ],
)
def test_hostile_texts_take_no_time(german: None, text: str) -> None:
    began = time.process_time()
    for number in range(20):
        said(f"{text}{number}"[:LONGEST] if number % 2 else f"{text[: LONGEST - 2]}{number}")
    assert time.process_time() - began < 2


def test_a_page_of_a_thousand_sentences_takes_no_time(german: None) -> None:
    began = time.process_time()
    shown = [said(TWIN.format(f"{number}.pdf")) for number in range(1000)]
    assert time.process_time() - began < 1
    assert shown[999] == ZWILLING.format("999.pdf")
