"""What a conversation needs from the client of a language-model server, whichever protocol it speaks."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

from aegis_assets.engines.llm.faults import Server

Think = Literal["auto", "off", "on", "low", "medium", "high"]
Schema = Mapping[str, object]


@dataclass(frozen=True)
class Message:
    """images: PNG files that belong to the text."""

    role: Literal["system", "user", "assistant"]
    text: str
    images: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Piece:
    """What came with one token or, with `reason` set, with the end of the answer. Tokens as the server counted them, 0 where it did
    not say. thought: the model is reasoning, which counts as progress and is not part of the answer."""

    text: str = ""
    thought: bool = False
    reason: Literal["", "stop", "length", "unfinished"] = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0


class Connection(Protocol):
    """One connection to the server, for the requests about one text or picture."""

    def stream(self, messages: Sequence[Message], schema: Schema) -> AsyncGenerator[Piece, None]:
        """Ask for JSON by this schema. Raise AegisErrors only; closing the generator, or cancelling it, closes the connection, and
        the server stops."""
        ...

    def spelled(self, messages: Sequence[Message], schema: Schema) -> Sequence[Message]:
        """Return the messages as they are sent: with the schema in words where the server takes no other."""
        ...

    async def context(self) -> int:
        """Return how many tokens prompt and answer may have together."""
        ...


class Client(Protocol):
    """A model behind a server. Holds no connection; safe to share between tasks and event loops.

    engine: names the protocol in fingerprints and to people. answer_tokens: the most that one answer may have.
    """

    engine: str

    @property
    def server(self) -> Server: ...

    @property
    def answer_tokens(self) -> int: ...

    def of(self, model: str, model_setting: str) -> Client:
        """Return a client of the same server and options for another model."""
        ...

    def decisive(self) -> Mapping[str, object]:
        """Return the options that decide an answer: what enters the fingerprint."""
        ...

    def connected(self) -> AbstractAsyncContextManager[Connection]: ...

    async def models(self, seconds: float) -> tuple[str, ...]:
        """Return the names of the server's models. Raise AegisErrors only."""
        ...

    async def check(self, capability: str = "completion") -> None:
        """Raise an AegisError unless the server answers and has the model, and the model can do this."""
        ...
