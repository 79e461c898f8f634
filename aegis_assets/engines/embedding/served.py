"""A model behind an address that turns texts into vectors, as both protocols see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

MAX_INPUTS: Final = 256  # texts of one request, which is what a caller of the engine server may send


@dataclass(frozen=True)
class Served:
    """A model as its server describes it. revision: of its weights. max_tokens: of a text; 0 if the server does not say.

    max_inputs: texts of one request. sparse: it makes sparse weights, and no dense vectors.
    """

    name: str
    revision: str = ""
    max_tokens: int = 0
    max_inputs: int = MAX_INPUTS
    sparse: bool = False


class Api(Protocol):
    """Calls raise AegisError: Overloaded and TextTooLong of `failures` where the caller can do something about it."""

    async def describe(self) -> Served: ...
    async def embed(self, texts: Sequence[str]) -> list[Any]:
        """Return what the server sent for each text, in their order, unchecked."""
        ...

    async def close(self) -> None: ...
