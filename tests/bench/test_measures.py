"""What the benchmarks compare with is counted right: bounds, growth, graphs of others."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import bulk, cpu, documents, peers
from bench.simulation import Lanes
from tests.doubles.engine_work import Page


def test_padding_makes_a_file_large_and_no_chunk_more(tmp_path: Path) -> None:
    corpus = documents.Corpus.drawn([3, 1, 2], seed=1)
    assert corpus.sizes[-1] == 1, "the smallest document comes last"
    paths = corpus.write(tmp_path)
    for path, size in zip(paths, corpus.sizes, strict=True):
        pages = path.read_text().split("\f")
        assert (len(pages), path.stat().st_size >= size * documents.PAGE_BYTES) == (size, True)
        assert all(len(Page.of(page).chunks) == 1 for page in pages)


def test_no_order_of_documents_beats_their_bound() -> None:
    corpus = documents.Corpus.drawn([4, 4, 1], seed=1)
    cuts = [[(1, size)] for size in corpus.sizes]
    least, in_turn = documents.bounds(corpus, cuts, Lanes(slots=4))
    assert 9 * documents.EXTRACT / 4 * 0.5 < least < in_turn


def test_growth_leaves_out_parts_that_hold_next_to_nothing() -> None:
    assert cpu.growth({"engine": 500.0, "other": 20.0}, {"engine": 550.0, "other": 60.0, "steps": 90.0}) == {"engine": 1.1}


def test_a_graph_is_counted_with_and_without_directions() -> None:
    texts = ["Ada designs Engine. Engine designs Ada.", "Ada designs Engine. Ada feeds Engine."]
    assert peers.expected(texts) == {"entities": 2, "relations": 3, "pairs": 1}


def test_a_peer_that_lost_entities_is_no_measure() -> None:
    wanted = {"entities": 2, "relations": 3, "pairs": 1}
    case = {"expected": wanted, "rows": [{"who": "ours", "entities": 2, "relations": 3}]}
    peers.checked(case)
    case["rows"].append({"who": "LightRAG, best", "entities": 1, "relations": 1})
    with pytest.raises(RuntimeError, match="LightRAG, best"):
        peers.checked(case)


def test_overhead_is_what_a_document_costs_beyond_the_bare_loop() -> None:
    whole, loop = {"seconds": 30.0, "cpu_total_s": 40.0}, {"seconds": 20.0, "cpu_total_s": 20.0}
    figures = bulk.summary(100, whole, loop, [3.0, 1.0, 2.0], [4.0])
    assert (figures["ratio"], figures["overhead_ms"], figures["overhead_cpu_ms"], figures["alone_s"]) == (1.5, 100.0, 200.0, 2.0)
