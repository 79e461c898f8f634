"""One clock for all calls to a server that is away."""

from __future__ import annotations

from aegis_assets.outages import OutageClock


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_calls_that_begin_later_wait_no_longer_than_the_first() -> None:
    time = Time()
    clock = OutageClock(20.0, time)
    assert clock.keep_waiting(), "the first failure begins the outage"
    time.now = 19.9
    assert clock.keep_waiting()
    time.now = 20.1
    assert not clock.keep_waiting()
    assert not clock.keep_waiting(), "a call that begins now fails at once"


def test_an_answer_ends_the_outage() -> None:
    time = Time()
    clock = OutageClock(20.0, time)
    clock.keep_waiting()
    time.now = 100.0
    clock.answered()
    assert clock.keep_waiting()


def test_zero_seconds_are_no_waiting_at_all() -> None:
    assert not OutageClock(0.0).keep_waiting()
