"""Find out how many requests a language-model server works on at once: answers -> the next limit. Pure: no clock, no database.

The queue is told by the time to the first token, as TCP Vegas tells it by the round trip: of L requests in flight, the share of
their time that they wait in the server's queue is the share of L that is queued (Little's law). The limit aims at a queue of one
request, so that no slot of the server is idle while the next request is on its way, and an empty queue says at once that there is
room for more. Throughput has the last word: a higher limit that answers no faster is taken back, and so is a lower one that answers
slower, since the first token may come late for other reasons than a queue (a batching server that reads long prompts).

Trade-off: a limit that is too high costs nothing but the order of the requests, one that is too low costs throughput. So the limit
rises on little evidence and falls on more.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean, median
from typing import Final, Literal

START: Final = 4  # for a server that nobody has asked yet: what one document asks for by default
LEAST_ANSWERS: Final = 4  # for a decision; a document may have five chunks
NOTICEABLE_SECONDS: Final = 0.1  # a shorter wait for the first token is this machine's, not the server's queue
SLACK_SECONDS: Final = 0.05  # a queued request may have its first token before the end that made room for it is recorded
QUEUE_LOW: Final = (0.5, 0.05)  # a queue shorter than a + b * limit leaves room for more
QUEUE_HIGH: Final = (1.5, 0.1)  # a longer one means that the limit is too high
CLEARLY_QUEUED: Final = 0.8  # of the requests that a raise added
# Of the gain in throughput that a server with free slots gives for a raised limit: what is enough, and what is clear at once.
LEAST_GAIN: Final = 0.1
QUEUED_GAIN: Final = 0.3  # what is enough where the first token comes late
CLEAR_GAIN: Final = 0.5
SURE_LOSS: Final = 0.9  # of the throughput before: less is a loss, once twice as many answers have come as requests are in flight
CLEAR_LOSS: Final = 0.6  # less is a loss at once
FIRST_REST: Final = 4  # decisions until a raise that brought nothing is tried again; doubles each time
LONGEST_REST: Final = 64


@dataclass(frozen=True)
class Answer:
    """A request that was answered whole. granted, ended: seconds on one clock for all processes.

    in_flight: requests to the server, this one included, when it was sent or when it ended, whichever was more.
    waited: until the first token. served: from the first token to the last.
    """

    in_flight: int
    granted: float
    ended: float
    waited: float
    served: float
    tokens: int = 0

    @property
    def sent(self) -> float:
        return self.ended - self.served - self.waited

    @property
    def first_token(self) -> float:
        return self.ended - self.served


@dataclass(frozen=True)
class Trial:
    """The limit before the present one, and what the server answered per second under it."""

    limit: int
    rate: float


@dataclass(frozen=True)
class FoundLimit:
    """What is remembered of a server and a model between requests, processes and runs.

    value: the limit. since: answers to requests that were sent from then on count. due: how many of them the next decision needs.
    step: by how much the next raise raises. first_token: seconds to the first token without a queue, None while unknown.
    queue_seen: whether the server had a queue at the last decision, which left the limit as it is.
    raise_rest, lower_rest: decisions during which the limit is not raised, not lowered. patience: the next raise_rest.
    """

    value: int = START
    since: float = 0.0
    due: int = LEAST_ANSWERS
    step: int = START
    first_token: float | None = None
    trial: Trial | None = None
    queue_seen: bool = False
    raise_rest: int = 0
    lower_rest: int = 0
    patience: int = FIRST_REST


@dataclass(frozen=True)
class Measured:
    """Of the answers that count. queued: requests that wait in the server's queue, on average. rate: of output, per second."""

    answers: int
    in_flight: float
    most_in_flight: int
    queued: float
    rate: float

    def full(self, limit: int) -> bool:
        return self.most_in_flight >= limit


