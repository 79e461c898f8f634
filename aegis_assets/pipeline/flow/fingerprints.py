"""What decides each stage's result. A changed fingerprint is missing work; nothing else is ever redone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

from aegis_assets.model.extraction import Schema
from aegis_assets.model.ids import fingerprint
from aegis_assets.model.parsing import Heading
from aegis_assets.pipeline.flow.platform import Numbers, Platform
from aegis_assets.pipeline.ports import Embedder, Extractor, Parser, Vision

CHUNKER: Final = 1  # raise it when the same window gives other chunks, and every document is chunked anew


@dataclass(frozen=True)
class Fingerprints:
    """parse: of the parser. chunks: of all that makes chunks out of a parsed window. plan: of the cut and of both.

    earlier: fingerprints of earlier releases' extractors, under which an extraction is valid.
    """

    parse: str
    chunks: str
    plan: str
    embed: str
    extract: str
    earlier: tuple[str, ...] = ()

    def enrich(self, key: str, headings: tuple[Heading, ...]) -> str:
        """Of one window: its content, and the headings open at its start, which the chunks carry."""
        return fingerprint(chunks=self.chunks, key=key, headings=[(heading.level, heading.text) for heading in headings])


class Engines(Protocol):
    """Whatever has the engines: a run's platform, or the admin's."""

    @property
    def parser(self) -> Parser: ...
    @property
    def vision(self) -> Vision: ...
    @property
    def embedder(self) -> Embedder: ...
    @property
    def extractor(self) -> Extractor: ...
    @property
    def numbers(self) -> Numbers: ...


def current(engines: Engines, schema: Schema) -> Fingerprints:
    """Return the fingerprints of the settings and engines as they are now."""
    embedder = engines.embedder.info()
    parse = engines.parser.fingerprint()
    tokenizer = embedder.tokenizer or embedder.name
    chunks = fingerprint(
        parse=parse, vision=engines.vision.fingerprint(), tokenizer=tokenizer, max_tokens=embedder.max_tokens, chunker=CHUNKER
    )
    return Fingerprints(
        parse=parse,
        chunks=chunks,
        plan=fingerprint(chunks=chunks, pages=engines.numbers.window_pages, sections=engines.numbers.window_chunks),
        embed=embedder.fingerprint,
        extract=engines.extractor.fingerprint(schema),
        earlier=engines.extractor.earlier(schema),
    )


def of_collection(platform: Platform, collection: UUID) -> Fingerprints:
    return current(platform, platform.ledger.collection(collection).schema)
