from __future__ import annotations

from uuid import UUID

import pytest

from aegis_assets.errors import BadInput, NotFound
from aegis_assets.model import ids
from aegis_assets.model.document import Mark, Stage, State
from aegis_assets.model.parsing import Heading
from aegis_assets.stores.ledger import Ledger
from tests.stores.ledger.build import (
    CHUNKS,
    EMBED,
    EXTRACT,
    PARSE,
    PLAN,
    RUN,
    dead,
    done,
    draft,
    enriched,
    ingested,
    inspection,
    parsed,
    planned,
    plans,
    publish,
    register,
    running,
    sha,
)


def missing(
    ledger: Ledger, generation: int, parse: str = PARSE, embed: str = EMBED, extract: str = EXTRACT, run_id: str = RUN
) -> list[int]:
    ordinals = {window.id: window.ordinal for window in ledger.windows(generation)}
    return [ordinals[window] for window in ledger.missing_windows(generation, run_id, parse, embed, extract)]


def chunk_ids(ledger: Ledger, window: UUID) -> list[UUID]:
    return [chunk.id for chunk in ledger.chunks_to_do(window, Stage.EMBED, "never made")]


def test_the_same_bytes_keep_their_generation_and_others_make_a_new_one(ledger: Ledger) -> None:
    document = running(ledger)
    first = planned(ledger, document, "k1", "k2")
    assert (first.number, first.state, first.pages, first.plan_fingerprint) == (1, "making", 2, PLAN)
    assert first.inspection == inspection()
    assert ledger.generation_for(document, RUN, sha("one"), "b", 3, PLAN).id == first.id
    second = ledger.generation_for(document, RUN, sha("two"), "b", 3, PLAN)
    assert (second.number, second.inspection) == (2, None)
    assert ledger.parse_source(first.id).length == 2
    with pytest.raises(NotFound):
        ledger.parse_source(second.id)
    assert ledger.windows(first.id) == []
    assert ledger.document(document).making == second.id


def test_the_live_generation_is_kept_while_another_is_made_and_taken_up_when_its_bytes_come_back(ledger: Ledger) -> None:
    document = ingested(ledger, [["text"]])
    live = ledger.document(document).live
    assert live is not None
    ledger.begin(document, RUN, dead)
    making = ledger.generation_for(document, RUN, sha("two"), "b", 3, PLAN)
    row = ledger.document(document)
    assert (row.live, row.making) == (live, making.id)
    assert ledger.generation_for(document, RUN, sha("one"), "b", 3, PLAN).id == live
    assert ledger.document(document).making is None
    assert len(ledger.windows(live)) == 1


def test_a_live_generation_that_was_planned_otherwise_is_left_alone(ledger: Ledger) -> None:
    document = ingested(ledger, [["text"]])
    live = ledger.document(document).live
    ledger.begin(document, RUN, dead)
    other = ledger.generation_for(document, RUN, sha("one"), "b", 3, "plan-2")
    assert (other.id == live, other.number) == (False, 2)
    assert ledger.generation_for(document, RUN, sha("one"), "b", 3, "plan-2").id == other.id


def test_a_window_that_is_cut_as_before_keeps_its_row_and_result(ledger: Ledger) -> None:
    document = running(ledger)
    generation = planned(ledger, document, "k1", "k2")
    first, second = ledger.windows(generation.id)
    enriched(ledger, first.id, ["one"])
    enriched(ledger, second.id, ["two"])
    ledger.save_plan(generation.id, RUN, inspection(), "plan-2", [*plans("k1"), *plans("x", "k9", "k10")[1:]])
    kept, replaced, added = ledger.windows(generation.id)
    assert (kept.id, kept.enrich_state) == (ids.window_id(document, 1, 0), Mark.DONE)
    assert (replaced.key, replaced.parse_state, replaced.parsed) == ("k9", Mark.PENDING, None)
    assert added.ordinal == 2
    assert ledger.counts(document).chunks == 1


def test_the_headings_before_a_window_come_in_order_with_what_is_known_of_each(ledger: Ledger) -> None:
    document = running(ledger)
    generation = planned(ledger, document, "k1", "k2", "k3")
    first, second, _ = ledger.windows(generation.id)
    ledger.save_parsed(first.id, RUN, parsed(), PARSE, 0.1)
    assert ledger.headings_before(generation.id, 0) == []
    before = ledger.headings_before(generation.id, 2)
    assert [(one.at_start, one.inside) for one in before] == [(None, parsed().headings), (None, ())]
    assert second.parsed is None


