"""What a lease is taken on, and what its holder reports while it has it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from uuid import UUID

from psycopg.types.json import Jsonb

from aegis_assets.pipeline.concurrency_limit import START


@dataclass(frozen=True)
class Terms:
    """Where the capacity of a resource comes from.

    fallback: its size where the console did not change it. limit, choice: what the console calls its size, and whether that is
    found out. auto: whether it is where the console says nothing. server: the server and model that it is found out for, '' for a
    resource whose size nobody needs to find out.
    """

    resource: str
    fallback: int
    limit: str
    choice: str = ""
    auto: bool = False
    server: str = ""

    def values(self) -> dict[str, object]:
        """As the statements of `lease_sql` take them."""
        terms = {
            "fallback": self.fallback,
            "limit": self.limit,
            "choice": self.choice,
            "auto": int(self.auto),
            "server": self.server,
            "start": START,
        }
        return {**terms, "resource": self.resource, "terms": Jsonb(terms)}


@dataclass(eq=False)
class Lease:
    """granted: done when it is held, or when it never can be."""

    id: UUID
    terms: Terms
    weight: int
    owner: UUID
    permit: CountedPermit
    granted: asyncio.Future[None]

    @property
    def held(self) -> bool:
        return self.granted.done() and not self.granted.cancelled() and self.granted.exception() is None


@dataclass(eq=False)
class Progress:
    """When requests to a server last made progress, on `time.monotonic`'s clock: this process's own, and anybody's as PostgreSQL
    was last asked. written: how far the own is known to the others; asked: when they were last told or asked."""

    own: float = float("-inf")
    shared: float = float("-inf")
    written: float = float("-inf")
    asked: float = float("-inf")
    forgotten: float = field(default_factory=time.monotonic)

    @property
    def latest(self) -> float:
        return max(self.own, self.shared)


class CountedPermit:
    """Implements the port `Permit` for a request that holds a lease. Each call is a few assignments."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._sent = time.monotonic()
        self._first: float | None = None
        self._finished: float | None = None
        self._tokens = 0
        self._refused = False

    def send(self) -> None:
        """Note that the lease is held, so the request is on its way."""
        self._sent = time.monotonic()

    def first_token(self) -> None:
        if self._first is None:
            self._first = time.monotonic()
        self.progress()

    def progress(self) -> None:
        self._progress.own = time.monotonic()

    def finished(self, tokens: int) -> None:
        self._finished = time.monotonic()
        self._tokens = max(0, tokens)
        self.progress()

    def refused(self) -> None:
        self._refused = True

    def last_progress(self) -> float:
        return max(self._sent, self._progress.latest)

    @property
    def was_refused(self) -> bool:
        return self._refused

    @property
    def seconds(self) -> float:
        """Since the request was sent."""
        return time.monotonic() - self._sent

    def report(self) -> Jsonb | None:
        """Return what the release tells PostgreSQL; None for a request that was not answered, of which nothing is learned."""
        if self._refused:
            return Jsonb({"refused": True})
        if self._finished is None:
            return None
        answer: dict[str, float | None] = {"ago": time.monotonic() - self._finished, "tokens": self._tokens, "waited": None}
        if self._first is not None:
            answer |= {"waited": self._first - self._sent, "served": self._finished - self._first}
        return Jsonb(answer)
