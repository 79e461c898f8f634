"""The tallies of windows: what they cost, and that they are what a count of the marks would say."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random
from uuid import UUID

import pytest

from aegis_assets.errors import BadInput
from aegis_assets.model.document import Stage
from aegis_assets.model.ledger import Extracted
from aegis_assets.stores.ledger import Ledger
from tests.stores.ledger.build import EMBED, EXTRACT, PARSE, PLAN, RUN, dead, enriched, extraction, planned, running, sha
from tests.stores.ledger.touched import ledger_of_one_connection, touched

COUNTED = """
SELECT w.id, count(p.id) AS chunks,
    count(*) FILTER (WHERE e.state IN ('done', 'skipped')) AS embed_done,
    count(*) FILTER (WHERE e.state = 'failed') AS embed_failed,
    count(*) FILTER (WHERE e.state = 'running') AS embed_running,
    count(*) FILTER (WHERE x.state IN ('done', 'skipped')) AS extract_done,
    count(*) FILTER (WHERE x.state = 'failed') AS extract_failed, count(*) FILTER (WHERE x.state = 'running') AS extract_running,
    count(*) FILTER (WHERE e.state IN ('done', 'skipped', 'failed') AND x.state IN ('done', 'skipped', 'failed')) AS processed,
    count(*) FILTER (WHERE e.state = 'running' OR x.state = 'running') AS in_flight
