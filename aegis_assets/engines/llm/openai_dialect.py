"""What one server understands of OpenAI's protocol, learnt from what it refuses, and remembered for the process."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from aegis_assets.engines.llm.client import Message, Schema

CONTEXT_SECONDS: Final = 600.0  # after which the server is asked again how long its context is: it may have been started anew
SCHEMA_WORDS: Final = ("response_format", "json_schema", "schema", "grammar", "guided", "structured")
OPTIONAL: Final = ("temperature", "seed", "stream_options")
BOUNDS: Final = ("minItems", "maxItems", "minimum", "maximum")
BY_SCHEMA: Final = "\n\nThe JSON object follows this JSON schema:\n"


class Dialect:
    """dropped: parameters that the server refuses. max_tokens: what it calls the limit of an answer.

    Whether it constrains an answer by a schema is remembered for each schema: llama.cpp refuses some that its grammar cannot
    express, and takes the others.
    """

    def __init__(self) -> None:
        self.max_tokens = "max_tokens"
        self.dropped: set[str] = set()
        self._told: set[str] = set()  # the schemas that are asked for in the prompt
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

    def learn(self, words: str, schema: Schema) -> bool:
        """Change how the server is asked by what it said of a request that it refused (HTTP 400). Return whether to ask again."""
        words = words.lower()
        if "max_completion_tokens" in words and self.max_tokens == "max_tokens":
            self.max_tokens = "max_completion_tokens"
            return True
        for name in OPTIONAL:
            if name in words and name not in self.dropped:
                self.dropped.add(name)
                return True
        if self.constrains(schema) and any(word in words for word in SCHEMA_WORDS):
            self.tell(schema)
            return True
        return False

    def constrains(self, schema: Schema) -> bool:
        return _unbounded(schema) not in self._told

    def tell(self, schema: Schema) -> None:
        """Ask for this schema in the prompt from now on."""
        self._told.add(_unbounded(schema))

    def untell(self, schema: Schema) -> None:
        self._told.discard(_unbounded(schema))

    def spelled(self, messages: Sequence[Message], schema: Schema) -> list[Message]:
        """Return the messages with the schema in the first, where the server would not know it otherwise."""
        if self.constrains(schema):
            return list(messages)
        first, *others = messages
        return [Message(first.role, first.text + BY_SCHEMA + _unbounded(schema), first.images), *others]

    def shaped(self, schema: Schema) -> dict[str, Any]:
        if not self.constrains(schema):
            return {}
        return {
            "response_format": {"type": "json_schema", "json_schema": {"name": "reply", "schema": dict(schema), "strict": True}}
        }


def _unbounded(schema: Schema) -> str:
    """Return the schema as JSON without the bounds that differ from text to text: what a server said of one holds for the others,
    and a prompt that tells it begins alike for all of them."""

    def bare(value: object) -> object:
        if isinstance(value, Mapping):
            return {name: bare(part) for name, part in value.items() if name not in BOUNDS}
        return [bare(part) for part in value] if isinstance(value, list) else value

    return json.dumps(bare(schema))


@lru_cache(maxsize=256)
def dialect(url: str, model: str) -> Dialect:
    """Return what this process knows of the server; the same object each time."""
    return Dialect()
