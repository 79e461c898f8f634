"""What one server understands of OpenAI's protocol, learnt from what it refuses, and remembered for the process."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from aegis_assets.engines.llm.client import Message, Schema

CONTEXT_SECONDS: Final = 600.0  # after which the server is asked again how long its context is: it may have been started anew
SCHEMA_WORDS: Final = ("response_format", "json_schema", "schema", "grammar", "guided", "structured")
OPTIONAL: Final = ("temperature", "seed", "stream_options")
BY_SCHEMA: Final = "\n\nThe JSON object follows this JSON schema:\n"


class Dialect:
    """schema: the server constrains an answer by `response_format`. dropped: parameters that it refuses. max_tokens: what it calls
    the limit of an answer. proven: it has answered in this dialect."""

    def __init__(self) -> None:
        self.schema = True
        self.max_tokens = "max_tokens"
        self.dropped: set[str] = set()
        self.proven = False
        self._context = 0
        self._context_at = float("-inf")

    @property
    def context(self) -> int:
        """The server's context as it said, however long ago; 0 before it was asked."""
        return self._context

    @property
    def context_is_fresh(self) -> bool:
        return time.monotonic() - self._context_at < CONTEXT_SECONDS

    def learn_context(self, tokens: int) -> None:
        self._context, self._context_at = tokens, time.monotonic()

    def learn(self, words: str) -> bool:
        """Change how the server is asked by what it said of a request that it refused (HTTP 400). Return whether to ask again."""
        words = words.lower()
        if "max_completion_tokens" in words and self.max_tokens == "max_tokens":
            self.max_tokens = "max_completion_tokens"
            return True
        for name in OPTIONAL:
            if name in words and name not in self.dropped:
                self.dropped.add(name)
                return True
        if self.schema and any(word in words for word in SCHEMA_WORDS):
            self.schema = False
            return True
        return False

    def spelled(self, messages: Sequence[Message], schema: Schema) -> list[Message]:
        """Return the messages with the schema in the first, where the server would not know it otherwise."""
        if self.schema:
            return list(messages)
        first, *others = messages
        return [Message(first.role, first.text + BY_SCHEMA + json.dumps(schema), first.images), *others]

    def shaped(self, schema: Schema) -> dict[str, Any]:
        if not self.schema:
            return {}
        return {
            "response_format": {"type": "json_schema", "json_schema": {"name": "reply", "schema": dict(schema), "strict": True}}
        }


@lru_cache(maxsize=256)
def dialect(url: str, model: str) -> Dialect:
    """Return what this process knows of the server; the same object each time."""
    return Dialect()
