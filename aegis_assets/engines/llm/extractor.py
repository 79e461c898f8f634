"""A text and a collection's schema -> an Extraction, by a language model behind any server.

The text is counted before it is sent and split at sentence ends where it would not fit; an answer that hits the token limit halves
its text and asks again, and what it had given until then counts. Trade-off: relations that span a cut are lost, because overlapping
the pieces would pay for every overlap twice and chunks are cut to fit in the first place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from aegis_assets.engines.llm.client import Connection, Message
from aegis_assets.engines.llm.conversation import Conversation, Tally
from aegis_assets.engines.llm.faults import CutShort, PromptTooLong, RanInCircle
from aegis_assets.errors import EngineFailed, Misconfigured
from aegis_assets.model.extraction import Extraction, Schema
from aegis_assets.model.ids import fingerprint
from aegis_assets.pipeline import earlier_prompt
from aegis_assets.pipeline.extraction_prompt import GLEANING, PROMPT_VERSION, example, question, reply_schema, system_prompt
from aegis_assets.pipeline.merging import merged, shifted
from aegis_assets.pipeline.passage import lines
from aegis_assets.pipeline.ports import Slot, free_slot
from aegis_assets.pipeline.prompts import defused, estimate_messages, estimate_tokens, reminder
from aegis_assets.pipeline.reply import RepetitionGuard, Reply, complete_tuples
from aegis_assets.pipeline.reply_grounding import ground
from aegis_assets.pipeline.sentences import Span, halves, pieces

MAX_PIECES: Final = 64  # of one text; a chunk takes one
MAX_HALVINGS: Final = 3
MIN_HALVED: Final = 160  # characters: an answer that overflows on less than a sentence or two is a model that runs on
MIN_ROOM: Final = 256  # tokens for text
TOKENS_PER_NUMBER: Final = 7


class LanguageModelExtractor:
    """Port Extractor. Holds no connection and no state between calls."""

    lease: tuple[str, int] | None = ("ollama", 1)
    takes_pairs = True

    def __init__(self, conversation: Conversation, gleanings: int = 0) -> None:
        """Take the model's conversation. gleanings: how often the model is asked for what it left out of an answer."""
        self._conversation = conversation
        self._gleanings = gleanings
        self._others: dict[str, Conversation] = {}
        self.name = _name(conversation)

    def named(self, schema: Schema) -> str:
        return _name(self._asked(schema))

    def _asked(self, schema: Schema) -> Conversation:
        """Return the collection's model, else that of the settings; with the same options, or a server would load each twice."""
        if schema.model in ("", self._conversation.client.server.model):
            return self._conversation
        if schema.model not in self._others:
            self._others[schema.model] = self._conversation.of(schema.model, "the collection's model")
        return self._others[schema.model]

    def fingerprint(self, schema: Schema) -> str:
        """Return the hash of all that decides a result but the weights behind the model's name, which the server alone knows."""
        prompt = (system_prompt(schema), example(schema), *([GLEANING] * self._gleanings), *(["pairs"] if schema.pairs else []))
        return self._fingerprint(schema, PROMPT_VERSION, prompt, reply_schema(schema, 0, 1))

    def earlier(self, schema: Schema) -> tuple[str, ...]:
        """Return the fingerprints that this schema had in earlier releases: what was extracted then stays valid."""
        prompt, reply = earlier_prompt.system_prompt(schema), earlier_prompt.reply_schema(schema)
        return (self._fingerprint(schema, earlier_prompt.VERSION, prompt, reply),)

    def _fingerprint(self, schema: Schema, version: int, prompt: object, reply: object) -> str:
        client = self._asked(schema).client
        return fingerprint(
            engine=client.engine,
            version=version,
            settings=sorted(client.decisive().items()),
            prompt=prompt,
            reply=reply,
            entity_types=schema.entity_types,
            relation_types=schema.relation_types,
        )

    async def models(self, seconds: float) -> tuple[str, ...]:
        return await self._conversation.client.models(seconds)

    async def check(self, schema: Schema | None = None) -> None:
        """Raise EngineUnavailable, LimitExceeded or Misconfigured, in one sentence that says what to do."""
        await self._asked(schema or Schema()).check()

    async def extract(self, text: str, schema: Schema, slot: Slot = free_slot) -> Extraction:
        """Raise EngineUnavailable, EngineFailed, LimitExceeded or Misconfigured; a text without words costs no request."""
        if not any(character.isalnum() for character in text):
            return Extraction()
        conversation = self._asked(schema)
        async with conversation.client.connected() as connection:
            requests = _Requests(conversation, connection, schema, slot, self._gleanings)
            extraction = await requests.about(text)
        tally = requests.tally
        counts = {"calls": tally.calls, "prompt_tokens": tally.prompt_tokens, "completion_tokens": tally.completion_tokens}
        return extraction.model_copy(update=counts)


