"""A text and a collection's schema -> an Extraction, by a language model behind Ollama.

The text is counted before it is sent and split at sentence ends where it would not fit; an answer that hits the token limit halves
its text and asks again. The questionable decision: relations that span a cut are lost, because overlapping the pieces would pay for
every overlap twice and chunks are cut to fit in the first place.
"""

from __future__ import annotations

from typing import Final

import ollama

from aegis_assets.engines.ollama_chat import OllamaChat, OllamaSettings, Retries, Tally
from aegis_assets.engines.ollama_wire import CutShort, PromptTooLong
from aegis_assets.errors import EngineFailed, Misconfigured
from aegis_assets.model.extraction import Extraction, Schema
from aegis_assets.model.ids import fingerprint
from aegis_assets.pipeline.grounding import ground, merged, shifted
from aegis_assets.pipeline.ports import Slot, free_slot
from aegis_assets.pipeline.prompts import (
    PROMPT_VERSION,
    Reply,
    defused,
    estimate_messages,
    estimate_tokens,
    fenced,
    reminder,
    reply_schema,
    system_prompt,
)
from aegis_assets.pipeline.sentences import halves, pieces
from aegis_assets.settings import Settings

MAX_PIECES: Final = 64  # of one text; a chunk takes one
MAX_HALVINGS: Final = 3
MIN_HALVED: Final = 160  # characters: an answer that overflows on less than a sentence or two is a model that runs on
MIN_ROOM: Final = 256  # tokens for text


class OllamaExtractor:
    """Port Extractor. Holds no connection and no state between calls."""

    lease: tuple[str, int] | None = ("ollama", 1)

    def __init__(self, url: str, settings: OllamaSettings, timeout: float, retries: Retries | None = None) -> None:
        self._chat = OllamaChat(url, settings, timeout, url_setting="AEGIS_OLLAMA_URL", model_setting="AEGIS_OLLAMA_MODEL")
        self._retries = retries or Retries()
        self._others: dict[str, OllamaChat] = {}
        self.name = f"ollama {settings.model}"

    @classmethod
    def from_settings(cls, settings: Settings, retries: Retries | None = None) -> OllamaExtractor:
        options = OllamaSettings(
            model=settings.ollama_model, num_ctx=settings.ollama_num_ctx, num_predict=settings.ollama_num_predict
        )
        return cls(settings.ollama_url, options, settings.ollama_timeout, retries)

    def named(self, schema: Schema) -> str:
        return f"ollama {self._asked(schema).settings.model}"

    def _asked(self, schema: Schema) -> OllamaChat:
        """The collection's model, else that of the settings; with the same options, or a server would load each twice."""
        if schema.model in ("", self._chat.settings.model):
            return self._chat
        if schema.model not in self._others:
            self._others[schema.model] = self._chat.of(schema.model, model_setting="the collection's model")
        return self._others[schema.model]

    def fingerprint(self, schema: Schema) -> str:
        """Of all that decides a result but the weights behind the model's tag, which the server alone knows."""
        return fingerprint(
            engine="ollama",
            version=PROMPT_VERSION,
            settings=sorted(self._asked(schema).settings.model_dump().items()),
            prompt=system_prompt(schema),
            reply=reply_schema(schema),
            entity_types=schema.entity_types,
            relation_types=schema.relation_types,
        )

    async def models(self, seconds: float) -> tuple[str, ...]:
        return await self._chat.models(seconds)

    async def check(self, schema: Schema | None = None) -> None:
        """Raises EngineUnavailable or Misconfigured, in one sentence that says what to do."""
        await self._asked(schema or Schema()).check()

    async def extract(self, text: str, schema: Schema, slot: Slot = free_slot) -> Extraction:
        """Raises EngineUnavailable, EngineFailed or Misconfigured; a text without words costs no request."""
        if not any(character.isalnum() for character in text):
            return Extraction()
        parts = pieces(text, self._room(schema), lambda piece: estimate_tokens(defused(piece)))
        if len(parts) > MAX_PIECES:
            raise EngineFailed(f"The text is {len(parts)} times as long as the model's context allows.", retryable=False)
        tally = Tally()
        found: list[Extraction] = []
        async with self._asked(schema).connected() as client:
            for offset, piece in parts:
                found.append(shifted(await self._piece(client, piece, schema, tally, slot, MAX_HALVINGS), offset))
        return merged(found).model_copy(
            update={
                "calls": tally.calls,
                "prompt_tokens": tally.prompt_tokens,
                "completion_tokens": tally.completion_tokens,
            }
        )

    def _room(self, schema: Schema) -> int:
        """Tokens that a piece of text may have: the context less the answer, the rules, the fence and a reminder."""
        options = self._chat.settings
        taken = options.num_predict + estimate_messages([system_prompt(schema), fenced(""), reminder("x" * 60)])
        room = options.num_ctx - taken
        if room < MIN_ROOM:
            raise Misconfigured(
                f"AEGIS_OLLAMA_NUM_CTX ({options.num_ctx}) leaves {max(0, room)} tokens for text beside the prompt and "
                f"AEGIS_OLLAMA_NUM_PREDICT ({options.num_predict}): set it to {taken + 1024} or more."
            )
        return room

    async def _piece(
        self, client: ollama.AsyncClient, text: str, schema: Schema, tally: Tally, slot: Slot, halvings: int
    ) -> Extraction:
        messages = [
            {"role": "system", "content": system_prompt(schema)},
            {"role": "user", "content": fenced(text)},
        ]
        try:
            reply = await self._asked(schema).insist(client, messages, reply_schema(schema), Reply, self._retries, tally, slot)
        except (CutShort, PromptTooLong):
            if halvings == 0 or len(text) < MIN_HALVED:
                raise
        else:
            return ground(reply, text, schema)
        found = [
            shifted(await self._piece(client, half, schema, tally, slot, halvings - 1), offset) for offset, half in halves(text)
        ]
        return merged(found)
