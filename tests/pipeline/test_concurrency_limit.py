"""The limit that is found out, against simulated servers: the controller is pure, so each case is the same every time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from aegis_assets.pipeline.concurrency_limit import START, Answer, FoundLimit, adjust, refuse
from tests.pipeline.simulated_servers import Simulation, steady

SEEDS = range(5)
Make = Callable[[int], Simulation]


def with_slots(slots: int, **requests: float) -> Make:
    return lambda seed: Simulation(steady(seed, **requests), slots=lambda _: slots)


def batching(knee: float, ceiling: int = 8) -> Make:
    """All at once; from `knee` requests on, more of them share the same throughput."""
    return lambda seed: Simulation(steady(seed, prompt=0.3), speed=lambda n: 50 * min(1, knee / max(1, n)), ceiling=ceiling)


def share_of_best(make: Make, seed: int, answers: int = 100) -> float:
    """Throughput after the first 20 answers, of that with the best fixed limit."""

    def measured(*, auto: bool, ceiling: int) -> float:
        run = make(seed)
        run.auto, run.ceiling = auto, ceiling
        return run.run(20).run(answers).rate(answers)

    ceiling = make(seed).ceiling
    fixed = [2**power for power in range(int(math.log2(ceiling)) + 1)]
    return measured(auto=True, ceiling=ceiling) / max(measured(auto=False, ceiling=limit) for limit in fixed)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("slots", [1, 2, 3, 4, 6, 8])
def test_a_server_with_slots_is_kept_busy(slots: int, seed: int) -> None:
    assert share_of_best(with_slots(slots), seed) >= 0.97


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("slots", [1, 4, 8])
@pytest.mark.parametrize("requests", [{"spread": 0.95}, {"prompt": 2.0}, {"prompt": 0.0}], ids=["uneven", "long prompts", "none"])
def test_uneven_answers_and_long_prompts_do_not_mislead_it(slots: int, seed: int, requests: dict[str, float]) -> None:
    assert share_of_best(with_slots(slots, **requests), seed) >= 0.95


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("slots", "highest"), [(1, 3), (2, 6), (4, 8), (8, 16)])
def test_few_requests_wait_in_the_queue_of_a_server_with_slots(slots: int, highest: int, seed: int) -> None:
    run = replace(with_slots(slots)(seed), ceiling=64).run(300)
    assert slots <= run.found.value <= highest


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("knee", [2, 6, 12])
def test_a_batching_server_gets_as_many_as_its_throughput_rises_with(knee: int, seed: int) -> None:
    assert share_of_best(batching(knee, ceiling=32), seed, 200) >= 0.93


@pytest.mark.parametrize("seed", SEEDS)
def test_throughput_that_rises_with_late_first_tokens_is_not_given_up(seed: int) -> None:
    """Prompts of 3 s and answers of 1 s, all of it slower beside others, and yet more in all."""
    run = Simulation(steady(seed, prompt=3, tokens=50), speed=lambda n: 50 / (1 + n / 8), ceiling=16)
    assert run.run(300).found.value > START


@pytest.mark.parametrize("seed", SEEDS)
def test_a_server_that_does_less_with_more_at_once_is_given_less(seed: int) -> None:
    run = Simulation(steady(seed), speed=lambda n: 50.0 if n <= 8 else 50 * 0.8 ** (n - 8), ceiling=32)
    assert run.run(200).found.value <= 12


@pytest.mark.parametrize("seed", SEEDS)
def test_slots_that_change_are_noticed(seed: int) -> None:
    run = Simulation(steady(seed), slots=lambda now: 1 if now < 1_100 or now > 1_300 else 8)
    while run.now < 1_099:
        run.run(1)
    assert run.found.value <= 3
    while run.now < 1_200:
        run.run(1)
    assert run.found.value == 8
    while run.now < 1_500:
        run.run(1)
    assert run.found.value <= 3


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("slots", [1, 4, 8])
def test_a_minute_of_loading_the_model_is_no_queue(slots: int, seed: int) -> None:
    run = Simulation(steady(seed), slots=lambda _: slots, stalls=((1_000.0, 1_060.0), (1_150.0, 1_210.0)))
    while run.now < 1_149:
        run.run(1)
    before = run.found.value
    assert slots <= before <= max(slots + 2, 2 * slots)
    run.run(40)
    assert run.found.value >= min(before, slots)


def test_five_chunks_now_and_then_are_enough_to_find_one_slot() -> None:
    run = Simulation(steady(1), slots=lambda _: 1)
    for _ in range(8):
        run.run(5)
        run.idle(120)
    assert run.found.value <= 3


def test_what_nobody_asks_for_is_not_tried() -> None:
    run = Simulation(steady(1), slots=lambda _: 8, demand=3, ceiling=8).run(200)
    assert run.found.value == START


def test_a_limit_that_nobody_reaches_falls_where_the_server_has_a_queue_all_the_same() -> None:
    run = Simulation(steady(1), slots=lambda _: 1, demand=4, found=FoundLimit(value=8)).run(60)
    assert run.found.value <= 3


def test_a_lower_ceiling_holds_at_once_and_a_higher_one_is_used() -> None:
    run = Simulation(steady(1), slots=lambda _: 16, ceiling=4).run(60)
    assert run.limit == 4
    run.ceiling = 16
    assert run.run(200).limit == 16


def test_answers_beside_more_requests_than_the_limit_tell_nothing_of_it() -> None:
    """As after a while with a fixed limit: each waited for a second, since eight were in flight."""
    answers = [Answer(8, granted, granted + 4.0, 2.0, 2.0, 50) for granted in (number * 0.5 for number in range(40))]
    assert adjust(FoundLimit(), answers, ceiling=8, now=30.0) == FoundLimit()


def test_answers_that_count_no_tokens_are_enough() -> None:
    run = Simulation(steady(1), slots=lambda _: 8)
    original = Answer

    while len(run.answers) < 60:
        run.run(1)
        run.answers[-1] = replace(run.answers[-1], tokens=0)
    assert isinstance(run.answers[-1], original)
    assert run.found.value == 8


def test_a_refusal_halves_what_was_in_flight_and_the_way_up_is_slow() -> None:
    before = FoundLimit(value=8, since=10.0, step=8)
    after = refuse(before, 15.0, in_flight=8, ceiling=8, now=20.0)
    assert (after.value, after.step, after.since) == (4, 1, 20.0)
    assert refuse(before, 15.0, in_flight=3, ceiling=8, now=20.0).value == 1
    assert refuse(replace(before, value=1), 15.0, in_flight=1, ceiling=8, now=20.0).value == 1
    assert refuse(before, 15.0, in_flight=8, ceiling=2, now=20.0).value == 1
    assert refuse(after, 15.0, in_flight=8, ceiling=8, now=20.1) == after, "it was sent under the limit of before"


@pytest.mark.parametrize("answers", [[], [Answer(1, 0.0, 1.0, 0.0, 0.0)] * 8, [Answer(8, 0.0, 0.0, 5.0, 0.0)] * 8])
def test_answers_that_took_no_time_or_are_few_do_no_harm(answers: list[Answer]) -> None:
    after = adjust(FoundLimit(), answers, ceiling=8, now=2.0)
    assert 1 <= after.value <= 8
    assert after.due >= 1