FROM aegis_window w LEFT JOIN aegis_placement p ON p.window_id = w.id
LEFT JOIN aegis_chunk_task e ON e.chunk_id = p.chunk_id AND e.stage = 'embed'
LEFT JOIN aegis_chunk_task x ON x.chunk_id = p.chunk_id AND x.stage = 'extract'
GROUP BY w.id ORDER BY w.id"""
KEPT = """
SELECT window_id AS id, chunks, embed_done, embed_failed, embed_running, extract_done, extract_failed, extract_running, processed,
    in_flight FROM aegis_tally WHERE chunks > 0 ORDER BY window_id"""


@pytest.fixture
def single(ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    with ledger_of_one_connection(ledger_url, monkeypatch) as ledger:
        yield ledger


def exact(ledger: Ledger) -> bool:
    with ledger.connection() as connection:
        counted = [row for row in connection.execute(COUNTED) if row["chunks"]]
        return counted == connection.execute(KEPT).fetchall()


def chunked(ledger: Ledger, name: str, windows: int, each: int) -> tuple[UUID, list[list[UUID]]]:
    document = running(ledger, name, content=name)
    generation = planned(ledger, document, *(f"{name} {number}" for number in range(windows)), content=name)
    texts = [[f"{name} {window} {chunk}" for chunk in range(each)] for window in range(windows)]
    rows = ledger.windows(generation.id)
    return document, [enriched(ledger, row.id, texts[row.ordinal]) for row in rows]


def stored(ledger: Ledger, document: UUID, chunks: list[UUID]) -> dict[str, int]:
    """Rows that it takes to store results of a few chunks, a look at the progress included, which is due once a second."""

    def work() -> None:
        ledger._told.clear()
        ledger.start_chunks(chunks, Stage.EMBED, RUN)
        ledger.save_embedded(document, RUN, chunks, EMBED, 0.1)
        ledger._told.clear()
        ledger.start_chunks(chunks, Stage.EXTRACT, RUN)
        ledger.save_extractions(document, RUN, EXTRACT, [Extracted(chunk, extraction("Ada"), seconds=0.1) for chunk in chunks])
        ledger.progress(document)

    return touched(ledger, work)


def test_a_stored_result_costs_what_it_changes_and_not_the_document(single: Ledger) -> None:
    small, of_small = chunked(single, "small.md", 2, 50)
    large, of_large = chunked(single, "large.md", 40, 50)
    with single.connection() as connection:
        connection.execute("ANALYZE")
    few, many = stored(single, small, of_small[1][:4]), stored(single, large, of_large[20][:4])
    for table in ("aegis_placement", "aegis_chunk_task", "aegis_chunk", "aegis_tally"):
        windows = 4 * 40 if table == "aegis_tally" else 0  # a row of each window at each look
        assert many[table] <= few[table] + windows, (table, few, many)
    assert many["aegis_placement"] + many["aegis_chunk_task"] < 200
    assert exact(single)


def test_progress_reads_no_chunk(single: Ledger) -> None:
    document, chunks = chunked(single, "a.md", 10, 30)
    single.save_embedded(document, RUN, [chunk for window in chunks for chunk in window], EMBED, 0.1)
    read = touched(single, lambda: single.progress(document))
    assert "aegis_placement" not in read
    assert single.progress(document).stages[Stage.EMBED].done == 300


def test_tallies_are_exact_after_any_marks_in_any_order(ledger: Ledger) -> None:
    document, chunks = chunked(ledger, "a.md", 3, 6)
    every, random = [chunk for window in chunks for chunk in window], Random(7)
    for step in range(60):
        some = random.sample(every, random.randint(1, 5))
        match random.randint(0, 5):
            case 0:
                ledger.start_chunks(some, random.choice([Stage.EMBED, Stage.EXTRACT]), RUN)
            case 1:
                ledger.save_embedded(document, RUN, some, random.choice([EMBED, "embed-2"]), 0.1)
            case 2 | 3:
                found = [Extracted(chunk, extraction("Ada"), seconds=0.1) for chunk in some]
                ledger.save_extractions(document, RUN, EXTRACT, found)
            case 4:
                ledger.fail(document, RUN, random.choice([Stage.EMBED, Stage.EXTRACT]), BadInput("no"), chunk=some[0])
            case 5:
                ledger.missing_windows(ledger.document(document).making or 0, RUN, PARSE, EMBED, EXTRACT)
        assert exact(ledger), step
    ledger.fail_run(RUN, "stopped")
    assert exact(ledger)


def test_a_chunk_that_is_marked_by_both_stages_at_once_is_counted_once(ledger: Ledger) -> None:
    document, (chunks,) = chunked(ledger, "a.md", 1, 40)
    with ThreadPoolExecutor(2) as pool:
        for number in range(0, 40, 2):
            pair = chunks[number : number + 2]
            found = [Extracted(chunk, extraction("Ada"), seconds=0.1) for chunk in pair]
            both = (
                pool.submit(ledger.save_embedded, document, RUN, pair, EMBED, 0.1),
                pool.submit(ledger.save_extractions, document, RUN, EXTRACT, found),
            )
            for one in both:
                one.result(30)
    assert exact(ledger)
    assert ledger.progress(document).chunks_processed == 40


def test_a_chunk_in_two_generations_is_counted_in_both(ledger: Ledger) -> None:
    document, (chunks,) = chunked(ledger, "a.md", 1, 3)
    with ledger.connection() as connection:
        connection.execute("UPDATE aegis_document SET live_id = making_id, making_id = NULL WHERE id = %s", (document,))
    ledger.finish(document, RUN, ledger.document(document).state.SUCCEEDED, "")
    ledger.begin(document, "run-2", dead)
    revised = ledger.generation_for(document, "run-2", sha("two"), "blobs/two", 3, PLAN)
    assert revised.id != ledger.document(document).live
    saved = planned(ledger, document, "other", content="two", run_id="run-2")
    kept = enriched(ledger, ledger.windows(saved.id)[0].id, ["a.md 0 0", "new"], "run-2")
    assert kept[0] == chunks[0]
    ledger.save_embedded(document, "run-2", kept[:1], EMBED, 0.1)
    with ledger.connection() as connection:
        counted = [row["embed_done"] for row in connection.execute("SELECT embed_done FROM aegis_tally")]
    assert counted == [1, 1]
    assert exact(ledger)
