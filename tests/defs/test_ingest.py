"""A document through the job: what comes out, what a second run does, what an edit redoes, what removal leaves."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import dagster as dg
import pytest
from dagster._core.execution.api import execute_run
from pypdf import PdfReader, PdfWriter
from reportlab.lib.pagesizes import A5
from reportlab.pdfgen.canvas import Canvas

from aegis_assets.definitions import defs
from aegis_assets.defs import run as defs_run
from aegis_assets.defs.assets import DESCRIPTIONS, ingested
from aegis_assets.errors import StoreUnavailable
from aegis_assets.model.document import State
from aegis_assets.model.launch import DOCUMENTS_PER_RUN, documents_config
from aegis_assets.pipeline.flow import publish as flow_publish
from aegis_assets.pipeline.flow.platform import Platform
from aegis_assets.pipeline.publish import PublishResult
from aegis_assets.settings import ROOT
from tests.defs.conftest import QUIET, Bench
from tests.defs.test_handover import job

NOTE = (ROOT / "samples" / "unix.md").read_bytes()
CHECK = dg.AssetCheckKey(dg.AssetKey("knowledge_graph"), "stores_agree")
NO_WORK = {"parsed_windows": 0, "embedded_chunks": 0, "extracted_chunks": 0, "llm_calls": 0}


def paged(pages: list[str]) -> bytes:
    """A PDF of these pages, each a chapter of the outline."""
    target = io.BytesIO()
    canvas = Canvas(target, pagesize=A5, invariant=1)
    for number, text in enumerate(pages, 1):
        canvas.bookmarkPage(f"p{number}")
        canvas.addOutlineEntry(f"Chapter {number}", f"p{number}", level=0)
        canvas.setFont("Helvetica-Bold", 18)
        canvas.drawString(50, 520, f"Chapter {number}")
        canvas.setFont("Helvetica", 10)
        for line, sentence in enumerate(text.split("\n")):
            canvas.drawString(50, 490 - 14 * line, sentence)
        canvas.showPage()
    canvas.save()
    return target.getvalue()


def chapters(count: int, of: str = "") -> list[str]:
    """of: sets the texts apart from those of other tests on the same stack: a text that was extracted before costs no work."""
    return [
        f"Charles Babbage designed engine number {n} in London.\nAda Lovelace described program {n * 7} for it in a long note.\n"
        f"This page {of and f'of the {of} '}speaks of subject {n} and of nothing else in the world."
        for n in range(1, count + 1)
    ]


def test_a_note_becomes_chunks_vectors_and_a_graph_that_agree(bench: Bench) -> None:
    document = bench.register("unix.md", NOTE)
    run = bench.materialize(document)
    result = bench.result(document)
    assert run.success
    assert result["state"] == State.SUCCEEDED
    assert result["failures"] == []
    assert result["chunks"] == result["vectors"] > 0
    assert result["entities"] > 5  # type: ignore[operator]
    assert bench.agree(document)
    materialized = bench.instance.get_latest_materialization_event(dg.AssetKey("knowledge_graph"))
    assert materialized is not None
    assert materialized.asset_materialization is not None
    assert materialized.asset_materialization.metadata["entities"].value == result["entities"]


def test_the_same_bytes_again_are_no_work(bench: Bench) -> None:
    document = bench.register("unix.md", NOTE)
    bench.materialize(document)
    before = bench.everything(document)
    assert bench.result(document)["work"] != NO_WORK
    bench.materialize(document)
    assert bench.result(document)["work"] == NO_WORK
    assert bench.result(document)["state"] == State.SUCCEEDED
    assert bench.everything(document) == before


def test_one_changed_page_redoes_its_own_window_and_chunks_alone(bench: Bench, environment: pytest.MonkeyPatch) -> None:
    pages = chapters(48)
    document = bench.register("engines.pdf", paged(pages))
    bench.materialize(document)
    first, before = bench.result(document), bench.everything(document)
    assert first["state"] == State.SUCCEEDED, first
    assert first["windows"] == 3

    pages[2] = pages[2].replace("Charles Babbage", "Joseph Clement")
    assert bench.register("engines.pdf", paged(pages)) == document
    bench.materialize(document)
    second, after = bench.result(document), bench.everything(document)
    assert second["state"] == State.SUCCEEDED, second
    assert second["generation"] == 2
    assert second["work"] == {"parsed_windows": 1, "embedded_chunks": 1, "extracted_chunks": 1, "llm_calls": 0}
    assert len(before.chunks - after.chunks) == len(after.chunks - before.chunks) == 1
    assert bench.agree(document)


def test_a_page_put_in_front_moves_the_page_numbers_and_redoes_little(bench: Bench) -> None:
    pages = chapters(48)
    document = bench.register("engines.pdf", paged(pages))
    bench.materialize(document)
    reader, writer = PdfReader(io.BytesIO(paged(pages))), PdfWriter()
    writer.append(PdfReader(io.BytesIO(paged(["A preface by Luigi Menabrea of Turin."]))), import_outline=False)
    writer.append(reader)
    target = io.BytesIO()
    writer.write(target)
    bench.register("engines.pdf", target.getvalue())
    bench.materialize(document)
    result = bench.result(document)
    assert result["state"] == State.SUCCEEDED, result
    assert result["pages"] == 49
    assert result["work"]["embedded_chunks"] <= 2  # type: ignore[index]
    places = {row.text: row.pages for row in bench.platform.ledger.search_rows(sorted(bench.everything(document).chunks))}  # type: ignore[attr-defined]
    for number in (2, 17, 48):
        (found,) = [pages for text, pages in places.items() if f"speaks of subject {number} and" in text]
        assert found == (number + 1,)


def test_the_same_content_in_two_collections_stays_apart(bench: Bench) -> None:
    one, two = bench.register("unix.md", NOTE), bench.register("unix.md", NOTE, "others")
    bench.materialize(one)
    bench.materialize(two)
    untouched = bench.everything(two, "others")
    assert bench.everything(one).chunks.isdisjoint(untouched.chunks)
    bench.platform.ledger.request_removal(one)  # type: ignore[attr-defined]
    assert bench.remove(one).success
    assert bench.everything(two, "others") == untouched
    assert bench.agree(two)


def test_a_removed_document_leaves_no_trace(bench: Bench) -> None:
    kept = bench.register("kept.md", b"# Kept\n\nKen Thompson wrote Unix at Bell Labs in New Jersey.\n")
    bench.materialize(kept)
    before = trace(bench), bench.everything(kept)
    document = bench.register("unix.md", NOTE)
    bench.materialize(document)
    assert trace(bench) != before[0]
    partition = bench.partition(document)
    assert bench.instance.has_dynamic_partition("documents", partition)
    bench.platform.ledger.request_removal(document)  # type: ignore[attr-defined]
    assert bench.remove(document).success
    assert (trace(bench), bench.everything(kept)) == before
    assert not bench.instance.has_dynamic_partition("documents", partition)


def trace(bench: Bench) -> dict[str, int]:
    """Rows, points, nodes and objects. Runs and the extraction cache's own ids are not part of a document."""
    counts = {}
    with bench.platform.ledger.connection() as connection:  # type: ignore[attr-defined]
        for table in ("document", "generation", "window", "chunk", "placement", "chunk_task", "entity", "mention", "relation"):
            counts[table] = len(connection.execute(f"SELECT 1 FROM aegis_{table}").fetchall())
        counts["extraction"] = len(connection.execute("SELECT 1 FROM aegis_extraction").fetchall())
        documents = [row["id"] for row in connection.execute("SELECT id FROM aegis_document")]
    counts["objects"] = sum(1 for document in documents for _ in bench.platform.bucket.keys(f"artifacts/{document}"))
    return counts


