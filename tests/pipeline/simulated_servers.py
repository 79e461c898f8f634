"""Language-model servers in simulated time, driven by as many requests as a limit allows, and the answers that a controller sees.

With slots: N requests at once, the rest waits in its queue (Ollama, llama.cpp). Batching: all at once, slower the more there are
(vLLM).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from aegis_assets.pipeline.concurrency_limit import Answer, FoundLimit, adjust

RECENT = 256


@dataclass(frozen=True)
class Request:
    """prompt: seconds until the first token once it is worked on. tokens: of the answer."""

    prompt: float
    tokens: int


def steady(seed: int, *, prompt: float = 0.1, tokens: int = 100, spread: float = 0.5) -> Iterator[Request]:
    """Requests whose prompts and answers differ by +- spread."""
    drawn = random.Random(seed)
    while True:
        yield Request(prompt * drawn.uniform(1 - spread, 1 + spread), max(1, int(tokens * drawn.uniform(1 - spread, 1 + spread))))


@dataclass
class _Flight:
    request: Request
    granted: float
    in_flight: int
    begun: float | None = None
    first_token: float = 0.0
    done: float = 0.0


@dataclass
class Simulation:
    """slots: of the server at a moment. speed: tokens a second of one request beside n - 1 others. stalls: (start, end), during
    which the server answers nothing, as while it loads a model. demand: requests that the documents have in flight at most."""

    requests: Iterator[Request]
    slots: Callable[[float], int] = lambda _: 1_000
    speed: Callable[[int], float] = lambda _: 50.0
    ceiling: int = 8
    found: FoundLimit = field(default_factory=FoundLimit)
    auto: bool = True
    demand: int = 1_000
    stalls: tuple[tuple[float, float], ...] = ()
    now: float = 1_000.0
    step: float = 0.02
    limits: list[tuple[float, int]] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    _flights: list[_Flight] = field(default_factory=list)

    def run(self, answers: int) -> Simulation:
        """Until that many more have come."""
        wanted = len(self.answers) + answers
        while len(self.answers) < wanted:
            self._send()
            self._serve()
        return self

    def idle(self, seconds: float) -> None:
        """Between two documents: what is in flight ends, and nothing is sent."""
        end = self.now + seconds
        while self.now < end:
            self._serve()

    @property
    def limit(self) -> int:
        return min(self.found.value, self.ceiling) if self.auto else self.ceiling

    def rate(self, last: int) -> float:
        """Tokens per second over the last answers."""
        window = self.answers[-last:]
        return sum(answer.tokens for answer in window[1:]) / (window[-1].ended - window[0].ended)

    def _send(self) -> None:
        while len(self._flights) < min(self.limit, self.demand):
            self._flights.append(_Flight(next(self.requests), self.now, len(self._flights) + 1))

    def _serve(self) -> None:
        self.now += self.step
        if any(start <= self.now < end for start, end in self.stalls):
            return
        working = self._flights[: self.slots(self.now)]
        speed = self.speed(len(working)) / self.speed(1)
        for flight in working:
            if flight.begun is None:
                flight.begun, flight.done = self.now, 0.0
            flight.done += self.step * speed
            if not flight.first_token and flight.done >= flight.request.prompt:
                flight.first_token = self.now
        whole = [f for f in working if f.done >= f.request.prompt + f.request.tokens / self.speed(1)]
        for flight in whole:
            self._end(flight)

    def _end(self, flight: _Flight) -> None:
        held = len(self._flights)
        self._flights.remove(flight)
        self.answers.append(
            Answer(
                in_flight=max(flight.in_flight, held),
                granted=flight.granted,
                ended=self.now,
                waited=flight.first_token - flight.granted,
                served=self.now - flight.first_token,
                tokens=flight.request.tokens,
            )
        )
        counted = sum(answer.granted >= self.found.since for answer in self.answers[-RECENT:])
        if self.auto and counted >= self.found.due:
            self.found = adjust(self.found, self.answers[-RECENT:], self.ceiling, self.now)
            self.limits.append((self.now, self.found.value))
