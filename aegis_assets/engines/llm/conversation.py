"""Schema-constrained questions to a language model, asked again within bounds until the answer has the asked-for shape.

A connection is opened per text, not kept: a request takes seconds, a handshake none, and closing the connection is what makes the
server stop working on a request that nobody waits for.
"""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final

import stamina
from pydantic import BaseModel, ConfigDict

from aegis_assets.engines.llm.answer import Answer, Guard, M, no_guard, parsed, read
from aegis_assets.engines.llm.budget import Budget, unlimited
from aegis_assets.engines.llm.client import Client, Connection, Message, Schema
from aegis_assets.engines.llm.faults import (
    BadReply,
    CutShort,
    Overloaded,
    RanInCircle,
    TimedOut,
    Unreachable,
    too_long,
)
from aegis_assets.engines.llm.patience import Limits, watched
from aegis_assets.errors import AegisError
from aegis_assets.pipeline.ports import Permit, Slot, free_slot
from aegis_assets.pipeline.prompts import estimate_messages, reminder

MAX_REQUESTS: Final = 64  # about one question, whatever its server says


class Retries(BaseModel):
    """attempts: requests for one question that may end in a fault. timeouts: of them by a limit of time, since each costs all of
    it. refusals: answers that the server has too much to do. outage: seconds for which a server may be away and restarted."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    attempts: int = 4
    timeouts: int = 2
    refusals: int = 10
    outage: float = 60.0
    wait_initial: float = 1.0
    wait_max: float = 20.0
    wait_jitter: float = 1.0
    retry_after_max: float = 300.0


class Tally:
    """What the questions about one text or picture have cost so far, failed requests included."""

    def __init__(self) -> None:
        self.calls = 0
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self.timeouts = 0


class _Patience:
    """What happens after a failed request about one question: whether it is asked again, and when."""

    def __init__(self, retries: Retries, tally: Tally) -> None:
        self._retries = retries
        self._tally = tally
        self._faults = self._refusals = 0
        self._away_since: float | None = None
        self.problem = ""

    def __call__(self, error: Exception) -> bool | float:
        """Implements stamina's backoff hook: no, yes, or after that many seconds."""
        if not isinstance(error, AegisError) or not error.retryable:
            return False
        if isinstance(error, Unreachable):
            self._away_since = self._away_since or time.monotonic()
            return time.monotonic() - self._away_since < self._retries.outage
        self._away_since = None
        if isinstance(error, Overloaded):
            return self._refused(error)
        if isinstance(error, BadReply):
            self.problem = error.problem
        if isinstance(error, TimedOut):
            self._tally.timeouts += 1
            if self._tally.timeouts >= self._retries.timeouts:
                return False
        self._faults += 1
        return self._faults < self._retries.attempts

    def _refused(self, error: Overloaded) -> bool | float:
        self._refusals += 1
        if self._refusals >= self._retries.refusals:
            return False
        if error.retry_after is None:
            return True
        # Not all who were refused together may come back together.
        return min(max(0.0, error.retry_after), self._retries.retry_after_max) + random.uniform(0, self._retries.wait_jitter)


class Conversation:
    """A model behind a server, asked within limits. Holds no connection; safe to share between tasks and event loops."""

    def __init__(self, client: Client, limits: Limits, retries: Retries | None = None, budget: Budget = unlimited) -> None:
        self.client = client
        self._limits = limits
        self._retries = retries or Retries()
        self._budget = budget

    def of(self, model: str, model_setting: str) -> Conversation:
        """Return the same conversation with another model of the server."""
        return Conversation(self.client.of(model, model_setting), self._limits, self._retries, self._budget)

    async def check(self, capability: str = "completion") -> None:
        """Raise an AegisError unless the server could be asked now, and answer."""
        await self.client.check(capability)
        await self._budget.check()

    async def insist(
        self,
        connection: Connection,
        messages: Sequence[Message],
        schema: Schema,
        kind: type[M],
        tally: Tally,
        slot: Slot = free_slot,
        guard: Callable[[], Guard] = lambda: no_guard,
    ) -> M:
        """Ask until the answer is a `kind` or the attempts are used up. After an unusable answer the model hears what is wrong.
        slot: held for each request. guard: makes one for each answer. Raise CutShort, which holds what came, where an answer has no
        end."""
        patience = _Patience(self._retries, tally)
        async for attempt in self._attempts(patience):
            with attempt:
                reminded = [Message("user", reminder(patience.problem))] if patience.problem else []
                answer = await self._request(connection, [*messages, *reminded], schema, tally, slot, guard())
                return parsed(self._whole(answer), kind, self.client.server.model)
        raise AssertionError("retry_context ends by return or raise")

    async def context(self, connection: Connection, tally: Tally) -> int:
        """Return how many tokens prompt and answer may have together; a server that has to say it may be away for a while."""
        async for attempt in self._attempts(_Patience(self._retries, tally)):
            with attempt:
                return await connection.context()
        raise AssertionError("retry_context ends by return or raise")

    def _attempts(self, patience: _Patience) -> AsyncIterator[stamina.Attempt]:
        retries = self._retries
        return stamina.retry_context(
            on=patience,
            attempts=MAX_REQUESTS,
            timeout=None,
            wait_initial=retries.wait_initial,
            wait_max=retries.wait_max,
            wait_jitter=retries.wait_jitter,
        )

    async def _request(
        self,
        connection: Connection,
        messages: Sequence[Message],
        schema: Schema,
        tally: Tally,
        slot: Slot,
        guard: Guard,
    ) -> Answer:
        """Ask once, in a slot. The budget is asked before and told after, outside of it."""
        estimate = estimate_messages([message.text for message in connection.spelled(messages, schema)])
        context = await connection.context()
        if estimate + self.client.answer_tokens > context:
            raise too_long(self.client.server, context)
        async with self._budget.spending(estimate + self.client.answer_tokens) as spending:
            async with slot() as permit:
                tally.calls += 1
                answer = await self.ask(connection, messages, schema, permit, guard)
            spending.spent(answer.prompt_tokens or estimate, answer.completion_tokens)
        tally.prompt_tokens += answer.prompt_tokens
        tally.completion_tokens += answer.completion_tokens
        return answer

    def _whole(self, answer: Answer) -> Answer:
        server = self.client.server
        if answer.end == "circle":
            raise RanInCircle(f"{server.model} repeated itself and did not end its answer.", answer.content)
        if answer.end == "length":
            raise CutShort(
                f"{server.model} filled its {self.client.answer_tokens} tokens without ending its answer; "
                f"a larger {server.answer_setting} may help.",
                answer.content,
            )
        return answer

    async def ask(
        self,
        connection: Connection,
        messages: Sequence[Message],
        schema: Schema,
        permit: Permit,
        guard: Guard = no_guard,
    ) -> Answer:
        """Send one request, without a retry. Raise AegisErrors only; cancelled with its task, and the server notices."""
        server = self.client.server
        try:
            async with watched(self._limits, permit, server) as watch:
                texts, end, circle = await read(connection, messages, schema, watch, server, guard)
        except Overloaded:
            permit.refused()
            raise
        permit.finished(end.completion_tokens)
        content, cut = "".join(texts), end.reason == "length"
        if end.reason == "unfinished" and not circle:
            raise BadReply(f"{server.model} answered without finishing.", "it was not finished")
        if not content.strip() and not cut:
            raise BadReply(f"{server.model} gave an empty answer.", "it was empty")
        return Answer(
            content=content,
            end="circle" if circle else "length" if cut else "stop",
            prompt_tokens=end.prompt_tokens,
            completion_tokens=end.completion_tokens,
        )