def test_many_small_documents_share_one_run_and_each_is_materialized(bench: Bench) -> None:
    notes = [bench.register(f"note-{n}.md", f"# Note {n}\n\nMarie Curie wrote letter {n} in Paris.\n".encode()) for n in range(5)]
    broken = bench.register("broken.pdf", b"%PDF-1.4 and nothing more")
    last = bench.register("last.md", b"# Last\n\nPierre Curie answered from Paris.\n")
    run = bench.materialize(*notes, broken, last)
    states = {document: bench.result(document)["state"] for document in [*notes, broken, last]}
    assert states[broken] == State.FAILED
    assert all(states[document] == State.SUCCEEDED for document in [*notes, last])
    assert not run.success, "one of its documents failed, and the run says so"
    for asset in DESCRIPTIONS:
        done = bench.instance.get_materialized_partitions(dg.AssetKey(asset))
        assert done == {bench.partition(document) for document in [*notes, last]}
    checked = bench.instance.event_log_storage.get_asset_check_execution_history(CHECK, limit=20)
    assert {row.partition for row in checked} == {bench.partition(document) for document in [*notes, last]}
    assert {row.status.value for row in checked} == {"SUCCEEDED"}


def test_documents_that_the_config_names_share_one_run(bench: Bench) -> None:
    notes = [bench.register(f"note-{n}.md", f"# Note {n}\n\nMarie Curie wrote letter {n} in Paris.\n".encode()) for n in range(3)]
    gone = UUID(int=7)
    run = defs.resolve_job_def("ingest").execute_in_process({**QUIET, **documents_config([*notes, gone])}, bench.instance)
    assert run.success, "a document that was removed before the run began is no fault of the run"
    assert [bench.result(note)["state"] for note in notes] == [State.SUCCEEDED] * 3
    for asset in DESCRIPTIONS:
        assert bench.instance.get_materialized_partitions(dg.AssetKey(asset)) == {bench.partition(note) for note in notes}