class _Requests:
    """The requests about one text: mostly one, more where the text is split, halved or asked about again."""

    def __init__(self, conversation: Conversation, connection: Connection, schema: Schema, slot: Slot, gleanings: int) -> None:
        self._gleanings = gleanings
        self._conversation = conversation
        self._connection = connection
        self._schema = schema
        self._slot = slot
        self.tally = Tally()

    async def about(self, text: str) -> Extraction:
        room = self._room(await self._conversation.context(self._connection, self.tally))
        parts = pieces(text, room, _cost)
        if len(parts) > MAX_PIECES:
            raise EngineFailed(f"The text is {len(parts)} times as long as the model's context allows.", retryable=False)
        return merged([shifted(await self._ask(piece, MAX_HALVINGS), offset) for offset, piece in parts])

    def _room(self, context: int) -> int:
        """Return the tokens that a piece of text may have: the context less the answer, the rules, the fence and a reminder; and
        not more than an answer may have, which is about as long as its text."""
        client = self._conversation.client
        empty = [*self._messages("", []), Message("user", reminder("x" * 60))]
        sent = self._connection.spelled(empty, reply_schema(self._schema, 0, 1))
        taken = client.answer_tokens + estimate_messages([message.text for message in sent])
        room = context - taken
        if room < MIN_ROOM:
            raise Misconfigured(
                f"The context of {client.server.model} ({context} tokens, {client.server.context_setting}) leaves {max(0, room)}"
                f" tokens for text beside the prompt and {client.server.answer_setting} ({client.answer_tokens}): make it"
                f" {taken + 1024} or more."
            )
        return min(room, max(MIN_ROOM, client.answer_tokens))

    def _messages(self, text: str, spans: Sequence[Span]) -> list[Message]:
        """Return what is asked. All but the last are the same for every text of a collection: servers keep them as a cached prefix.

        spans: of the text's lines.
        """
        shown = example(self._schema)
        exchange = [Message("user", shown[0]), Message("assistant", shown[1])] if shown else []
        return [Message("system", system_prompt(self._schema)), *exchange, Message("user", question(text, spans))]

    async def _ask(self, text: str, halvings: int) -> Extraction:
        began = Extraction()
        small = halvings == 0 or len(text) < MIN_HALVED
        try:
            return ground(await self._reply(text), text, self._schema)
        except CutShort as cut:
            began = ground(complete_tuples(cut.content), text, self._schema)
            if small and not began.mentions:
                raise
            if began.mentions and (small or isinstance(cut, RanInCircle)):
                return began
        except PromptTooLong:
            if small:
                raise
        left = 0 if began.mentions else halvings - 1  # a model that always runs on would be asked fifteen times
        again = [shifted(await self._ask(half, left), offset) for offset, half in halves(text)]
        return merged([began, *again])

    async def _reply(self, text: str) -> Reply:
        spans = lines(text)
        shape = reply_schema(self._schema, estimate_tokens(text), len(spans))
        messages = self._messages(text, spans)
        reply = await self._insist(messages, shape)
        for _ in range(self._gleanings):
            messages = [*messages, Message("assistant", reply.in_tuples()), Message("user", GLEANING)]
            try:
                more = await self._insist(messages, shape)
            except CutShort as cut:
                more = complete_tuples(cut.content)
            except PromptTooLong:
                break
            reply = reply.with_more(more)
        return reply

    async def _insist(self, messages: Sequence[Message], shape: Mapping[str, object]) -> Reply:
        connection, slot = self._connection, self._slot
        return await self._conversation.insist(connection, messages, shape, Reply, self.tally, slot, guard=RepetitionGuard)


def _cost(text: str) -> int:
    """Return the tokens of a text as it is sent: each line behind its number, in its brackets, on a line of its own."""
    return estimate_tokens(defused(text)) + TOKENS_PER_NUMBER * max(1, len(lines(text)))


def _name(conversation: Conversation) -> str:
    return f"{conversation.client.engine} {conversation.client.server.model}"
