"""A name and sentences -> what the thing is in a sentence or two, by a language model behind any server."""

from __future__ import annotations

from collections.abc import Sequence

from aegis_assets.engines.llm.client import Message
from aegis_assets.engines.llm.conversation import Conversation, Tally
from aegis_assets.model.extraction import Schema
from aegis_assets.pipeline.describing import answer_schema, question, rules, usable
from aegis_assets.pipeline.ports import Slot, free_slot
from aegis_assets.pipeline.prompts import Description


class LanguageModelDescriber:
    """Port Describer. Holds no connection and no state between calls."""

    lease: tuple[str, int] | None = ("ollama", 1)

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation

    async def describe(self, name: str, sentences: Sequence[str], schema: Schema, slot: Slot = free_slot) -> str:
        """Return the description, '' where the model gave none that may be shown. Raise as LanguageModelExtractor.extract."""
        conversation = self._conversation
        if schema.model not in ("", conversation.client.server.model):
            conversation = conversation.of(schema.model, "the collection's model")
        messages = [Message("system", rules()), Message("user", question(name, sentences))]
        async with conversation.client.connected() as connection:
            reply = await conversation.insist(connection, messages, answer_schema(), Description, Tally(), slot)
        return usable(reply.description)
