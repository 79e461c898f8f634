"""Idle slots count only while something waits for them, and never more of them than things that wait."""

from __future__ import annotations

import pytest

from bench.idle import idle


def test_slots_that_work_from_the_first_moment_are_never_idle() -> None:
    found = idle(2, ready=[(0, 0), (0, 0), (0, 3)], work=[(0, 3), (0, 4), (3, 5)])
    assert (found.slot_seconds, found.extracting, found.busy) == (0, 5, 9)
    assert found.share == 0


def test_a_chunk_that_waits_for_its_step_costs_as_many_slots_as_chunks_wait() -> None:
    found = idle(4, ready=[(0, 1), (0, 1)], work=[(1, 3), (1, 3)])
    assert found.slot_seconds == 2
    assert found.share == pytest.approx(2 / 12)
    assert found.share_of_waiting == pytest.approx(2 / 4)


def test_slots_without_work_are_not_idle_for_nothing() -> None:
    assert idle(4, ready=[(0, 0), (9, 9)], work=[(0, 1), (9, 10)]).slot_seconds == 0


def test_a_picture_takes_a_slot_that_a_chunk_would_have_had() -> None:
    assert idle(1, ready=[(0, 2)], work=[(0, 2), (2, 3)]).slot_seconds == 0


def test_no_work_at_all() -> None:
    assert idle(4, [], []).share == 0
