from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest

from aegis_assets.errors import BadInput, EngineFailed, Superseded
from aegis_assets.model import ids
from aegis_assets.model.document import Stage, State
from aegis_assets.model.extraction import Extraction, Mention
from aegis_assets.model.ledger import Extracted
from aegis_assets.stores.ledger import Ledger
from tests.stores.ledger.build import EMBED, EXTRACT, PARSE, RUN, collection, dead, draft, enriched, extraction, planned, running

Rows = list[tuple[object, ...]]


def window_of(ledger: Ledger, texts: list[str]) -> tuple[UUID, UUID, list[UUID]]:
    """document, window, chunks."""
    document = running(ledger)
    (window,) = ledger.windows(planned(ledger, document, "k1").id)
    return document, window.id, enriched(ledger, window.id, texts)


def select(ledger: Ledger, query: str) -> Rows:
    with ledger.connection() as connection:
        return [tuple(row.values()) for row in connection.execute(query)]  # type: ignore[call-overload]


def test_a_result_and_its_mark_come_together_and_twice_is_once(ledger: Ledger) -> None:
    document, window, (chunk,) = window_of(ledger, ["Ada met Grace."])
    found = extraction("Ada", "Grace", relation="meets")
    for _ in range(2):
        ledger.start_chunks([chunk], Stage.EXTRACT, RUN)
        ledger.save_extractions(document, RUN, EXTRACT, [Extracted(chunk, found, seconds=1.5)])
        counts = ledger.counts(document)
        assert (counts.mentions, counts.entities, counts.relations) == (2, 2, 1)
    assert ledger.chunks_to_do(window, Stage.EXTRACT, EXTRACT) == []
    assert select(ledger, 'SELECT name, start, "end" FROM aegis_mention ORDER BY start') == [("Ada", 0, 3), ("Grace", 1, 6)]
    assert select(ledger, "SELECT id, canonical_id FROM aegis_entity WHERE name = 'Ada'") == [
        (ids.entity_id(collection(), "Ada"),) * 2
    ]


def test_what_was_extracted_once_is_known_by_its_text_and_fingerprint(ledger: Ledger) -> None:
    document, _, (first, second) = window_of(ledger, ["one", "two"])
    found = extraction("Ada")
    text = ids.text_hash("one")
    assert ledger.cached_extractions([(text, EXTRACT)]) == {}
    ledger.save_extractions(document, RUN, EXTRACT, [Extracted(first, found, seconds=1.0)])
    assert ledger.cached_extractions([(text, EXTRACT)]) == {(text, EXTRACT): found}
    assert ledger.cached_extractions([(text, "extract-2")]) == {}
    ledger.save_extractions(document, RUN, EXTRACT, [Extracted(second, found, cached=True)])
    assert ledger.cached_extractions([(text, EXTRACT), (ids.text_hash("two"), EXTRACT)]) == {(text, EXTRACT): found}
    result = ledger.result(document)
    assert result["work"] == {"parsed_windows": 1, "embedded_chunks": 0, "extracted_chunks": 1, "llm_calls": 1}
    assert result["seconds"]["extract"] == 1.0


def test_a_cached_result_fits_every_text_that_shares_its_hash(ledger: Ledger) -> None:
    """A hash is of the composed form, and spans count characters: so what is stored is composed."""
    _, window, chunks = window_of(ledger, ["Zu\u0308rich and Bern", "Z\u00fcrich and Bern"])
    rows = ledger.chunks_to_do(window, Stage.EXTRACT, EXTRACT)
    assert {row.text for row in rows} == {"Z\u00fcrich and Bern"}
    assert len({row.text_hash for row in rows}) == 1
    assert len(set(chunks)) == 2


def test_a_skipped_text_is_done_and_says_why(ledger: Ledger) -> None:
    document, window, (chunk,) = window_of(ledger, ["Guten Tag."])
    ledger.save_extractions(document, RUN, EXTRACT, [Extracted(chunk, Extraction(skipped="German has no model"), seconds=0.1)])
    assert select(ledger, "SELECT state, note FROM aegis_chunk_task WHERE stage = 'extract'") == [
        ("skipped", "German has no model")
    ]
    assert ledger.chunks_to_do(window, Stage.EXTRACT, EXTRACT) == []
    assert [row.id for row in ledger.chunks_to_do(window, Stage.EXTRACT, "extract-2")] == [chunk]