@dataclass(frozen=True)
class _Timeline:
    """All recent answers in the order of their ends. A request can have been queued only until another one ended: while a server
    starts or loads its model nothing ends, and that wait is no queue."""

    answers: Sequence[Answer]
    ends: Sequence[float] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "ends", [answer.ended for answer in self.answers])

    def queued_at_most(self, answer: Answer) -> float:
        last = bisect_right(self.ends, answer.first_token + SLACK_SECONDS) - 1
        while last >= 0 and self.answers[last] is answer:
            last -= 1
        end = self.ends[last] if last >= 0 else answer.sent
        return min(max(end - answer.sent, 0.0), answer.waited)

    def busy_seconds(self, start: float, end: float, unqueued: float) -> float:
        """Seconds in which a prompt was being read or an answer given: a stall of the server and a pause between two documents are
        left out."""
        busy, until = 0.0, start
        for first, last in sorted((max(a.sent, a.first_token - unqueued), a.ended) for a in self.answers):
            busy += max(0.0, min(last, end) - max(first, until))
            until = max(until, min(last, end))
        return busy


def adjust(found: FoundLimit, recent: Sequence[Answer], ceiling: int, now: float) -> FoundLimit:
    """Return what is known after these answers. recent: in the order of their ends, older ones than `found.since` included.

    Answers beside which more than the limit were in flight, as after it was lowered or while it was fixed, tell nothing of it.
    """
    limit = min(found.value, ceiling)
    window = [answer for answer in recent if answer.granted >= found.since and answer.in_flight <= limit]
    if len(window) < max(LEAST_ANSWERS, limit):
        return replace(found, due=max(LEAST_ANSWERS, limit))
    timeline = _Timeline(recent)
    known = replace(found, first_token=_first_token(timeline, found.first_token))
    measured = _measure(timeline, window, known)
    if not measured.full(limit):
        known = replace(known, trial=None)  # nothing is learned of a limit that nobody reaches, but that it may be too high
    verdict = _judged(known.trial, limit, measured)
    if verdict == "worse":
        return _taken_back(known, measured, limit, ceiling, now)
    raised = known.trial is not None and known.trial.limit < limit
    if known.trial is not None and verdict == "better":
        known = replace(known, lower_rest=max(FIRST_REST, known.lower_rest) if raised else 0)
        if not raised and measured.queued < _line(QUEUE_LOW, limit):
            known = replace(known, raise_rest=0, step=1)  # lowered by one too many
    waits = verdict == "open" and not (raised and measured.queued > _queue_allowed(known.trial, limit))
    if measured.queued > _line(QUEUE_HIGH, limit) and limit > 1 and not known.lower_rest and not waits:
        return _lowered(known, measured, limit, now)
    if verdict == "open":
        return replace(known, due=2 * max(LEAST_ANSWERS, limit))
    return _raised_or_settled(replace(known, trial=None), measured, limit, ceiling, now)


