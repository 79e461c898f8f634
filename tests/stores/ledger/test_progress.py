from __future__ import annotations

import json
from uuid import UUID

import pytest

from aegis_assets.errors import BadInput
from aegis_assets.model.document import Mark, Stage, State
from aegis_assets.model.ledger import Extracted
from aegis_assets.stores.ledger import Ledger
from aegis_assets.stores.ledger.fractions import StageMarks, WindowMarks, fraction, weights
from tests.stores.ledger.build import (
    CHUNKS,
    EMBED,
    EXTRACT,
    PARSE,
    RUN,
    dead,
    draft,
    enriched,
    extraction,
    ingested,
    parsed,
    planned,
    publish,
    register,
    running,
)


def test_the_fraction_never_falls_and_is_one_exactly_at_the_end(ledger: Ledger) -> None:
    document = register(ledger).document
    seen = [ledger.progress(document).fraction]

    def look() -> None:
        seen.append(ledger.progress(document).fraction)

    ledger.begin(document, RUN, dead)
    look()
    generation = planned(ledger, document, "k1", "k2", "k3")
    look()
    for window in ledger.windows(generation.id):
        ledger.start_window(window.id, Stage.PARSE, RUN)
        ledger.save_parsed(window.id, RUN, parsed(), PARSE, 1.0)
        look()
        chunks = ledger.save_chunks(window.id, RUN, [draft(f"{window.ordinal} {n}") for n in range(5)], CHUNKS, 1.0)
        look()
        for chunk in chunks:
            ledger.start_chunks([chunk], Stage.EXTRACT, RUN)
            look()
            if chunk == chunks[1]:
                ledger.fail(document, RUN, Stage.EXTRACT, BadInput("no"), chunk=chunk)
            else:
                ledger.save_extractions(document, RUN, EXTRACT, [Extracted(chunk, extraction("Ada"), seconds=0.1)])
            look()
        ledger.save_embedded(document, RUN, chunks, EMBED, 0.1)
        look()
    ledger.add_seconds(RUN, [document], Stage.RESOLVE, 0.1)
    look()
    publish(ledger, document, generation.id)
    ledger.add_seconds(RUN, [document], Stage.PUBLISH, 0.1)
    look()
    assert max(seen) < 1
    ledger.finish(document, RUN, State.PARTIAL, "Three chunks failed.")
    look()
    assert seen == sorted(seen)
    assert seen[0] == 0
    assert seen[-1] == 1
    assert len(set(seen)) > 20


@pytest.mark.parametrize("state", [State.FAILED, State.CANCELLED])
def test_a_run_that_ends_badly_does_not_take_back_what_was_seen(ledger: Ledger, state: State) -> None:
    """All within the second in which the row is written once."""
    document = running(ledger)
    generation = planned(ledger, document, "k1", "k2")
    first, _ = ledger.windows(generation.id)
    chunks = enriched(ledger, first.id, [str(number) for number in range(20)])
    ledger.start_chunks(chunks, Stage.EMBED, RUN)
    ledger.save_embedded(document, RUN, chunks, EMBED, 0.1)
    seen = ledger.progress(document).fraction
    ledger.finish(document, RUN, state, "")
    assert ledger.progress(document).fraction == seen
    (standing,) = ledger.standings([document])
    assert standing.fraction == seen


def test_a_window_that_is_chunked_or_parsed_anew_does_not_take_back_what_was_seen(ledger: Ledger) -> None:
    document = running(ledger)
    generation = planned(ledger, document, "k1", "k2")
    first, _ = ledger.windows(generation.id)
    chunks = enriched(ledger, first.id, ["a", "b"])
    ledger.save_embedded(document, RUN, chunks, EMBED, 0.1)
    seen = [ledger.progress(document).fraction]
    ledger.reopen(first.id, RUN)
    seen.append(ledger.progress(document).fraction)
    ledger.finish(document, RUN, State.FAILED, "")
    ledger.begin(document, "run-2", dead)
    ledger.missing_windows(generation.id, "run-2", "parse-2", EMBED, EXTRACT)
    again = [ledger.progress(document).fraction]
    assert not ledger.progress(document).chunks_total_final
    ledger.start_window(first.id, Stage.PARSE, "run-2")
    again.append(ledger.progress(document).fraction)
    ledger.save_parsed(first.id, "run-2", parsed(), "parse-2", 1.0)
    again.append(ledger.progress(document).fraction)
    assert seen == sorted(seen)
    assert again == sorted(again)