def test_hostile_names_are_cut_cleaned_or_left_out(ledger: Ledger) -> None:
    document, _, (chunk,) = window_of(ledger, ["text"])
    mentions = tuple(
        Mention(name=name, type="t" * 99, start=n, end=n + 1) for n, name in enumerate(["!!!", "a\x00b", "x" * 900, "ß" * 400])
    )
    ledger.save_extractions(document, RUN, EXTRACT, [Extracted(chunk, Extraction(mentions=mentions), seconds=0.1)])
    names = sorted(str(name) for (name,) in select(ledger, "SELECT name FROM aegis_entity"))
    assert names == sorted(["ab", "x" * 512, "ß" * 400])


def test_many_writers_of_the_same_entities_do_not_stop_each_other(ledger: Ledger) -> None:
    document, _, chunks = window_of(ledger, [f"text {number}" for number in range(24)])
    names = [f"name {number}" for number in range(12)]

    def write(number: int) -> None:
        turned = names[number % 12 :] + names[: number % 12]
        ledger.save_extractions(document, RUN, EXTRACT, [Extracted(chunks[number], extraction(*turned), seconds=0.1)])

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(write, range(24)))
    counts = ledger.counts(document)
    assert (counts.entities, counts.mentions) == (12, 24 * 12)
    assert ledger.result(document)["work"]["extracted_chunks"] == 24


def test_a_chunk_that_is_gone_or_anothers_takes_no_result(ledger: Ledger) -> None:
    document, _, _ = window_of(ledger, ["text"])
    with pytest.raises(Superseded):
        ledger.save_extractions(document, RUN, EXTRACT, [Extracted(uuid4(), extraction("Ada"), seconds=0.1)])


def test_a_failed_chunk_is_data_and_its_success_resolves_it(ledger: Ledger) -> None:
    document, window, (first, second) = window_of(ledger, ["one", "two"])
    for _ in range(2):
        ledger.start_chunks([first], Stage.EXTRACT, RUN)
        ledger.fail(document, RUN, Stage.EXTRACT, EngineFailed("The model\x00 answered junk."), window=window, chunk=first)
    (failure,) = ledger.failures(document)
    assert (failure.stage, failure.kind, failure.retryable, failure.message) == (
        Stage.EXTRACT,
        "engine_failed",
        True,
        "The model answered junk.",
    )
    assert (failure.attempt, failure.window_ordinal, failure.chunk) == (2, 0, first)
    assert [(chunk.id, chunk.attempts) for chunk in ledger.chunks_to_do(window, Stage.EXTRACT, EXTRACT)] == [
        (first, 2),
        (second, 0),
    ]
    ledger.save_extractions(document, RUN, EXTRACT, [Extracted(first, extraction("Ada"), seconds=0.1)])
    assert ledger.failures(document) == []
    assert len(ledger.failures(document, open_only=False)) == 2


def test_a_window_that_failed_in_embed_fails_its_chunks(ledger: Ledger) -> None:
    document, window, chunks = window_of(ledger, ["one", "two"])
    ledger.save_embedded(document, RUN, chunks[:1], EMBED, 0.1)
    ledger.fail(document, RUN, Stage.EMBED, BadInput("no"), window=window)
    stage = ledger.progress(document).stages[Stage.EMBED]
    assert (stage.done, stage.failed) == (1, 1)
    ledger.save_embedded(document, RUN, chunks, EMBED, 0.1)
    assert ledger.failures(document) == []


def test_a_picture_without_description_stays_a_failure_until_a_later_run_has_it(ledger: Ledger) -> None:
    document, window, _ = window_of(ledger, ["one"])
    ledger.fail(document, RUN, Stage.ENRICH, EngineFailed("No answer."), window=window)
    ledger.save_chunks(window, RUN, [draft("one")], "incomplete", 0.1)
    assert len(ledger.failures(document)) == 1
    ledger.begin(document, "run-2", dead)
    ledger.save_chunks(window, "run-2", [draft("one")], "whole", 0.1)
    assert ledger.failures(document) == []