def test_a_new_plan_may_bring_new_headings_to_the_same_windows(ledger: Ledger) -> None:
    document = running(ledger)
    generation = planned(ledger, document, "k1")
    heading = (Heading(level=1, text="A\x00B"),)
    ledger.save_plan(generation.id, RUN, inspection(), PLAN, [plans("k1")[0].model_copy(update={"headings": heading})])
    assert ledger.windows(generation.id)[0].headings == (Heading(level=1, text="AB"),)


def test_missing_windows_are_those_with_anything_not_done_under_the_current_fingerprints(ledger: Ledger) -> None:
    document = running(ledger)
    generation = planned(ledger, document, "k1", "k2", "k3").id
    first, second, third = ledger.windows(generation)
    assert missing(ledger, generation) == [0, 1, 2]
    done(ledger, document, enriched(ledger, first.id, ["one"]))
    done(ledger, document, enriched(ledger, third.id, []))
    chunks = enriched(ledger, second.id, ["two", "three"])
    done(ledger, document, chunks[:1])
    assert missing(ledger, generation) == [1]
    ledger.fail(document, RUN, Stage.EMBED, BadInput("no"), chunk=chunks[1])
    assert missing(ledger, generation) == [1]
    done(ledger, document, chunks[1:])
    assert missing(ledger, generation) == []
    assert missing(ledger, generation, parse="parse-2") == [0, 1, 2]
    for window in ledger.windows(generation):
        ledger.save_parsed(window.id, RUN, parsed(), PARSE, 0.0)
        ledger.save_chunks(window.id, RUN, [draft(f"again {window.ordinal}")] * (window.ordinal < 2), CHUNKS, 0.0)
        done(ledger, document, chunk_ids(ledger, window.id))
    assert missing(ledger, generation) == []
    assert missing(ledger, generation, extract="extract-2") == [0, 1]


def test_asking_what_is_missing_outside_a_run_changes_no_mark(ledger: Ledger) -> None:
    document = ingested(ledger, [["one"]])
    live = ledger.document(document).live
    assert live is not None
    assert ledger.incomplete([live], PARSE, "embed-2", EXTRACT) == {live}
    assert ledger.incomplete([live], PARSE, EMBED, EXTRACT) == set()


def test_a_new_parse_reopens_the_chunks_and_the_same_again_does_not(ledger: Ledger) -> None:
    document = running(ledger)
    (window,) = ledger.windows(planned(ledger, document, "k1").id)
    enriched(ledger, window.id, ["one"])
    ledger.save_parsed(window.id, RUN, parsed(), PARSE, 1.0)
    assert ledger.window(window.id).enrich_state == Mark.DONE
    ledger.save_parsed(window.id, RUN, parsed("artifacts/y"), "parse-2", 1.0)
    row = ledger.window(window.id)
    assert (row.enrich_state, row.parsed and row.parsed.artifact) == (Mark.PENDING, "artifacts/y")
    assert ledger.result(document)["work"]["parsed_windows"] == 2
    assert ledger.result(document)["seconds"]["parse"] == 1.5


def test_an_edited_document_takes_over_what_its_unchanged_windows_gave(ledger: Ledger) -> None:
    document = ingested(ledger, [["alpha", "beta"], ["gamma"]])
    live = ledger.document(document).live
    assert live is not None
    old = ledger.windows(live)
    register(ledger, content="two")
    ledger.begin(document, "run-2", dead)
    generation = planned(ledger, document, "new", old[0].key, content="two", run_id="run-2")
    fresh, same = ledger.windows(generation.id)
    found = ledger.sibling_parse(document, same.key, PARSE)
    assert found == parsed()
    assert ledger.sibling_parse(document, same.key, "parse-2") is None
    assert ledger.sibling_parse(document, fresh.key, PARSE) is None
    ledger.adopt_parse(same.id, "run-2", found, PARSE)
    source = ledger.sibling_chunks(document, same.key, CHUNKS)
    assert source == old[0].id
    assert ledger.sibling_chunks(document, same.key, "chunks-2") is None
    for _ in range(2):
        ledger.adopt_chunks(same.id, "run-2", source, CHUNKS)
    assert chunk_ids(ledger, same.id) == chunk_ids(ledger, old[0].id)
    assert ledger.chunks_to_do(same.id, Stage.EXTRACT, EXTRACT) == []
    assert missing(ledger, generation.id, run_id="run-2") == [0]
    work = ledger.result(document)["work"]
    assert set(work.values()) == {0}


