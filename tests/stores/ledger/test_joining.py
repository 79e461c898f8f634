"""Short forms of a document's names: joined with the full name, undone by a revision that has two, whatever the order of chunks."""

from __future__ import annotations

import re
from itertools import permutations

from aegis_assets.model import ids
from aegis_assets.model.outbox import Kind
from aegis_assets.stores.ledger import Ledger
from tests.stores.ledger.build import collection
from tests.stores.ledger.marked_documents import held, ingest, prepare, relations, remove
from tests.stores.ledger.test_walking import prepared

TEXTS = (
    "{PERSON|Charles Babbage} designed the engine.",
    "{TERM|Babbage} admired {PERSON|Ada Lovelace}.",
    "{PERSON|Lovelace} answered {PERSON|Babbage}.",
)
WITH_HENRY = (*TEXTS, "{PERSON|Henry Babbage} was a son.")
JOINED = {"Charles Babbage": ("PERSON", ("Babbage",), 3), "Ada Lovelace": ("PERSON", ("Lovelace",), 2)}
ANSWERS = {("Charles Babbage", "admired", "Ada Lovelace"), ("Ada Lovelace", "answered", "Charles Babbage")}


def names(ledger: Ledger) -> set[str]:
    with ledger.connection() as connection:
        return {row["name"] for row in connection.execute("SELECT name FROM aegis_entity")}


def said(ledger: Ledger) -> list[tuple[str, str]]:
    """Return each mention's text and the name of its entity."""
    query = (
        "SELECT m.name AS said, e.name FROM aegis_mention m JOIN aegis_entity e ON e.id = m.entity_id ORDER BY m.chunk_id, start"
    )
    with ledger.connection() as connection:
        return [(row["said"], row["name"]) for row in connection.execute(query)]


def test_a_mention_keeps_its_text_and_gets_the_entity_of_the_full_name(ledger: Ledger) -> None:
    ingest(ledger, "a.md", TEXTS, "run-1")
    assert held(ledger) == JOINED
    assert relations(ledger) == ANSWERS
    assert names(ledger) == {"Charles Babbage", "Ada Lovelace"}
    assert ("Babbage", "Charles Babbage") in said(ledger)


def test_the_order_in_which_chunks_end_changes_nothing(ledger: Ledger) -> None:
    for number, order in enumerate(permutations(range(3))):
        document = ingest(ledger, "a.md", TEXTS, f"run-{number}", order)
        assert (held(ledger), relations(ledger)) == (JOINED, ANSWERS)
        remove(ledger, document)
    assert names(ledger) == set()


def test_equal_votes_are_equal_in_whatever_order_they_are_summed(ledger: Ledger) -> None:
    votes = ("{PERSON|Babbage|0.05}", "{PERSON|Babbage|0.1}", "{PERSON|Babbage|0.15}", "{ORGANIZATION|Babbage|0.9}")
    assert 0.05 + 0.1 + 0.15 > 0.3 >= 0.15 + 0.1 + 0.05
    for number, order in enumerate(((0, 1, 2, 3, 4), (4, 3, 2, 1, 0))):
        document = ingest(ledger, "a.md", (*votes, "{PERSON|Charles Babbage}"), f"run-{number}", order)
        assert names(ledger) == {"Babbage", "Charles Babbage"}, "three quarters of the votes say organisation"
        remove(ledger, document)


def test_a_surname_that_some_chunks_take_for_a_place_is_the_person_s(ledger: Ledger) -> None:
    place, person = "{LOCATION|Kilburn} built it.", "{PERSON|Kilburn} built it."
    document = ingest(ledger, "a.md", ("{PERSON|Tom Kilburn} came.", place, place, person), "run-1")
    assert names(ledger) == {"Tom Kilburn"}
    remove(ledger, document)
    ingest(ledger, "a.md", ("{PERSON|Tom Kilburn} came.", place, place, place, person), "run-2")
    assert names(ledger) == {"Tom Kilburn", "Kilburn"}, "so much of a place that it may be one"