def test_success_settles_what_no_chunk_or_window_can(ledger: Ledger) -> None:
    document, _, _ = window_of(ledger, ["one"])
    ledger.fail(document, RUN, Stage.PARSE, BadInput("Could not begin."))
    ledger.finish(document, RUN, State.FAILED, "Could not begin.")
    assert [failure.attempt for failure in ledger.failures(document)] == [1]
    ledger.begin(document, "run-2", dead)
    ledger.finish(document, "run-2", State.PARTIAL, "")
    assert ledger.failures(document) == []


def test_seconds_add_up_by_stage_and_embedding_counts_only_what_was_not_done(ledger: Ledger) -> None:
    document, _, chunks = window_of(ledger, ["one", "two"])
    for _ in range(2):
        ledger.add_seconds(RUN, [document], Stage.RESOLVE, 0.5)
        ledger.save_embedded(document, RUN, chunks, EMBED, 0.25)
    result = ledger.result(document)
    assert (result["seconds"]["resolve"], result["seconds"]["embed"]) == (1.0, 0.5)
    assert result["work"]["embedded_chunks"] == 2


def test_what_documents_take_together_is_shared_out_and_has_one_begin_and_end(ledger: Ledger) -> None:
    both = [running(ledger, name, content=name) for name in ("a.md", "b.md")]
    with ledger.transaction() as connection:
        connection.execute("UPDATE aegis_run_document SET started_at = now() - interval '1 minute'")
    ledger.add_seconds(RUN, both, Stage.PUBLISH, 4.0)
    assert [ledger.result(one)["seconds"]["publish"] for one in both] == [2.0, 2.0]
    took = select(ledger, "SELECT extract(epoch FROM publish_ended_at - publish_began_at)::float AS took FROM aegis_run_document")
    assert took == [(4.0,), (4.0,)]
    assert select(ledger, "SELECT count(*) FROM aegis_run_document WHERE resolve_ended_at IS NOT NULL") == [(0,)]


def test_what_an_earlier_release_extracted_is_valid_until_it_is_reopened(ledger: Ledger) -> None:
    document, window, (chunk,) = window_of(ledger, ["Ada met Grace."])
    ledger.save_extractions(document, RUN, EXTRACT, [Extracted(chunk, extraction("Ada"), seconds=1.0)])
    generation = ledger.window(window).generation
    stages = (PARSE, EMBED, "extract-2")
    ledger.save_embedded(document, RUN, [chunk], EMBED, 0.1)
    assert ledger.missing_windows(generation, RUN, *stages, earlier=[EXTRACT]) == []
    assert ledger.incomplete([generation], *stages, [EXTRACT]) == set()
    assert ledger.chunks_to_do(window, Stage.EXTRACT, "extract-2", [EXTRACT]) == []
    assert ledger.reopen_extractions([document], EXTRACT) == 0
    assert ledger.reopen_extractions([document], "extract-2") == 1
    assert ledger.incomplete([generation], *stages, [EXTRACT]) == {generation}
    assert [row.id for row in ledger.chunks_to_do(window, Stage.EXTRACT, "extract-2", [EXTRACT])] == [chunk]
    assert ledger.counts(document).mentions == 1, "the old result stays until there is a new one"


def test_the_doubts_of_an_extraction_are_kept(ledger: Ledger) -> None:
    document, _, (chunk,) = window_of(ledger, ["Ada met Grace."])
    plain = extraction("Ada", "Grace", relation="meets")
    doubtful = plain.model_copy(
        update={
            "mentions": (plain.mentions[0].model_copy(update={"inexact": True}), *plain.mentions[1:]),
            "relations": tuple(relation.model_copy(update={"addressed": True}) for relation in plain.relations),
        }
    )
    ledger.save_extractions(document, RUN, EXTRACT, [Extracted(chunk, doubtful, seconds=1.0)])
    assert select(ledger, "SELECT name FROM aegis_mention WHERE inexact") == [("Ada",)]
    assert select(ledger, "SELECT addressed FROM aegis_relation") == [(True,)]
