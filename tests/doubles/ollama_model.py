"""The double's state and one chat from arrival to answer: slots, latency, loading, cutting, faults, and a record of all of it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from starlette.responses import HTMLResponse, Response

from tests.doubles.ollama_answers import FAULTS_OF_CONTENT, answer, extraction, faulty, latency, passage, tokens
from tests.doubles.ollama_peers import asked
from tests.doubles.ollama_slots import QueueFull, Slots
from tests.doubles.pacing import Paced

Reply = Callable[[Response], Awaitable[None]]
RECORDED = ("model", "options", "format", "stream", "think", "keep_alive", "truncate", "shift")


@dataclass
class Behaviour:
    """slots: OLLAMA_NUM_PARALLEL. max_queue: OLLAMA_MAX_QUEUE. models: empty takes any name. load_seconds: of a (re)load.

    first_token: the share of a latency that passes before the first token; the others come evenly in the rest.
    """

    slots: int = 4
    max_queue: int = 512
    latency: str = "constant:0"
    vision_latency: str = ""  # of a question with a picture; empty: as any other
    seed: int = 1
    first_token: float = 0.25
    load_seconds: float = 0.0
    context_length: int = 40960
    models: list[str] = field(default_factory=list)
    capabilities: list[str] = field(default_factory=lambda: ["completion", "vision", "thinking"])


@dataclass
class Fault:
    """times: how many requests still to hit, None for all. match: only requests whose text has this in it. seconds: for `slow`.
    retry_after: header of a 429 or 503, '' for none."""

    mode: str
    times: int | None = None
    match: str = ""
    seconds: float = 5.0
    retry_after: str = ""


@dataclass(frozen=True)
class Said:
    """What the model answers, whichever protocol carries it. reason: `stop` or `length`."""

    content: str
    reason: str
    prompt_tokens: int
    spent: int


class Wire(Protocol):
    """How a protocol spells a failure and an answer. stream_type: content type of a streamed one."""

    stream_type: str

    def busy(self, status: int, retry_after: str = "") -> Response: ...
    def crashed(self, status: int) -> Response: ...
    def too_long(self, needed: int, room: int) -> Response: ...
    def whole(self, body: Mapping[str, Any], said: Said) -> Response: ...
    def lines(self, body: Mapping[str, Any], said: Said) -> Sequence[bytes]: ...
    def token(self, body: Mapping[str, Any], text: str) -> bytes: ...
    def stumbled(self, body: Mapping[str, Any]) -> bytes: ...


class Model:
    """The state of the double: behaviour, faults, account and what was asked."""

    def __init__(self, behaviour: Behaviour, wire: Wire) -> None:
        self.behaviour = behaviour
        self.wire = wire
        self.slots = Slots(behaviour.slots, behaviour.max_queue)
        self.faults: list[Fault] = []
        self.counts: Counter[str] = Counter()
        self.faulted: Counter[str] = Counter()
        self.askers: Counter[str] = Counter()
        self.requests: deque[dict[str, Any]] = deque(maxlen=20_000)
        self.loaded: dict[str, int] = {}

    def fault_for(self, text: str) -> Fault | None:
        for fault in self.faults:
            if fault.match in text and fault.times != 0:
                fault.times = None if fault.times is None else fault.times - 1
                self.faulted[fault.mode] += 1
                return fault
        return None

    async def chat(self, body: dict[str, Any], reply: Reply) -> None:
        """One chat, from arrival until `reply` has sent the last token. Cancelled when the client goes."""
        messages = body.get("messages") or [{"role": "user", "content": body.get("prompt", "")}]
        peer = asked(messages)
        text = peer.passage if peer else passage(messages)
        record = {**self._record(body), "messages": messages, "text": text, "arrived": time.monotonic(), "outcome": "in flight"}
        self.counts["received"] += 1
        self.askers[peer.asker if peer else "ours"] += 1
        self.requests.append(record)
        fault = self.fault_for(text)
        if fault and fault.mode.isdigit():
            record["outcome"] = fault.mode
            status = int(fault.mode)
            await reply(self.wire.busy(status, fault.retry_after) if status in (429, 503) else self.wire.crashed(status))
            return
        try:
            async with self.slots.hold():
                record["granted"] = time.monotonic()
                await reply(await self._work(body, messages, text, fault))
            record["outcome"] = "answered"
            self.counts["answered"] += 1
        except QueueFull:
            record["outcome"] = "503"
            self.counts["refused_503"] += 1
            await reply(self.wire.busy(503))
        except asyncio.CancelledError:
            record["outcome"] = "cancelled"
            self.counts["cancelled"] += 1
            raise
        finally:
            record["finished"] = time.monotonic()

    def _record(self, body: dict[str, Any]) -> dict[str, Any]:
        return {**{key: body.get(key) for key in RECORDED}, "body": body.get("body")}

    async def _work(self, body: dict[str, Any], messages: list[dict[str, Any]], text: str, fault: Fault | None) -> Response:
        seen = any(message.get("images") for message in messages)
        distribution = (seen and self.behaviour.vision_latency) or self.behaviour.latency
        began, seconds = time.monotonic(), latency(distribution, self.behaviour.seed, text)
        options, mode = body.get("options") or {}, fault.mode if fault else ""
        began += await self._load(str(body.get("model")), int(options.get("num_ctx") or 4096))
        if fault and mode == "slow":
            began += fault.seconds
        if mode == "never":
            await asyncio.Event().wait()
        prompt_tokens = sum(tokens(str(message.get("content", ""))) for message in messages)
        room = int(options.get("num_ctx") or 4096)
        if mode == "too_long" or (prompt_tokens > room and body.get("truncate") is False):
            return self.wire.too_long(prompt_tokens, room)
        if mode == "cuts_silently":  # as servers did before they knew `truncate`
            prompt_tokens = room + 1
        if prompt_tokens > room:
            self.counts["cut_prompts"] += 1
            text, prompt_tokens = text[-room * 2 :], room
        said = self._answer(body, messages, text, mode, prompt_tokens)
        if body.get("stream", True) is False or mode in ("html", "not_ollama"):
            await asyncio.sleep(max(0.0, began + seconds - time.monotonic()))
            if mode in ("html", "not_ollama"):
                return HTMLResponse("<html><body><h1>Welcome to nginx!</h1></body></html>", 200 if mode == "html" else 404)
            return self.wire.whole(body, said)
        return self._streamed(body, said, mode, began + seconds * self.behaviour.first_token, began + seconds)

    def _answer(self, body: dict[str, Any], messages: list[dict[str, Any]], text: str, mode: str, prompt_tokens: int) -> Said:
        schema = body.get("format") if isinstance(body.get("format"), dict) else {}
        images = [image for message in messages for image in message.get("images") or []]
        peer = asked(messages)
        content = peer.say(extraction(peer.text, {})) if peer else answer(text, schema or {}, images)
        if mode in FAULTS_OF_CONTENT:
            content = faulty(mode, text, schema or {}, content)
        limit = int((body.get("options") or {}).get("num_predict") or -1)
        reason, spent = "stop", tokens(content)
        if mode == "length" or (0 < limit < spent and mode != "huge"):
            reason, spent = "length", max(limit, 1)
            content = content[: len(content) // 2]
        return Said(content, reason, prompt_tokens, spent)

    def _streamed(self, body: dict[str, Any], said: Said, mode: str, first: float, last: float) -> Paced:
        """The answer at the model's pace; or a stream that goes wrong after its first tokens, or before."""
        lines = self.wire.lines(body, said)
        paced = partial(Paced, first=first, last=last, media_type=self.wire.stream_type)
        if mode == "dribble":
            return paced([], then=b" ")
        if mode == "endless":
            return paced(lines[:1], then=self.wire.token(body, "la "))
        if mode == "stalls":
            return paced([self.wire.token(body, "{")], then=b"")
        if mode == "close":
            return paced([self.wire.token(body, "{"), lines[0][: len(lines[0]) // 2]], torn=True)
        if mode == "error_line":
            return paced([*lines[:1], self.wire.stumbled(body)])
        if mode == "unfinished":
            return paced(lines[:1])
        return paced(lines)

    async def _load(self, model: str, num_ctx: int) -> float:
        if self.loaded.get(model) == num_ctx:
            return 0.0
        self.loaded[model] = num_ctx
        self.counts["loads"] += 1
        return self.behaviour.load_seconds

    def stats(self) -> dict[str, Any]:
        names = ("received", "answered", "cancelled", "refused_503", "loads", "cut_prompts")
        counts = {name: self.counts[name] for name in names}
        return {**counts, "askers": dict(self.askers), "faulted": dict(self.faulted), **self.slots.account()}

    def restart(self) -> None:
        self.faults, self.loaded = [], {}
        self.counts.clear()
        self.faulted.clear()
        self.askers.clear()
        self.requests.clear()
        self.slots.restart()