def refuse(found: FoundLimit, sent: float, in_flight: int, ceiling: int, now: float) -> FoundLimit:
    """Return what is known after the server said that it has too much to do: half of what was in flight, and a slow way up.

    sent: when that request was; one of those that went before the limit was last changed says nothing of the present limit.
    """
    if sent < found.since:
        return found
    limit = min(found.value, ceiling, max(1, in_flight))
    return replace(_changed(found, max(1, limit // 2), now), step=1, raise_rest=FIRST_REST)


def _measure(timeline: _Timeline, window: Sequence[Answer], known: FoundLimit) -> Measured:
    unqueued = known.first_token or 0.0
    queued = [min(max(0.0, answer.waited - unqueued), timeline.queued_at_most(answer)) for answer in window]
    if fmean(queued) < NOTICEABLE_SECONDS:
        queued = [0.0] * len(window)
    whole = sum(queued) + sum(unqueued + answer.served for answer in window)
    in_flight = fmean(answer.in_flight for answer in window)
    start = max(known.since, min(answer.sent for answer in window))
    end = max(answer.ended for answer in window)
    given = [answer.tokens for answer in timeline.answers if start < answer.ended <= end]
    busy = timeline.busy_seconds(start, end, unqueued)
    return Measured(
        answers=len(window),
        in_flight=in_flight,
        most_in_flight=max(answer.in_flight for answer in window),
        queued=in_flight * sum(queued) / whole if whole else 0.0,
        rate=(sum(given) or len(given)) / busy if busy else 0.0,
    )


def _first_token(timeline: _Timeline, known: float | None) -> float:
    """Return the time to the first token without a queue.

    From the last end that can have made room for a request to its first token it is told directly, where ends are far enough apart
    for it. Else it is about the least that was seen, or what is known already: with a queue that is never empty, the least would
    take the queue for part of the prompt's reading, and the limit would run away.
    """
    answers = timeline.answers
    least = sorted(answer.waited for answer in answers)[len(answers) // 10]
    unqueued = min(least, median(answer.waited - timeline.queued_at_most(answer) for answer in answers))
    apart = timeline.busy_seconds(answers[0].sent, answers[-1].ended, unqueued) / len(answers)
    if unqueued <= apart / 4:
        return unqueued
    return least if known is None else min(least, max(known, unqueued))


def _judged(trial: Trial | None, limit: int, measured: Measured) -> Literal["better", "worse", "open"]:
    """Compare the throughput with that under the limit before. Few answers say only what is clear."""
    if trial is None:
        return "better"
    sure = measured.answers >= 2 * max(LEAST_ANSWERS, limit)
    ratio = measured.rate / trial.rate if trial.rate else 2.0
    if limit < trial.limit:
        return "worse" if ratio < (SURE_LOSS if sure else CLEAR_LOSS) else "better" if sure or ratio >= 1 else "open"
    linear = limit / trial.limit - 1
    least = QUEUED_GAIN if measured.queued > _line(QUEUE_HIGH, limit) else LEAST_GAIN
    if ratio < (1 + least * linear if sure else CLEAR_LOSS):
        return "worse"
    return "better" if sure or ratio >= 1 + CLEAR_GAIN * linear else "open"


def _taken_back(known: FoundLimit, measured: Measured, limit: int, ceiling: int, now: float) -> FoundLimit:
    """With the limit of before the trial, which is a trial too: it was not the limit where the server itself has changed meanwhile.
    A raise that brought nothing is tried again later and later."""
    assert known.trial is not None
    before = min(known.trial.limit, ceiling)
    back = _changed(known, before, now, trial=Trial(limit, measured.rate))
    return replace(back, lower_rest=2 * FIRST_REST) if before > limit else _rested(back)


def _lowered(known: FoundLimit, measured: Measured, limit: int, now: float) -> FoundLimit:
    """With the limit at what the server works on, and one more. Fewer requests than the limit may have been in flight."""
    wanted = max(1, min(limit - 1, round(measured.in_flight - measured.queued + 1)))
    lowered = _changed(known, wanted, now, trial=Trial(limit, measured.rate) if measured.full(limit) else None)
    return _rested(lowered)


def _raised_or_settled(known: FoundLimit, measured: Measured, limit: int, ceiling: int, now: float) -> FoundLimit:
    """An empty queue where there was one: the server has more slots than before, and no rest is waited for."""
    queued = measured.queued >= _line(QUEUE_LOW, limit)
    if known.queue_seen and not queued:
        known = replace(known, raise_rest=0, patience=FIRST_REST)
    if measured.full(limit) and limit < ceiling and not known.raise_rest:
        raised = _changed(known, min(ceiling, limit + known.step), now, trial=Trial(limit, measured.rate))
        return replace(raised, step=2 * known.step)
    held_down = limit == ceiling and not queued  # once the ceiling is raised, there is no time to lose
    return replace(
        known,
        since=now,
        due=max(LEAST_ANSWERS, limit) * (1 if held_down else 2),
        queue_seen=queued,
        raise_rest=max(0, known.raise_rest - 1),
        lower_rest=max(0, known.lower_rest - 1),
    )


def _rested(known: FoundLimit) -> FoundLimit:
    """Before the next raise: decisions without one, twice as many each time."""
    return replace(known, raise_rest=known.patience, patience=min(LONGEST_REST, 2 * known.patience))


def _changed(known: FoundLimit, value: int, now: float, *, trial: Trial | None = None) -> FoundLimit:
    return replace(
        known,
        value=value,
        since=now,
        due=max(LEAST_ANSWERS, value),
        step=max(1, value // 4),
        trial=trial,
        queue_seen=False,
    )


def _queue_allowed(trial: Trial | None, limit: int) -> float:
    """Return how many requests may be queued. While a raise is tried, more: most of what it added, and it brought nothing."""
    allowed = _line(QUEUE_HIGH, limit)
    return allowed if trial is None or trial.limit > limit else max(allowed, CLEARLY_QUEUED * (limit - trial.limit))


def _line(pair: tuple[float, float], limit: int) -> float:
    return pair[0] + pair[1] * limit
