"""What decides each stage's result. A changed fingerprint is missing work; nothing else is ever redone."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from aegis_assets.model.extraction import Schema
from aegis_assets.model.ids import fingerprint
from aegis_assets.model.parsing import Heading
from aegis_assets.pipeline.flow.platform import Platform


@dataclass(frozen=True)
class Fingerprints:
    """parse: of the parser. chunks: of all that makes chunks out of a parsed window. plan: of the cut and of both."""

    parse: str
    chunks: str
    plan: str
    embed: str
    extract: str

    def enrich(self, key: str, headings: tuple[Heading, ...]) -> str:
        """Of one window: its content, and the headings open at its start, which the chunks carry."""
        return fingerprint(chunks=self.chunks, key=key, headings=[(heading.level, heading.text) for heading in headings])


def current(platform: Platform, schema: Schema) -> Fingerprints:
    embedder = platform.embedder.info()
    parse = platform.parser.fingerprint()
    chunks = fingerprint(
        parse=parse, vision=platform.vision.fingerprint(), tokenizer=embedder.name, max_tokens=embedder.max_tokens, chunker=1
    )
    return Fingerprints(
        parse=parse,
        chunks=chunks,
        plan=fingerprint(chunks=chunks, pages=platform.numbers.window_pages, sections=platform.numbers.window_chunks),
        embed=embedder.fingerprint,
        extract=platform.extractor.fingerprint(schema),
    )


def of_collection(platform: Platform, collection: UUID) -> Fingerprints:
    return current(platform, platform.ledger.collection(collection).schema)
