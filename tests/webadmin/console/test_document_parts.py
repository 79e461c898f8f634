"""What the page of a document computes: cells, pieces of a text, bars of a run, what a generation changed, reasons of failures."""

from __future__ import annotations

import random
from datetime import timedelta
from itertools import pairwise

import pytest

from aegis_assets.stores.ledger import Ledger
from tests.stores.ledger.build import dead, ingested, planned, publish, running
from tests.webadmin.console.ledger_rows import RUN, Made, at, made, mention, relation
from webadmin.console.document import chunk as chunks
from webadmin.console.document.failures import failures
from webadmin.console.document.generations import generations
from webadmin.console.document.grid import grid
from webadmin.console.document.waterfall import LANES, WIDTH, Waterfall, chosen, waterfall
from webadmin.documents.models import (
    ChunkTask,
    Document,
    Entity,
    Failure,
    Generation,
    Mention,
    Placement,
    Relation,
    RunDocument,
    Window,
)

# Cells


def mark(one: Made, number: int, embed: str, extract: str) -> None:
    ChunkTask.objects.filter(chunk=one.chunks[number], stage="embed").update(state=embed)
    ChunkTask.objects.filter(chunk=one.chunks[number], stage="extract").update(state=extract)


@pytest.mark.parametrize(
    ("embed", "extract", "letter"),
    [
        ("done", "done", "d"),
        ("done", "skipped", "s"),
        ("done", "running", "r"),
        ("done", "pending", "h"),
        ("pending", "skipped", "h"),
        ("pending", "pending", "p"),
        ("failed", "running", "f"),
        ("done", "failed", "f"),
    ],
)
def test_a_cell_says_how_a_chunk_is(ledger: Ledger, embed: str, extract: str, letter: str) -> None:
    one = made([1])
    mark(one, 0, embed, extract)
    found = grid(one.document)
    assert found is not None
    assert found.windows[0].cells == letter


def test_cells_stand_in_reading_order_by_window(ledger: Ledger) -> None:
    one = made([2, 0, 3])
    mark(one, 0, "failed", "done")
    mark(one, 4, "pending", "pending")
    found = grid(one.document)
    assert found is not None
    assert [(strip.ordinal, strip.first, strip.last, strip.mark, strip.cells) for strip in found.windows] == [
        (0, 1, 1, "", "fd"),
        (1, 2, 2, "D", ""),
        (2, 3, 3, "", "ddp"),
    ]
    assert found.first() == (0, 0)


@pytest.mark.parametrize(
    ("parse", "enrich", "letter"),
    [
        ("failed", "pending", "F"),
        ("done", "failed", "F"),
        ("running", "pending", "R"),
        ("done", "pending", "P"),
        ("done", "done", "D"),
    ],
)
def test_a_window_without_chunks_is_a_cell_of_its_own(ledger: Ledger, parse: str, enrich: str, letter: str) -> None:
    one = made([0])
    Window.objects.update(parse_state=parse, enrich_state=enrich)
    found = grid(one.document)
    assert found is not None
    assert found.windows[0].mark == letter
    assert found.first() is None


def test_the_first_failed_chunk_is_shown_unasked(ledger: Ledger) -> None:
    one = made([2, 2])
    mark(one, 3, "done", "failed")
    found = grid(one.document)
    assert found is not None
    assert found.first() == (1, 1)


# Pieces of a text


def named(name: str, start: int, end: int) -> Mention:
    entity = Entity(name=name, type="PERSON")
    entity.canonical = entity
    return Mention(entity=entity, name=name, start=start, end=end)


def test_names_are_marked_where_they_stand() -> None:
    found = chunks.pieces("Ada wrote notes.", [named("Ada Lovelace", 0, 3)], [])
    assert [(piece.text, piece.name) for piece in found] == [("Ada", "Ada Lovelace"), (" wrote notes.", "")]


def test_of_two_names_that_overlap_the_first_is_marked() -> None:
    found = chunks.pieces("Ada Lovelace", [named("Ada Lovelace", 0, 12), named("Lovelace", 4, 12)], [])
    assert [(piece.text, piece.name) for piece in found] == [("Ada Lovelace", "Ada Lovelace")]


def test_a_piece_knows_the_sentences_that_it_belongs_to() -> None:
    said = [Relation(start=0, end=10), Relation(start=5, end=16)]
    found = chunks.pieces("Ada wrote notes.", [], said)
    assert [(piece.text, piece.relations) for piece in found] == [("Ada w", "0"), ("rote ", "0 1"), ("notes.", "1")]


