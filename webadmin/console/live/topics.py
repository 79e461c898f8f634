"""What is told of a document, to whom, and how it is read.

A topic is a document as lists show it, or in detail, which is design's progress contract. An event always holds the whole, never a
difference, so nothing is lost with an event that did not arrive.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.conf import settings
from django.utils import translation

from aegis_assets.errors import NotFound
from aegis_assets.model.document import AT_REST, State
from aegis_assets.model.progress import Standing
from webadmin.console import sentences
from webadmin.console.live.admission import Pass
from webadmin.documents import platform

# A row bears the time at which its transaction began, and is seen when that ends: what is older than the last event by less than
# this is told again after a reconnection. A statement of the ledger ends within two minutes.
SLACK_MS: Final = 300_000
ENGLISH: Final = "en"


class Key(NamedTuple):
    document: UUID
    detail: bool


class Frame(NamedTuple):
    """at: milliseconds at which the document's row was last written; the id of the event, by which a viewer resumes. texts: by
    language. moves: the document is not at rest."""

    key: Key
    at: int
    texts: Mapping[str, bytes]
    moves: bool


class Viewer:
    """One open connection. since: the id of the last event that it got before it was cut off, 0 otherwise."""

    def __init__(self, keys: Iterable[Key], admission: Pass, since: int = 0, language: str = ENGLISH) -> None:
        self.keys, self.admission, self._language = frozenset(keys), admission, language
        self.trusted = time.monotonic()
        self._since = self._newest = since
        self._met: set[Key] = set()
        self._pending: dict[Key, Frame] = {}
        self._wake = asyncio.Event()
        self._ended = False

    def offer(self, frame: Frame) -> None:
        known = not frame.key.detail and frame.key not in self._met and 0 < frame.at < self._since - SLACK_MS
        self._met.add(frame.key)
        if not known:
            self._pending[frame.key] = frame
            self._wake.set()

    def met(self, key: Key) -> bool:
        return key in self._met

    def end(self) -> None:
        self._ended = True
        self._wake.set()

    async def events(self, seconds: float) -> bytes | None:
        """What came since the last call, or b'' if nothing comes for so long. None: this viewer may watch no longer."""
        try:
            await asyncio.wait_for(self._wake.wait(), seconds)
        except TimeoutError:
            return b""
        if self._ended:
            return None
        self._wake.clear()
        frames, self._pending = self._pending, {}
        self._newest = max(self._newest, *(frame.at for frame in frames.values()))
        texts = (frame.texts.get(self._language, frame.texts[ENGLISH]) for frame in frames.values())
        return b"".join(b"id: %d\n%b" % (self._newest, text) for text in texts)


@dataclass
class Topic:
    viewers: set[Viewer] = field(default_factory=set)
    frame: Frame | None = None

    @property
    def moves(self) -> bool:
        return self.frame is None or self.frame.moves

    def tell(self, frame: Frame) -> None:
        """To those who do not know it."""
        news = self.frame is None or self.frame.texts != frame.texts
        self.frame = frame
        for viewer in self.viewers:
            if news or not viewer.met(frame.key):
                viewer.offer(frame)


def read(keys: Iterable[Key]) -> Mapping[Key, Frame]:
    """One statement for all documents, and a few more for each that is watched in detail; the sentences in them are put into every
    language afterwards. Raises StoreUnavailable."""
    keys = list(keys)
    ledger = platform.ledger()
    standings = {row.document: row for row in ledger.standings(list({key.document for key in keys}))}
    frames = {}
    for key in keys:
        row = standings.get(key.document)
        at = int(row.changed.timestamp() * 1000) if row else 0
        texts, moves = _alike("gone", json.dumps({"document": str(key.document)})), False
        if row is not None and not key.detail:
            texts, moves = _standings(row), _moves(row.state)
        elif row is not None:
            try:
                progress = ledger.progress(key.document)
                texts, moves = _alike("progress", progress.model_dump_json()), _moves(progress.state)
            except NotFound:
                pass
        frames[key] = Frame(key, at, texts, moves)
    return frames


def standing(row: Standing) -> dict[str, Any]:
    """As it is told, its sentence in the language that is active."""
    told = row.model_dump(mode="json", include={"document", "state", "fraction"})
    return {**told, "message": sentences.said(row.sentence)}


def _standings(row: Standing) -> dict[str, bytes]:
    if not row.message:
        return _alike("standing", json.dumps(standing(row)))
    texts = {}
    for language, _ in settings.LANGUAGES:
        with translation.override(language):
            texts[language] = _event("standing", json.dumps(standing(row)))
    return texts


def _alike(event: str, told: str) -> dict[str, bytes]:
    """One for every language: it holds no sentence."""
    return {ENGLISH: _event(event, told)}


def _event(event: str, told: str) -> bytes:
    return f"event: {event}\ndata: {told}\n\n".encode()


def _moves(state: State) -> bool:
    return state not in AT_REST