def test_a_range_survives_that_its_first_and_last_documents_were_removed_before_it_began(bench: Bench) -> None:
    """As Dagster's page makes it: the range is known when the run is made, and read when it begins."""
    notes = [bench.register(f"note-{n}.md", f"# Note {n}\n\nMarie Curie wrote letter {n} in Paris.\n".encode()) for n in range(4)]
    first, *between, last = notes
    start = bench.partition(first)
    bounds = {"dagster/asset_partition_range_start": start, "dagster/asset_partition_range_end": bench.partition(last)}
    run = bench.instance.create_run_for_job(job().get_definition(), run_config=QUIET, tags=bounds)
    for document in (first, last):
        bench.platform.ledger.request_removal(document)  # type: ignore[attr-defined]
    assert bench.remove(first, last).success
    assert not bench.instance.has_dynamic_partition("documents", start)
    assert execute_run(job(), run, bench.instance).success
    assert [bench.result(note)["state"] for note in between] == [State.SUCCEEDED] * 2


def test_a_long_range_of_dagsters_page_is_cut_into_runs_that_end(bench: Bench) -> None:
    policy = ingested.backfill_policy
    assert policy is not None
    assert policy.max_partitions_per_run == DOCUMENTS_PER_RUN


def test_a_document_that_cannot_be_removed_does_not_stop_those_behind_it(bench: Bench, environment: pytest.MonkeyPatch) -> None:
    notes = [bench.register(f"note-{n}.md", f"# Note {n}\n\nMarie Curie wrote letter {n} in Paris.\n".encode()) for n in range(3)]
    bench.materialize(*notes)
    cursed, whole = notes[1], defs_run.remove_document

    def remove_document(platform: Platform, document: UUID, forget: Callable[[], None]) -> None:
        if document == cursed:
            raise StoreUnavailable("The graph server refused a statement.")
        whole(platform, document, forget)

    environment.setattr(defs_run, "remove_document", remove_document)
    for note in notes:
        bench.platform.ledger.request_removal(note)  # type: ignore[attr-defined]
    assert not bench.remove(*notes).success, "the run says that one is left"
    assert [row.id for row in bench.platform.ledger.documents(notes)] == [cursed]
    row = bench.platform.ledger.document(cursed)
    assert row.state == State.REMOVING
    assert row.message == "It could not be removed yet: The graph server refused a statement. This is tried again by itself."

    environment.setattr(defs_run, "remove_document", whole)
    assert bench.remove(cursed).success
    assert bench.platform.ledger.documents(notes) == []


def test_one_document_that_breaks_publish_fails_alone(bench: Bench, environment: pytest.MonkeyPatch) -> None:
    notes = [bench.register(f"note-{n}.md", f"# Note {n}\n\nMarie Curie wrote letter {n} in Paris.\n".encode()) for n in range(3)]
    cursed, whole = notes[1], flow_publish.publish

    def publish(documents: Sequence[UUID], *stores: Any) -> dict[UUID, PublishResult]:
        if cursed in documents:
            raise StoreUnavailable("The graph server refused a statement.", retryable=False)
        return whole(documents, *stores)

    environment.setattr(flow_publish, "publish", publish)
    bench.materialize(*notes)
    assert [bench.result(note)["state"] for note in notes] == [State.SUCCEEDED, State.FAILED, State.SUCCEEDED]
    assert bench.platform.ledger.document(cursed).message == "The graph server refused a statement."
    assert bench.agree(notes[0])

    environment.setattr(flow_publish, "publish", whole)
    bench.materialize(cursed)
    assert bench.result(cursed)["state"] == State.SUCCEEDED
    assert bench.agree(cursed)