@pytest.mark.parametrize("seed", range(20))
def test_the_pieces_are_the_text_whatever_the_spans(seed: int) -> None:
    chance = random.Random(seed)
    text = "".join(chance.choice("ab \n\u202e\U0001f600é") for _ in range(60))

    def span() -> tuple[int, int]:
        return chance.randrange(70), chance.randrange(70)

    mentions = sorted((named("x", *span()) for _ in range(8)), key=lambda one: (one.start, -one.end))
    relations = [Relation(start=start, end=end) for start, end in (span() for _ in range(8))]
    found = chunks.pieces(text, mentions, relations, span())
    assert "".join(piece.text for piece in found) == text
    assert chunks.pieces("", mentions, relations) == ()


def test_an_entity_is_listed_once_under_its_canonical_name(ledger: Ledger) -> None:
    one = made([1])
    known = mention(one.chunks[0], "Ada Lovelace", 0, 3).entity
    alias = mention(one.chunks[0], "Ada", 4, 7).entity
    Entity.objects.filter(pk=alias.pk).update(canonical=known)
    place = chunks.find(one.document, one.generation, one.chunks[0])
    assert place is not None
    read = chunks.reading(place, one.generation, paged=True)
    assert [(entity.name, entity.also, entity.mentions) for entity in read.entities] == [("Ada Lovelace", ("Ada",), 2)]


def test_a_chunk_knows_its_neighbours_and_its_places(ledger: Ledger) -> None:
    one = made([2, 1])
    Placement.objects.filter(chunk=one.chunks[2]).update(pages=[2, 3], boxes=[{"page": 3, "l": 1.0, "t": 2.0, "r": 3.0, "b": 4.0}])
    relation(one.chunks[2], "Ada", "Notes", 0, 9)
    place = chunks.at(one.generation, 1, 0)
    assert place is not None
    read = chunks.reading(place, one.generation, paged=True)
    assert (read.number, read.total, read.before, read.after) == (3, 3, one.chunks[1], None)
    assert [(page.number, page.boxes) for page in read.pictured] == [(2, []), (3, [[1.0, 2.0, 3.0, 4.0]])]
    assert [(said.source, said.type, said.target, said.sentence) for said in read.relations] == [
        ("Ada", "WRITE", "Notes", "Ada wrote")
    ]
    assert chunks.reading(place, one.generation, paged=False).pictured == ()


def test_a_chunk_that_only_an_older_generation_has_says_so(ledger: Ledger) -> None:
    one = made([1])
    place = chunks.find(one.document, one.generation + 1, one.chunks[0])
    assert place is not None
    assert chunks.reading(place, one.generation + 1, paged=False).other


# Bars of a run


def fallen(one: Made) -> Waterfall:
    return waterfall(one.document, RunDocument.objects.get(document=one.document), paged=True)


def test_each_window_has_the_bars_of_its_stages_on_one_scale(ledger: Ledger) -> None:
    time = fallen(made([1, 1, 1]))  # the run takes from second -1 to 9
    lanes = {lane.first: [(bar.stage, round(bar.x), round(bar.width)) for bar in lane.bars] for lane in time.lanes[1:-1]}
    assert time.seconds == pytest.approx(10)
    assert lanes[2] == [("parse", 200, 100), ("enrich", 300, 100), ("embed", 450, 150), ("extract", 450, 150)]
    assert [(bar.stage, round(bar.x)) for bar in time.lanes[0].bars] == [("plan", 0)]
    assert [(bar.stage, round(bar.x)) for bar in time.lanes[-1].bars] == [("resolve", 800), ("publish", 850)]


def test_the_work_is_shared_out_by_stage(ledger: Ledger) -> None:
    time = fallen(made([1]))
    assert [(share.stage, share.percent) for share in time.shares][:2] == [("parse", 52), ("enrich", 17)]
    assert sum(share.width for share in time.shares) == pytest.approx(WIDTH)
    assert time.largest is not None
    assert time.largest.stage == "parse"


def test_what_another_run_did_is_no_work_of_this_one(ledger: Ledger) -> None:
    one = made([1, 1])
    Window.objects.filter(ordinal=0).update(started_at=at(-500), parsed_at=at(-490), enriched_at=at(-480))
    ChunkTask.objects.filter(chunk=one.chunks[0]).update(run_id="earlier")
    time = fallen(one)
    assert (time.windows, time.idle) == (2, 1)
    assert [lane.first for lane in time.lanes] == [None, 2, None]


