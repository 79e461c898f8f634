"""The double's state and one chat from arrival to answer: slots, latency, loading, cutting, faults, and a record of all of it."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import Receive, Scope, Send

from tests.doubles.ollama_answers import FAULTS_OF_CONTENT, answer, extraction, faulty, latency, passage, tokens
from tests.doubles.ollama_peers import asked
from tests.doubles.ollama_slots import QueueFull, Slots

TOO_LONG = "the input length exceeds the context length"
BUSY = "server busy, please try again.  maximum pending requests exceeded"


@dataclass
class Behaviour:
    """slots: OLLAMA_NUM_PARALLEL. max_queue: OLLAMA_MAX_QUEUE. models: empty takes any name. load_seconds: of a (re)load."""

    slots: int = 4
    max_queue: int = 512
    latency: str = "constant:0"
    vision_latency: str = ""  # of a question with a picture; empty: as any other
    seed: int = 1
    load_seconds: float = 0.0
    context_length: int = 40960
    models: list[str] = field(default_factory=list)
    capabilities: list[str] = field(default_factory=lambda: ["completion", "vision", "thinking"])


@dataclass
class Fault:
    """times: how many requests still to hit, None for all. match: only requests whose text has this in it. seconds: for `slow`."""

    mode: str
    times: int | None = None
    match: str = ""
    seconds: float = 5.0


class _Broken(Response):
    """Half an answer, then the connection goes; or, endless, blanks for ever."""

    def __init__(self, *, endless: bool) -> None:
        super().__init__(media_type="application/json")
        self.endless = endless

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        length = [] if self.endless else [(b"content-length", b"4096")]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json"), *length]})
        while True:
            await send({"type": "http.response.body", "body": b'{"model": "x", ' if not self.endless else b" ", "more_body": True})
            if not self.endless:
                raise ConnectionAbortedError
            await asyncio.sleep(0.02)


class Model:
    """The state of the double: behaviour, faults, account and what was asked."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
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

    async def chat(self, body: dict[str, Any]) -> Response:
        """One chat, from arrival to the answer. Cancelled when the client goes."""
        messages = body.get("messages") or [{"role": "user", "content": body.get("prompt", "")}]
        peer = asked(messages)
        text = peer.passage if peer else passage(messages)
        record = {
            **{key: body.get(key) for key in ("model", "options", "format", "stream", "think", "keep_alive", "truncate", "shift")},
            "messages": messages,
            "text": text,
            "arrived": time.monotonic(),
            "outcome": "in flight",
        }
        self.counts["received"] += 1
        self.askers[peer.asker if peer else "ours"] += 1
        self.requests.append(record)
        fault = self.fault_for(text)
        mode = fault.mode if fault else ""
        if mode.isdigit():
            record["outcome"] = mode
            return error({"503": BUSY, "429": "rate limited"}.get(mode, "llama runner process has terminated"), int(mode))
        try:
            async with self.slots.hold():
                record["granted"] = time.monotonic()
                response = await self._work(body, messages, text, fault)
            record["outcome"] = "answered"
            self.counts["answered"] += 1
        except QueueFull:
            record["outcome"] = "503"
            self.counts["refused_503"] += 1
            return error(BUSY, 503)
        except asyncio.CancelledError:
            record["outcome"] = "cancelled"
            self.counts["cancelled"] += 1
            raise
        finally:
            record["finished"] = time.monotonic()
        return response

    async def _work(self, body: dict[str, Any], messages: list[dict[str, Any]], text: str, fault: Fault | None) -> Response:
        seen = any(message.get("images") for message in messages)
        distribution = (seen and self.behaviour.vision_latency) or self.behaviour.latency
        due = time.monotonic() + latency(distribution, self.behaviour.seed, text)
        options, mode = body.get("options") or {}, fault.mode if fault else ""
        due += await self._load(str(body.get("model")), int(options.get("num_ctx") or 4096))
        if fault and mode == "slow":
            due += fault.seconds
        if mode == "never":
            await asyncio.Event().wait()
        prompt_tokens = sum(tokens(str(message.get("content", ""))) for message in messages)
        room = int(options.get("num_ctx") or 4096)
        if mode == "too_long" or (prompt_tokens > room and body.get("truncate") is False):
            return error(TOO_LONG, 400)
        if mode == "cuts_silently":  # as servers did before they knew `truncate`
            prompt_tokens = room + 1
        if prompt_tokens > room:
            self.counts["cut_prompts"] += 1
            text, prompt_tokens = text[-room * 2 :], room
        schema = body.get("format") if isinstance(body.get("format"), dict) else {}
        images = [image for message in messages for image in message.get("images") or []]
        peer = asked(messages)
        content = peer.say(extraction(peer.text, {})) if peer else answer(text, schema or {}, images)
        if mode in FAULTS_OF_CONTENT:
            content = faulty(mode, text, schema or {}, content)
        limit = int(options.get("num_predict") or -1)
        reason, spent = "stop", tokens(content)
        if mode == "length" or (0 < limit < spent and mode != "huge"):
            reason, spent = "length", max(limit, 1)
            content = content[: len(content) // 2]
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        if mode in ("close", "dribble"):
            return _Broken(endless=mode == "dribble")
        if mode in ("html", "not_ollama"):
            return HTMLResponse("<html><body><h1>Welcome to nginx!</h1></body></html>", 200 if mode == "html" else 404)
        return _reply(body, content, reason, prompt_tokens, spent)

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


def error(message: str, status: int) -> JSONResponse:
    return JSONResponse({"error": message}, status)


def now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def _reply(body: dict[str, Any], content: str, reason: str, prompt_tokens: int, spent: int) -> Response:
    """One object, or, streamed as is Ollama's default, one line per part and a last one with the counts."""
    chat = "messages" in body

    def part(text: str, *, done: bool) -> dict[str, Any]:
        said = {"message": {"role": "assistant", "content": text}} if chat else {"response": text}
        return {"model": body.get("model"), "created_at": now(), **said, "done": done}

    end = {
        "done_reason": reason,
        "total_duration": 1_000_000,
        "load_duration": 0,
        "prompt_eval_count": prompt_tokens,
        "prompt_eval_duration": 500_000,
        "eval_count": spent,
        "eval_duration": 500_000,
    }
    if body.get("stream", True) is False:
        return JSONResponse({**part(content, done=True), **end})
    lines = [part(content[start : start + 40], done=False) for start in range(0, len(content), 40)]
    lines.append({**part("", done=True), **end})
    return Response("".join(json.dumps(line) + "\n" for line in lines), media_type="application/x-ndjson")
