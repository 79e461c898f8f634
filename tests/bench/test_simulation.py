"""The bound is what a pencil gives for schedules that are small enough for one."""

from __future__ import annotations

import pytest

from bench.simulation import Lanes, Window, bound, sequential, simulate

PLAIN = Window(parse=2, pictures=(), chunk=0, embed=1, chunks=(1, 1, 1, 1))


def test_one_window_is_its_parse_and_the_longer_of_its_two_ends() -> None:
    assert bound([PLAIN], Lanes(slots=1)) == 6
    assert bound([PLAIN], Lanes(slots=2)) == 4
    assert bound([PLAIN], Lanes(slots=4)) == 3
    assert sequential([PLAIN]) == 7


def test_a_slow_parser_hides_all_but_the_last_window_s_end() -> None:
    assert bound([PLAIN] * 10, Lanes(slots=4)) == 10 * 2 + 1
    assert bound([PLAIN] * 10, Lanes(parsers=2, slots=4)) == 5 * 2 + 2


def test_few_slots_are_the_slowest_lane_after_the_first_parse() -> None:
    assert bound([PLAIN] * 10, Lanes(slots=1)) == 2 + 10 * 4


def test_chunks_wait_for_their_window_s_pictures_and_pictures_go_first() -> None:
    pictured = Window(parse=1, pictures=(2, 2), chunk=0.5, embed=0, chunks=(1,))
    assert bound([pictured], Lanes(slots=2)) == 1 + 2 + 0.5 + 1
    assert bound([pictured], Lanes(slots=1)) == 1 + 4 + 0.5 + 1
    spans = [span for span in simulate([pictured, pictured], Lanes(slots=1)) if span.lane == "llm"]
    assert [span.window for span in spans] == [0, 0, 1, 1, 0, 1]


def test_no_lane_does_more_than_it_has_workers_and_all_work_is_done() -> None:
    windows = [
        Window(parse=1 + n % 3, pictures=(0.3,) * (n % 2), chunk=0.1, embed=0.7, chunks=tuple(0.2 + (n * k) % 5 for k in range(6)))
        for n in range(20)
    ]
    lanes = Lanes(parsers=2, chunkers=1, embedders=1, slots=3)
    spans = simulate(windows, lanes)
    assert sum(span.end - span.start for span in spans) == pytest.approx(sequential(windows))
    for lane, workers in (("parse", 2), ("chunk", 1), ("embed", 1), ("llm", 3)):
        events = sorted(
            [(span.start, 1) for span in spans if span.lane == lane] + [(span.end, -1) for span in spans if span.lane == lane]
        )
        busy = 0
        for _, change in events:
            busy += change
            assert busy <= workers


def test_nothing_to_do_takes_no_time() -> None:
    assert bound([], Lanes()) == 0