def test_hundreds_of_windows_share_lanes_and_none_is_lost(ledger: Ledger) -> None:
    time = fallen(made([1] * 200))
    lanes = [lane for lane in time.lanes if lane.first is not None]
    assert len(lanes) <= LANES
    assert (lanes[0].first, lanes[-1].last) == (1, 200)
    assert all((one.last or 0) + 1 == other.first for one, other in pairwise(lanes))
    assert all(0 <= bar.x <= bar.x + bar.width <= WIDTH + 0.001 for lane in time.lanes for bar in lane.bars)


def test_what_runs_now_reaches_until_now(ledger: Ledger) -> None:
    one = made([1])
    Window.objects.update(parse_state="running", enrich_state="pending", parsed_at=None, enriched_at=None)
    ChunkTask.objects.update(run_id="")
    RunDocument.objects.update(finished_at=None)
    time = fallen(one)
    bars = [bar for lane in time.lanes for bar in lane.bars if bar.stage == "parse"]
    assert time.running
    assert [round(bar.x + bar.width) for bar in bars] == [WIDTH]


def test_the_run_that_did_something_is_shown_unasked(ledger: Ledger) -> None:
    one = made([1])
    RunDocument.objects.create(document_id=one.document, run_id="later", started_at=at(100), finished_at=at(101))
    runs = list(RunDocument.objects.order_by("-started_at"))
    assert [getattr(chosen(runs, wanted), "run_id", None) for wanted in ("", "later", "unknown")] == [RUN, "later", RUN]
    assert chosen([], "") is None


# Generations


def test_a_generation_says_why_it_was_made_and_what_it_changed(ledger: Ledger) -> None:
    one = made([2])
    Generation.objects.update(chunks_added=2)
    making = Generation.objects.create(document_id=one.document, number=2, sha256="b" * 64, blob="b", pages=4, state="making")
    Document.objects.filter(pk=one.document).update(making=making)
    window = Window.objects.create(
        id=one.document, generation=making, document_id=one.document, ordinal=0, first=1, last=4, key="k"
    )
    Placement.objects.create(generation=making, window=window, chunk_id=one.chunks[0], ordinal=0)
    newest, oldest = generations(one.document)
    assert (str(newest.reason), newest.grown, newest.change) == ("other bytes", 3, (0, 1, 0))
    assert (str(oldest.reason), oldest.grown, oldest.change) == ("first content", None, (2, 0, 0))
    Generation.objects.filter(pk=making.pk).update(sha256=one.sha256, plan_fingerprint="other")
    assert str(generations(one.document)[0].reason) == "cut otherwise"


def test_a_generation_that_another_took_the_place_of_still_names_its_engines(ledger: Ledger) -> None:
    """A PDF is parsed window by window: its inspection names no parser, and a run that parses nothing anew cannot name one."""
    document = running(ledger, "a.pdf")
    for number, (content, parser, extractor) in enumerate([("one", "rules 1", "spaCy 3"), ("two", "docling 2", "qwen3")]):
        run = f"{RUN} {number}"
        ledger.begin(document, run, dead)
        made_now = planned(ledger, document, "k", content=content, run_id=run)
        ledger.set_engines(document, run, parser=parser, embedder="minilm", extractor=extractor)
        ledger.set_engines(document, run, parser="", embedder="minilm", extractor=extractor)
        publish(ledger, document, made_now.id)
    shown = [(one.number, one.state, one.parser, one.extractor) for one in generations(document)]
    assert shown == [(2, "live", "docling 2", "qwen3"), (1, "superseded", "rules 1", "spaCy 3")]
    assert Document.objects.get(pk=document).parser == "docling 2"


# Failures


def test_failures_of_one_reason_are_one_line(ledger: Ledger) -> None:
    one = made([3])
    for number, chunk in enumerate(one.chunks):
        Failure.objects.create(
            document_id=one.document, chunk_id=chunk, stage="extract", kind="engine_failed", retryable=True, message="No JSON.",
            attempt=number + 1, created_at=at(0) + timedelta(seconds=number),
        )  # fmt: skip
    Failure.objects.create(document_id=one.document, stage="plan", kind="x", retryable=False, message="Old.", resolved=True)
    found = failures(one.document)
    assert [(reason.message, reason.times, reason.chunks, reason.attempt, reason.chunk) for reason in found] == [
        ("No JSON.", 3, 3, 3, one.chunks[2]),
        ("Old.", 1, 0, 1, None),
    ]


def test_the_grid_shows_which_chunks_a_content_brought(ledger: Ledger) -> None:
    shown = []
    for number, texts in enumerate((["one", "two"], ["one", "three"], ["one", "three", "four"])):
        document = ingested(ledger, [texts], content=f"content {number}", run_id=f"{RUN} {number}")
        found = grid(document)
        assert found is not None
        shown.append(found.windows[0].cells)
    assert shown == ["dd", "dn", "ddn"]
