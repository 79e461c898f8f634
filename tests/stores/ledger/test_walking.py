"""A search's walk on a real ledger: titles are homes, also those that no extractor found, and what is not live is left out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from uuid import UUID

from aegis_assets.model.document import State
from aegis_assets.model.extraction import Extraction, Mention
from aegis_assets.model.ledger import Extracted
from aegis_assets.stores.ledger import Ledger
from aegis_assets.stores.ledger.walking import MOST_HOMES, Neighbourhood
from tests.stores.ledger.build import CHUNKS, EMBED, EXTRACT, collection, draft, enriched, planned, running, sha

NAME = re.compile(r"[A-Z][a-z]+")
HOMES = "SELECT name, chunk_id AS chunk FROM aegis_home WHERE document_id = %s"
ADD_HOME = """
INSERT INTO aegis_home (collection_id, document_id, chunk_id, name, lead)
VALUES (%s, %s, gen_random_uuid(), 'examples', 'examples')"""


def prepared(
    ledger: Ledger, name: str, title: str, texts: Sequence[str], run_id: str, names: re.Pattern[str] = NAME, type: str = "thing"
) -> tuple[UUID, list[UUID]]:
    """Everything up to publish. names: what is an entity. Return the document and its chunks."""
    content = repr(texts)
    document = running(ledger, name, content, run_id=run_id)
    generation = planned(ledger, document, sha(content), content=content, run_id=run_id)
    (window,) = ledger.windows(generation.id)
    enriched(ledger, window.id, texts, run_id)
    chunks = ledger.save_chunks(window.id, run_id, [draft(text, 1, (title,)) for text in texts], CHUNKS, 0.1)
    ledger.save_embedded(document, run_id, chunks, EMBED, 0.1)
    for chunk, text in zip(chunks, texts, strict=True):
        mentions = tuple(Mention(name=one.group(), type=type, start=one.start(), end=one.end()) for one in names.finditer(text))
        ledger.save_extractions(document, run_id, EXTRACT, [Extracted(chunk, Extraction(mentions=mentions, calls=1), seconds=0.1)])
    return document, chunks


def published(ledger: Ledger, name: str, title: str, *texts: str) -> UUID:
    """Publish a document with these chunks under this heading, and return the first chunk."""
    document, chunks = prepared(ledger, name, title, texts, f"run-{name}")
    ledger.switch([document], f"run-{name}")
    ledger.finish(document, f"run-{name}", State.SUCCEEDED, "")
    return chunks[0]


def rows(ledger: Ledger, query: str, *values: object) -> list[dict[str, object]]:
    with ledger.connection() as connection:
        return connection.execute(query, values).fetchall()  # type: ignore[arg-type]


def test_the_walk_goes_from_a_name_in_the_question_to_the_chunk_that_is_about_the_next_one(ledger: Ledger) -> None:
    begin = published(ledger, "a.md", "Lothair", "Lothair wed Teutberga in the year 855.")
    answer = published(ledger, "b.md", "Teutberga", "The queen came from Burgundy.")
    mentions = published(ledger, "c.md", "Others", "Many wrote of Teutberga.")
    walked = ledger.walk([collection()], "Whom did Lothair wed?", {})
    assert walked.mass[answer] > walked.mass[mentions] > 0
    assert walked.path(answer) == ("Lothair", "Teutberga")
    assert walked.path(begin) == ("Lothair",)


def test_a_short_form_in_the_question_stands_for_the_name_that_its_documents_join_it_with(ledger: Ledger) -> None:
    text = "Charles Babbage built it. Babbage was proud."
    document, chunks = prepared(ledger, "a.md", "Engines", [text], "run-a", re.compile("(?:Charles )?Babbage"), "PERSON")
    ledger.join_names(document, "run-a")
    ledger.switch([document], "run-a")
    ledger.finish(document, "run-a", State.SUCCEEDED, "")
    assert ledger.walk([collection()], "Was Babbage proud?", {}).path(chunks[0]) == ("Charles Babbage",)


def test_a_title_that_no_extractor_found_is_found_in_the_texts_that_hold_it(ledger: Ledger) -> None:
    begin = published(ledger, "a.md", "Begin", "The Treaty of 855 was broken.")
    about = published(ledger, "b.md", "Treaty of 855", "it was signed in spring.")
    walked = ledger.walk([collection()], "Who broke it?", {begin: 0.9})
    assert walked.mass[about] > 0
    assert walked.path(about) == ("treaty of 855",)


def test_a_title_belongs_to_the_first_chunk_and_follows_a_revision_and_a_removal(ledger: Ledger) -> None:
    first = published(ledger, "engine.md", "3.1 Engines", "One text.", "Another text.")
    (document,) = (row["document_id"] for row in rows(ledger, "SELECT document_id FROM aegis_chunk WHERE id = %s", first))
    assert {row["chunk"] for row in rows(ledger, HOMES, document)} == {first}
    assert {row["name"] for row in rows(ledger, HOMES, document)} == {"engine", "3 1 engines", "engines"}

    _, (new,) = prepared(ledger, "engine.md", "Motors", ["New text."], "run-2")
    assert {row["chunk"] for row in rows(ledger, HOMES, document)} == {first}, "until the revision is live"
    ledger.switch([UUID(str(document))], "run-2")
    assert [(row["name"], row["chunk"]) for row in rows(ledger, HOMES + " ORDER BY name", document)] == [
        ("engine", new), ("motors", new),
    ]  # fmt: skip
    ledger.finish(UUID(str(document)), "run-2", State.SUCCEEDED, "")

    ledger.request_removal(UUID(str(document)))
    ledger.start_removal(UUID(str(document)))
    assert rows(ledger, HOMES, document) == []


def test_a_heading_of_many_chapters_is_nobodys_home(ledger: Ledger) -> None:
    first = published(ledger, "many.md", "Examples", "some text.")
    with ledger.connection() as connection:
        (named,) = Neighbourhood(connection).named_in([collection()], "Examples of it")
        assert Neighbourhood(connection).chunks([named])[named] == {first: True}
        for number in range(MOST_HOMES):
            connection.execute(ADD_HOME, (collection(), UUID(int=number)))
        assert Neighbourhood(connection).chunks([named])[named] == {}


def test_without_a_title_the_chunk_that_names_an_entity_most_is_its_home(ledger: Ledger) -> None:
    most = published(ledger, "a.md", "One", "Ada met Bob. Ada left. Ada wrote.")
    once = published(ledger, "b.md", "Two", "Bob saw Cid, whom Ada knew.")
    with ledger.connection() as connection:
        graph = Neighbourhood(connection)
        ada = next(entity for entity in graph.entities([once])[once] if entity.key == "ada")
        assert graph.chunks([ada])[ada] == {most: True, once: False}


def test_chunks_of_a_revision_that_is_not_live_are_not_walked(ledger: Ledger) -> None:
    old = published(ledger, "a.md", "Lovelace", "Lovelace likes Engine.")
    _, (new,) = prepared(ledger, "a.md", "Lovelace", ["Lovelace likes Music."], "run-2")
    mass = ledger.walk([collection()], "What did Lovelace like?", {}).mass
    assert old in mass
    assert new not in mass


def test_another_collection_is_not_walked(ledger: Ledger) -> None:
    published(ledger, "a.md", "Lovelace", "Lovelace likes Engine.")
    assert ledger.walk([UUID(int=1)], "Lovelace", {}).mass == {}
