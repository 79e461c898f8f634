"""Kills and outages are spread as they say, a store that differs is named, and a document that was seen failed is not forgotten."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from typing import Any, cast

import psutil
import psycopg
import pytest

from bench import kills, outages, steady
from bench.harness import Stack
from bench.held import differing, nothing
from tests.waiting import until


def test_sixty_kills_meet_every_moment_with_every_server() -> None:
    drawn = list(kills.rounds(60))
    assert Counter(target for _, target in drawn) == dict.fromkeys(kills.TARGETS, 15)
    assert sum(moment in kills.MOMENTS for moment, _ in drawn) == 20
    assert len(set(drawn)) == 16, "four moments, four targets"


def test_a_store_that_lost_an_id_or_has_one_more_is_named() -> None:
    wanted = {"chunks": {"a", "b"}, "vectors": {"a", "b"}, "files": {"x"}}
    assert differing(wanted, wanted) == []
    assert differing({**wanted, "vectors": {"a"}, "files": {"x", "y"}}, wanted) == ["vectors", "files"]
    assert differing(wanted, nothing(wanted)) == ["chunks", "vectors", "files"]


def test_a_kill_counts_as_without_one_only_if_nothing_differs_and_the_document_succeeded() -> None:
    row = {"moment": "ingest", "target": "graph", "differing": [], "state": "succeeded", "back_after_s": 3.0}
    rows = [row, {**row, "state": "failed", "back_after_s": 9.0}, {**row, "differing": ["vectors"]}]
    [found] = kills.summary(rows)
    assert (found["kills"], found["as_without"], found["longest_s"]) == (3, 1, 9.0)


def test_waiting_outlives_a_server_that_is_away_and_ends() -> None:
    answers = iter([psycopg.OperationalError(), None, "there"])

    def ask() -> str | None:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert kills.waited(ask, 30) == "there"
    with pytest.raises(TimeoutError):
        kills.waited(lambda: None, 0)


class Answers:
    """A stack that gives these rows, or an error, one after the other."""

    def __init__(self, *answers: list[dict[str, Any]] | Exception) -> None:
        self._answers = iter(answers)

    def rows(self, _: str) -> list[dict[str, Any]]:
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_a_document_seen_failed_is_remembered_when_it_succeeds_later() -> None:
    states = [[{"id": "1", "state": state, "message": "gone"}] for state in ("running", "failed", "succeeded")]
    observed = outages.Observed(cast("Stack", Answers(states[0], states[1], psycopg.OperationalError(), states[2])))
    for _ in range(4):
        observed.read_states()
    assert (observed.succeeded(), observed.wrong) == (1, {"1": "failed: gone"})


def test_a_stopped_server_and_all_below_it_stand_still_and_go_on() -> None:
    child = "print('begun', flush=True); import time; time.sleep(600)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    with subprocess.Popen([sys.executable, "-c", parent], start_new_session=True, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            # a process that is stopped between fork and exec holds its parent in the kernel, where it never counts as stopped
            assert process.stdout.readline() == "begun\n"
            family = outages._family(process.pid)
            assert len(family) == 2
            with outages._stopped(family):
                until(lambda: {one.status() for one in family} == {psutil.STATUS_STOPPED})
            until(lambda: psutil.STATUS_STOPPED not in {one.status() for one in family})
        finally:
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("case", outages.CASES, ids="-".join)
def test_no_document_fails_while_a_server_is_away_and_all_succeed_afterwards(case: tuple[str, str]) -> None:
    [found] = outages.measured([case], seconds=20.0, files=6)
    assert found["at_work"], "the outage began with documents at work"
    assert found["seen_wrong"] == []
    assert found["succeeded"] == found["documents"] == 12


def test_rates_are_counted_between_ends_of_groups() -> None:
    ends = [float(second) for second in range(10) for _ in range(50)]  # 50 a second
    found = steady.shares(ends, 100)
    assert found["shares"][0]["documents_per_s"] == pytest.approx(50)
    assert found["ratio"] == pytest.approx(1)
    slower = [*ends, *(10.0 + 2 * second for second in range(10) for _ in range(50))]
    assert steady.shares(slower, 200)["ratio"] == pytest.approx(0.5, rel=0.05)
    with pytest.raises(ValueError, match="together"):
        steady.rate([1.0, 1.0], 0, -1)