def test_lists_are_told_the_same_as_the_contract_says(ledger: Ledger) -> None:
    ended, failed = ingested(ledger, [["a"]]), running(ledger, "b.md", "two")
    planned(ledger, failed, "k1", content="two")
    ledger.finish(failed, RUN, State.FAILED, "")
    waiting = register(ledger, "c.md", "three").document
    ledger.request_retry(failed)
    told = ledger.standings([ended, failed, waiting, UUID(int=7)])
    assert {row.document for row in told} == {ended, failed, waiting}
    for row in told:
        progress = ledger.progress(row.document)
        assert (row.state, row.fraction) == (progress.state, progress.fraction)


def test_progress_counts_windows_chunks_and_workers(ledger: Ledger) -> None:
    document = running(ledger)
    generation = planned(ledger, document, "k1", "k2")
    first, second = ledger.windows(generation.id)
    chunks = enriched(ledger, first.id, ["a", "b", "c", "d"])
    ledger.start_window(second.id, Stage.PARSE, RUN)
    ledger.save_embedded(document, RUN, chunks[:2], EMBED, 0.1)
    ledger.start_chunks(chunks[:3], Stage.EXTRACT, RUN)
    ledger.save_extractions(document, RUN, EXTRACT, [Extracted(chunks[0], extraction("Ada"), seconds=0.1)])
    ledger.fail(document, RUN, Stage.EXTRACT, BadInput("no"), chunk=chunks[1])
    told = ledger.progress(document)
    assert told.state == State.RUNNING
    assert (told.chunks_total, told.chunks_total_final) == (4, False)
    assert (told.chunks_processed, told.chunks_in_flight, told.active_workers) == (2, 1, 1)
    parse, extract = told.stages[Stage.PARSE], told.stages[Stage.EXTRACT]
    assert (parse.total, parse.done, parse.in_flight) == (2, 1, 1)
    assert (extract.total, extract.done, extract.failed, extract.in_flight) == (4, 1, 1, 1)
    assert told.parallel_workers == 4
    assert told.chunks_per_second > 0
    assert told.eta_seconds is not None
    assert told.eta_seconds > 0


def test_a_changed_limit_is_the_number_of_workers(ledger: Ledger) -> None:
    document = register(ledger).document
    with ledger.transaction() as connection:
        connection.execute("INSERT INTO aegis_limit (name, value) VALUES ('parallel_chunks_per_doc', 9)")
    assert ledger.progress(document).parallel_workers == 9


def test_a_new_run_begins_anew_and_counts_what_is_done_already(ledger: Ledger) -> None:
    document = ingested(ledger, [["a"], ["b"]])
    ledger.request_retry(document)
    assert ledger.progress(document).fraction == 0
    ledger.begin(document, "run-2", dead)
    assert ledger.progress(document).fraction == 0
    live = ledger.document(document).live
    assert live is not None
    assert ledger.missing_windows(live, "run-2", PARSE, EMBED, "extract-2") != []
    begun = ledger.progress(document)
    assert 0 < begun.fraction < 0.9
    assert begun.stages[Stage.EXTRACT].done == 0
    assert begun.stages[Stage.EMBED].done == 2


def test_lists_see_the_fraction_in_the_row(ledger: Ledger) -> None:
    document = running(ledger)
    generation = planned(ledger, document, "k1", "k2")
    enriched(ledger, ledger.windows(generation.id)[0].id, ["a"])
    assert ledger.document(document).fraction > 0.01


def test_stages_weigh_what_they_cost_in_earlier_runs(ledger: Ledger) -> None:
    for number in range(3):
        earlier = ingested(ledger, [[f"{number}"]], f"{number}.md", f"{number}", run_id=f"run {number}")
        for stage, seconds in ((Stage.PARSE, 1.0), (Stage.EXTRACT, 97.0)):
            ledger.add_seconds(f"run {number}", [earlier], stage, seconds)
    document = running(ledger)
    (window,) = ledger.windows(planned(ledger, document, "k1").id)
    ledger.save_parsed(window.id, RUN, parsed(), PARSE, 0.1)
    assert ledger.progress(document).fraction < 0.06


