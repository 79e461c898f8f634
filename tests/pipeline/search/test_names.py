"""Which names a title stands for, and which of known names a question or a text holds."""

from __future__ import annotations

import pytest

from aegis_assets.pipeline.search.names import ASKED, LONGEST, chosen, file_title, in_question, in_text, lead_of, leads, title_names


@pytest.mark.parametrize(
    ("title", "names"),
    [
        ("Mercury (planet)", {"mercury planet", "mercury"}),
        ("3.2 Job Resource", {"3 2 job resource", "job resource"}),
        ("Über uns", {"über uns"}),
        ("C language", {"c language"}),
        ("A. Licences", {"a licences", "licences"}),
        ("12", set()),
        ("No", set()),
        ("one two three four five six seven eight nine ten eleven", set()),
    ],
)
def test_a_title_stands_for_itself_and_for_itself_without_number_and_bracket(title: str, names: set[str]) -> None:
    assert title_names(title) == names


def test_a_document_is_titled_by_its_name_without_folders_and_ending() -> None:
    assert file_title("reports/annual_report.2023.pdf") == "annual report.2023"


def test_a_question_names_the_longest_names_alone() -> None:
    known = {"lothair ii", "lothair", "mother", "ii"}
    assert chosen("When did Lothair II's mother die?", known) == ["lothair ii", "mother"]
    assert "when did" in in_question("When did")
    assert "who" not in in_question("Who built it?")
    assert "who" in in_question("What did the WHO say?")


def test_however_long_a_question_is_the_names_that_are_looked_up_are_bounded() -> None:
    text = " ".join(f"word{number}" for number in range(5 * ASKED))
    assert len(in_question(text)) < LONGEST * ASKED
    assert chosen(text, {"word0", f"word{ASKED - 1}", f"word{ASKED}"}) == ["word0", f"word{ASKED - 1}"]


def test_a_text_names_titles_that_begin_with_a_capital() -> None:
    text = "He was a son of Boso the Elder, and the elder brother of “Hucbert”. The quota is 5 GB."
    titles = ["boso the elder", "hucbert", "quota", "elder brother", "boso the younger"]
    by_lead = {lead_of(title): [title] for title in titles}
    assert set(in_text(text, leads(text), by_lead)) == {"boso the elder", "hucbert"}


def test_scripts_without_capitals_are_looked_up_word_by_word() -> None:
    assert "القاهرة" in leads("مدينة القاهرة كبيرة")