def test_a_taken_over_chunk_makes_way_for_one_that_stands_already(ledger: Ledger) -> None:
    document = ingested(ledger, [["same", "same"]])
    live = ledger.document(document).live
    assert live is not None
    (old,) = ledger.windows(live)
    register(ledger, content="two")
    ledger.begin(document, "run-2", dead)
    generation = planned(ledger, document, "new", old.key, content="two", run_id="run-2")
    fresh, same = ledger.windows(generation.id)
    (first,) = enriched(ledger, fresh.id, ["same"], "run-2")
    ledger.adopt_chunks(same.id, "run-2", old.id, CHUNKS)
    placed = chunk_ids(ledger, same.id)
    assert first not in placed
    assert {first, *placed} == {ids.chunk_id(document, ids.text_hash("same"), number) for number in range(3)}


def test_repeats_of_a_text_are_numbered_over_all_windows(ledger: Ledger) -> None:
    document = running(ledger)
    generation = planned(ledger, document, "k1", "k2")
    first, second = ledger.windows(generation.id)
    for _ in range(2):
        placed = enriched(ledger, first.id, ["x", "x", "y"]) + enriched(ledger, second.id, ["x"])
        wanted = {ids.chunk_id(document, ids.text_hash("x"), number) for number in range(3)}
        assert set(placed) == wanted | {ids.chunk_id(document, ids.text_hash("y"), 0)}
    assert ledger.counts(document).chunks == 4


def test_chunks_replace_those_of_the_window_alone(ledger: Ledger) -> None:
    document = running(ledger)
    generation = planned(ledger, document, "k1", "k2")
    first, second = ledger.windows(generation.id)
    enriched(ledger, first.id, ["a", "b", "c"])
    kept = enriched(ledger, second.id, ["d"])
    enriched(ledger, first.id, ["b"])
    assert [chunk.text for chunk in ledger.chunks_to_do(first.id, Stage.EMBED, EMBED)] == ["b"]
    assert chunk_ids(ledger, second.id) == kept


def test_text_that_postgresql_cannot_hold_is_cleaned_before_it_is_hashed(ledger: Ledger) -> None:
    document = running(ledger)
    (window,) = ledger.windows(planned(ledger, document, "k1").id)
    (chunk,) = enriched(ledger, window.id, ["a\x00b\udcff"])
    (row,) = ledger.chunks_to_do(window.id, Stage.EMBED, EMBED)
    assert (row.id, row.text) == (chunk, "ab?")
    assert row.text_hash == ids.text_hash("ab?")


def test_only_what_stands_in_the_live_generation_is_visible_once_there_is_one(ledger: Ledger) -> None:
    document = running(ledger)
    generation = planned(ledger, document, "k1")
    (window,) = ledger.windows(generation.id)
    chunks = enriched(ledger, window.id, ["one", "two"])
    assert ledger.visible(dict.fromkeys(chunks, generation.id)) == set(chunks)
    publish(ledger, document, generation.id)
    ledger.finish(document, RUN, State.SUCCEEDED, "")
    register(ledger, content="two")
    ledger.begin(document, "run-2", dead)
    making = planned(ledger, document, "k2", content="two", run_id="run-2")
    fresh = enriched(ledger, ledger.windows(making.id)[0].id, ["two", "three"], "run-2")
    assert ledger.visible(dict.fromkeys(fresh, making.id)) == {chunks[1]}
    assert [row.text for row in ledger.search_rows([*chunks, *fresh])] == ["one", "two", "two"]


def test_pages_of_what_is_taken_over_move_with_the_window(ledger: Ledger) -> None:
    document = running(ledger)
    generation = planned(ledger, document, "k1")
    (old,) = ledger.windows(generation.id)
    enriched(ledger, old.id, ["text"])
    publish(ledger, document, generation.id)
    ledger.finish(document, RUN, State.SUCCEEDED, "")
    register(ledger, content="two")
    ledger.begin(document, "run-2", dead)
    making = planned(ledger, document, "new", "new too", "k1", content="two", run_id="run-2")
    window = ledger.windows(making.id)[2]
    ledger.adopt_chunks(window.id, "run-2", old.id, CHUNKS)
    publish(ledger, document, making.id)
    (row,) = ledger.search_rows(chunk_ids(ledger, window.id))
    assert (row.pages, row.boxes[0].page) == ((3,), 3)


def test_looking_at_open_windows_marks_nothing(ledger: Ledger) -> None:
    document = running(ledger)
    generation = planned(ledger, document, "k1").id
    (window,) = ledger.windows(generation)
    done(ledger, document, enriched(ledger, window.id, ["one"]))
    assert ledger.incomplete([generation], PARSE, EMBED, "extract-2") == {generation}
    assert ledger.incomplete([generation], PARSE, EMBED, EXTRACT) == set()