def window(chunks: int, over: int, mark: Mark = Mark.DONE) -> WindowMarks:
    done = StageMarks(done=over)
    return WindowMarks(parts=1, parse=mark, enrich=mark, chunks=chunks, embed=done, extract=done, processed=over, in_flight=0)


def test_shares_add_up_to_one_and_no_stage_has_none() -> None:
    for seconds in (None, {}, dict.fromkeys(Stage, 0.0), {Stage.EXTRACT: 1000.0}):
        shares = weights(seconds)
        assert sum(shares.values()) == pytest.approx(1.0)
        assert min(shares.values()) > 0.005


def test_windows_of_failures_or_without_text_are_through() -> None:
    for whole in ([window(0, 0)], [window(0, 0, Mark.FAILED)], [window(3, 3)], []):
        assert fraction(whole, weights(None), resolved=True, published=True) == pytest.approx(1.0)


def test_more_known_chunks_do_not_take_anything_back() -> None:
    before = fraction([window(2, 2), window(0, 0, Mark.PENDING)], weights(None), resolved=False, published=False)
    after = fraction([window(2, 2), window(500, 0)], weights(None), resolved=False, published=False)
    assert before < after


RESULT = {
    "document": str,
    "name": str,
    "collection": str,
    "state": str,
    "generation": int,
    "pages": int,
    "windows": int,
    "chunks": int,
    "vectors": int,
    "entities": int,
    "relations": int,
    "failures": list,
    "seconds": dict,
    "work": dict,
    "engines": dict,
    "run_id": str,
}


def check_result(result: dict[str, object]) -> None:
    assert {key: type(value) for key, value in result.items()} == RESULT
    json.dumps(result)


def test_the_result_has_the_shape_that_commands_promise(ledger: Ledger) -> None:
    check_result(ledger.result(register(ledger, "b.md", "two").document))
    document = running(ledger)
    ledger.set_engines(document, RUN, parser="rules", embedder="minilm", extractor="spacy")
    generation = planned(ledger, document, "k1")
    chunks = enriched(ledger, ledger.windows(generation.id)[0].id, ["a", "b"])
    ledger.fail(document, RUN, Stage.EMBED, BadInput("Too long."), chunk=chunks[0])
    ledger.save_embedded(document, RUN, chunks[1:], EMBED, 0.5)
    result = ledger.result(document)
    check_result(result)
    assert (result["pages"], result["windows"], result["chunks"], result["vectors"]) == (1, 1, 2, 1)
    assert result["engines"] == {"parser": "rules", "embedder": "minilm", "extractor": "spacy"}
    assert list(result["seconds"]) == ["total", "parse", "enrich", "embed", "extract", "resolve", "publish"]
    (failure,) = result["failures"]
    assert (failure["stage"], failure["message"], failure["chunk"]) == ("embed", "Too long.", str(chunks[0]))


def test_an_unchanged_document_shows_no_work(ledger: Ledger) -> None:
    document = ingested(ledger, [["a"]])
    assert ledger.result(document)["work"]["embedded_chunks"] == 1
    unchanged = ledger.result(document, run_id="")
    assert set(unchanged["work"].values()) == {0}
    assert unchanged["chunks"] == 1
    ledger.begin(document, "run-2", dead)
    ledger.finish(document, "run-2", State.SUCCEEDED, "")
    assert set(ledger.result(document)["work"].values()) == {0}
    assert ledger.result(document, RUN)["work"]["embedded_chunks"] == 1


def test_a_hit_shows_where_it_stands_and_what_it_names(ledger: Ledger) -> None:
    document = ingested(ledger, [["a", "b"]])
    (placed,) = ledger.windows(_live(ledger, document))
    chunks = [chunk.id for chunk in ledger.chunks_to_do(placed.id, Stage.EMBED, "none")]
    rows = ledger.search_rows([chunks[1], chunks[0], UUID(int=0)])
    assert [row.text for row in rows] == ["b", "a"]
    assert rows[0].document_name == "a.md"
    assert (rows[0].pages, rows[0].headings, rows[0].boxes[0].page) == ((1,), ("Title",), 1)
    assert [(entity.name, entity.type) for entity in rows[0].entities] == [("Ada Lovelace", "person")]
    ledger.request_removal(document)
    assert ledger.search_rows(chunks) == []


def _live(ledger: Ledger, document: UUID) -> int:
    live = ledger.document(document).live
    assert live is not None
    return live
