"""Text into token counts and into pieces of at most n tokens, by the embedder's own tokenizer.

The Rust tokenizer is used without transformers around it: it loads in milliseconds and gives the character offsets that cutting
needs. The questionable decision: 16 characters count as one token at least, because a tokenizer takes any word of over 100
letters for one unknown token, and a chunk of ten million letters would else be "one token" long.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from aegis_assets.errors import Misconfigured

_CHARACTERS: Final = 16
# Where a cut reads best, best first, each with how far back of the limit it may lie, as a share of the piece.
_BREAKS: Final = (("\n\n", 0.5), ("\n", 0.5), (". ", 0.4), ("? ", 0.4), ("! ", 0.4), ("。", 0.4), ("; ", 0.3), (" ", 0.3))


@lru_cache(maxsize=2)
def loaded(directory: Path) -> Any:
    """The tokenizer of a directory with tokenizer.json. Takes 40 ms, so the sandbox's template does it for its children."""
    from tokenizers import Tokenizer

    file = directory / "tokenizer.json"
    if not file.is_file():
        raise Misconfigured(f"The embedder's directory has no tokenizer.json, which cutting chunks needs: {directory.name}.")
    tokenizer: Any = Tokenizer.from_file(str(file))
    tokenizer.no_truncation()  # the MiniLM file asks for a cut at 128
    tokenizer.no_padding()
    return tokenizer


class Tokens:
    """max_tokens: what a text may have, without the tokens that the model adds around it."""

    def __init__(self, directory: Path, max_tokens: int) -> None:
        self._tokenizer = loaded(directory)
        self._known: dict[str, int] = {}  # headings stand above many pieces, and the chunker asks for each piece several times
        self.max_tokens = max_tokens - self._tokenizer.num_special_tokens_to_add(False)
        if self.max_tokens < 8:
            raise Misconfigured(f"Chunks of {max_tokens} tokens are too small to hold text. Raise the embedder's limit.")

    def count(self, text: str) -> int:
        known = self._known.get(text)
        if known is None:
            known = max(len(self._tokenizer.encode(text, add_special_tokens=False).ids), len(text) // _CHARACTERS)
            self._known[text] = known
        return known

    def counts(self, texts: Sequence[str]) -> list[int]:
        return [self.count(text) for text in texts]

    def split(self, text: str, limit: int) -> list[str]:
        """Pieces of at most `limit` tokens that joined give the text, to the character. Encodes the whole once: linear."""
        starts = [start for start, _ in self._tokenizer.encode(text, add_special_tokens=False).offsets]
        pieces: list[str] = []
        at = 0
        while at < len(text):
            index = bisect.bisect_left(starts, at) + limit
            end = min(len(text), starts[index] if index < len(starts) else len(text), at + limit * _CHARACTERS)
            end = self._fitting(text, at, max(end, at + 1), limit)
            pieces.append(text[at:end])
            at = end
        return pieces

    def _fitting(self, text: str, at: int, end: int, limit: int) -> int:
        """An end at a good break, not after `end`; earlier where the piece alone has more tokens than it has within the text."""
        best = _break(text, at, end) if end < len(text) else end
        while best - at > 1 and (over := self.count(text[at:best]) - limit) > 0:
            shorter = at + max(1, (best - at) * limit // (limit + over) - 1)
            best = _break(text, at, min(shorter, best - 1))
        return best


def _break(text: str, at: int, end: int) -> int:
    for mark, share in _BREAKS:
        found = text.rfind(mark, end - int((end - at) * share), end)
        if found > at:
            return found + len(mark)
    return end