def test_a_revision_with_two_full_names_undoes_the_join_and_one_without_brings_it_back(ledger: Ledger) -> None:
    ingest(ledger, "a.md", TEXTS, "run-1")
    document = ingest(ledger, "a.md", WITH_HENRY, "run-2")
    assert held(ledger) == {
        "Charles Babbage": ("PERSON", (), 1),
        "Henry Babbage": ("PERSON", (), 1),
        "Babbage": ("PERSON", (), 2),
        "Ada Lovelace": ("PERSON", ("Lovelace",), 2),
    }
    assert relations(ledger) == {("Babbage", "admired", "Ada Lovelace"), ("Ada Lovelace", "answered", "Babbage")}
    assert dict.fromkeys(ledger.names_of(collection(), [document], "rules").values()) == {False: None}, "to be compared"

    ingest(ledger, "a.md", TEXTS, "run-3")
    assert (held(ledger), relations(ledger)) == (JOINED, ANSWERS)


def test_of_two_full_names_the_one_counts_that_the_document_s_name_or_only_title_gives(ledger: Ledger) -> None:
    ingest(ledger, "notes/Charles_Babbage.md", WITH_HENRY, "run-1")
    assert held(ledger)["Charles Babbage"] == JOINED["Charles Babbage"]
    for number, (title, people) in enumerate({"Henry Babbage": 2, "The Babbages": 3}.items()):
        texts, babbages = ("Henry Babbage", "Charles Babbage", "Babbage"), re.compile(r"(?:Henry |Charles )?Babbage")
        document, _ = prepared(ledger, f"{number}.md", title, texts, f"run-{title}", babbages, "PERSON")
        ledger.join_names(document, f"run-{title}")
        assert len(ledger.names_of(collection(), [document], "rules")) == people


def test_a_second_call_changes_nothing(ledger: Ledger) -> None:
    document = prepare(ledger, "a.md", TEXTS, "run-1")
    for _ in range(2):
        ledger.join_names(document, "run-1")
        ledger.switch([document], "run-1")
        assert (held(ledger), relations(ledger)) == (JOINED, ANSWERS)


def test_another_document_without_the_full_name_keeps_the_short_one(ledger: Ledger) -> None:
    ingest(ledger, "a.md", TEXTS, "run-1")
    other = ingest(ledger, "b.md", ["{PERSON|Babbage} wrote a letter."], "run-2")
    assert held(ledger) == {**JOINED, "Babbage": ("PERSON", (), 1)}
    remove(ledger, other)
    assert (held(ledger), names(ledger)) == (JOINED, {"Charles Babbage", "Ada Lovelace"})


def test_what_a_person_decided_about_a_short_form_stays(ledger: Ledger) -> None:
    document = prepare(ledger, "a.md", TEXTS, "run-1")
    babbage, ada = (ids.entity_id(collection(), name) for name in ("Babbage", "Ada Lovelace"))
    ledger.merge_entities(collection(), (babbage, ada), "ada")
    ledger.join_names(document, "run-1")
    ledger.switch([document], "run-1")
    assert held(ledger)["Ada Lovelace"] == ("PERSON", ("Babbage", "Lovelace"), 2)
    assert held(ledger)["Charles Babbage"] == ("PERSON", (), 1)


def test_chunks_that_are_live_already_are_marked_when_their_names_move(ledger: Ledger) -> None:
    ingest(ledger, "a.md", TEXTS, "run-1")
    document = prepare(ledger, "a.md", WITH_HENRY, "run-2")
    ledger.join_names(document, "run-2")
    assert held(ledger)["Babbage"] == ("PERSON", (), 2)
    with ledger.connection() as connection:
        marked = connection.execute("SELECT count(*) AS n FROM aegis_outbox WHERE kind = %s", (Kind.CHUNK,)).fetchone()
    assert marked is not None
    assert marked["n"] >= 2
