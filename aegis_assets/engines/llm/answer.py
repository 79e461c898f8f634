"""Join what a language model streams to its answer, and validate the answer as what was asked for."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from aegis_assets.engines.llm.client import Connection, Message, Piece, Schema
from aegis_assets.engines.llm.faults import MAX_ANSWER_CHARACTERS, BadReply, Server, too_large
from aegis_assets.engines.llm.patience import Watch

M = TypeVar("M", bound=BaseModel)

_FENCED: Final = re.compile(r"\A\s*```(?:json)?\s*\n(.*?)```\s*\Z", re.DOTALL)
_THOUGHT_END: Final = "</think>"


class Answer(BaseModel):
    """content: the model's text. end: `length` for an answer that filled its tokens, `circle` for one that repeated itself and was
    ended by us. Tokens as the server counted them, 0 where it did not say."""

    model_config = ConfigDict(frozen=True)
    content: str
    end: Literal["stop", "length", "circle"]
    prompt_tokens: int
    completion_tokens: int


Guard = Callable[[str], bool]  # takes an answer piece by piece, and says when it runs in a circle


def no_guard(piece: str) -> bool:
    return False


async def read(
    connection: Connection, messages: Sequence[Message], schema: Schema, watch: Watch, server: Server, guard: Guard
) -> tuple[list[str], Piece, bool]:
    """Return the answer's texts, its end, and whether it was ended because it ran in a circle."""
    texts: list[str] = []
    size = tokens = 0
    end = Piece(reason="unfinished")
    circle = False
    async with aclosing(connection.stream(messages, schema)) as pieces:
        async for piece in pieces:
            if piece.reason:
                end = piece
            if piece.text or piece.thought:
                tokens += 1
                watch.token()
            if piece.text:
                texts.append(piece.text)
                size += len(piece.text)
            if size > MAX_ANSWER_CHARACTERS:
                raise too_large(server)
            if piece.text and guard(piece.text) and not piece.reason:
                circle = True
                break
    return texts, end if end.completion_tokens else _counted(end, tokens), circle


def _counted(end: Piece, tokens: int) -> Piece:
    """Return the end with the tokens that were counted here, for a server that does not say how many there were."""
    return Piece(reason=end.reason, prompt_tokens=end.prompt_tokens, completion_tokens=tokens)


def parsed(answer: Answer, kind: type[M], model: str) -> M:
    """Return the answer as `kind`. Forgive thinking and a code fence around the JSON: `think: false` can switch off `format`."""
    content = answer.content
    if not content.lstrip().startswith("{"):
        content = content.rpartition(_THOUGHT_END)[2]
    if match := _FENCED.match(content):
        content = match.group(1)
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        if first["type"] == "json_invalid":
            looks = "HTML" if content.lstrip().startswith("<") else "not JSON"
            raise BadReply(f"{model} gave an answer that is {looks}.", "it was not JSON") from error
        # What the model made up is not told back to it: its words may be the document's.
        where = next((name for name in kind.model_fields if name in first["loc"][:1]), "a key that was not asked for")
        raise BadReply(f"{model} gave JSON of another shape than asked for.", f"{where} does not fit") from error
