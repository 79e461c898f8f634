"""What a reader expects of a file's chunks, by the rules of `expected.json`, and which of it does not hold."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Rules = Mapping[str, Any]


@dataclass(frozen=True)
class Chunk:
    text: str
    pages: tuple[int, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """chunks: in order of window and place. messages: of documents, failures and notices. documents: how many came out."""

    chunks: Sequence[Chunk]
    messages: Sequence[str]
    documents: int
    exit_code: int


def broken(rules: Rules, outcome: Outcome) -> list[str]:
    """Return a reason for each rule that does not hold, [] if the case is right."""
    accepted = rules.get("fail_ok")
    if accepted and any(re.search(accepted, message) for message in outcome.messages):
        return []
    if not outcome.chunks and not rules.get("must_contain") and accepted:
        return ["there is no chunk, and no message says so"]
    reasons = [*_in_text(rules, outcome.chunks), *_in_chunks(rules, outcome.chunks)]
    if rules.get("documents", outcome.documents) != outcome.documents:
        reasons.append(f"{outcome.documents} documents instead of {rules['documents']}")
    if rules.get("exit", outcome.exit_code) != outcome.exit_code:
        reasons.append(f"exit code {outcome.exit_code} instead of {rules['exit']}")
    return reasons


def plain(text: str) -> str:
    """Runs of white space count as one space."""
    return " ".join(text.split())


def _in_text(rules: Rules, chunks: Sequence[Chunk]) -> Iterator[str]:
    text = plain(" ".join(chunk.text for chunk in chunks))
    yield from (f"missing: {words}" for words in rules.get("must_contain", ()) if plain(words) not in text)
    yield from (f"not wanted: {words}" for words in rules.get("must_not_contain", ()) if plain(words) in text)
    yield from (f"{text.count(plain(words))} times: {words}" for words in rules.get("once", ()) if text.count(plain(words)) != 1)
    last = -1
    for words in rules.get("order", ()):
        at = text.find(plain(words))
        if at < 0:
            yield f"missing: {words}"
        elif at < last:
            yield f"too early: {words}"
        last = max(last, at)


def _in_chunks(rules: Rules, chunks: Sequence[Chunk]) -> Iterator[str]:
    texts = [plain(chunk.text) for chunk in chunks]
    lines = [plain(line) for chunk in chunks for line in chunk.text.split("\n")]
    for key, parts in (("together", texts), ("lines", lines)):
        for group in rules.get(key, ()):
            if not any(all(plain(words) in part for words in group) for part in parts):
                yield f"not {key}: {', '.join(group)}"
    yield from (f"not as written: {words!r}" for words in rules.get("raw", ()) if not any(words in chunk.text for chunk in chunks))
    for words, page in rules.get("pages", {}).items():
        first = next((chunk for chunk, text in zip(chunks, texts, strict=True) if plain(words) in text), None)
        if first is None or page not in first.pages:
            yield f"not on page {page}: {words}"
