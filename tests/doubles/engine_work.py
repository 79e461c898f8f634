"""What the engine double reads and answers: a text file whose form feeds end pages, whose blank lines end chunks.

    ## A heading, of the page's chunks
    First chunk.

    ![a picture's caption]()

    Second chunk.

So a benchmark writes any document it likes, edits one page of it, and knows beforehand which chunks come out. What the double does
not do: layout, neighbour pages, tokens as a model counts them, descriptions inside chunks.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from aegis_assets.model.extraction import Extraction, Mention, Relation
from aegis_assets.model.parsing import (
    Box,
    ChunkDraft,
    ChunkRequest,
    Heading,
    Inspection,
    InspectRequest,
    ParsedWindow,
    ParseRequest,
    Part,
    Picture,
)
from tests.doubles.ollama_answers import extraction, tokens

DIMENSION: Final = 384
VECTORS: Final = 256  # one byte of a hash chooses
SPARSE: Final = 32


@dataclass(frozen=True)
class Page:
    heading: str
    chunks: tuple[str, ...]
    captions: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> Page:
        blocks = [block.strip() for block in text.split("\n\n") if block.strip()]
        heading = ""
        if blocks and blocks[0].startswith("## "):
            heading, _, rest = blocks[0].removeprefix("## ").partition("\n")
            blocks[:1] = [rest] if rest else []
        captions = tuple(block[2 : block.index("]")] for block in blocks if block.startswith("!["))
        return cls(heading, tuple(block for block in blocks if not block.startswith("![")), captions)

    def texts(self) -> list[str]:
        """As they are embedded and extracted."""
        return [f"{self.heading}\n{chunk}" if self.heading else chunk for chunk in self.chunks]


def pages(content: str) -> list[str]:
    return content.split("\f")


@dataclass(frozen=True)
class Works:
    """bucket: the directory where blobs are read and artifacts written. outline: whether headings are known before parsing."""

    bucket: Path
    outline: bool = True

    def inspect(self, request: InspectRequest) -> Inspection:
        found = pages(self._read(request.blob))
        parts = tuple(
            Part(hash=hashlib.sha256(page.encode()).hexdigest(), headings=() if self.outline or not number else None)
            for number, page in enumerate(found)
        )
        return Inspection(
            format="pdf", media_type="application/pdf", unit="page", parts=parts, pages=len(parts), parser="double", seconds=0.0
        )

    def parse(self, request: ParseRequest) -> ParsedWindow:
        window = pages(self._read(request.blob))[request.first - 1 : request.last]
        artifact = f"{request.artifacts}.json"
        read = [Page.of(text) for text in window]
        pictures: list[Picture] = []
        for number, page in enumerate(read, request.first):
            for caption in page.captions:
                image = f"{request.artifacts}-{len(pictures)}.png"
                self._write(image, png(caption))
                box = Box(page=number, l=72, t=72, r=300, b=200)
                pictures.append(Picture(ref=f"#/pictures/{len(pictures)}", image=image, box=box, caption=caption))
        self._write(artifact, json.dumps({"first": request.first, "pages": window}).encode())
        return ParsedWindow(
            artifact=artifact,
            items=sum(len(page.chunks) + len(page.captions) for page in read),
            characters=sum(len(text) for text in window),
            headings=tuple(Heading(level=1, text=page.heading) for page in read if page.heading),
            pictures=tuple(pictures),
            parser="double",
            seconds=0.0,
            peak_mb=1.0,
        )

    def chunk(self, request: ChunkRequest) -> tuple[list[ChunkDraft], int]:
        """The chunks, and of how many pages they are."""
        artifact = json.loads(self._read(request.artifact))
        drafts = []
        for number, text in enumerate(artifact["pages"], artifact["first"]):
            page = Page.of(text)
            path = (page.heading,) if page.heading else ()
            box = Box(page=number, l=72, t=72, r=500, b=700)
            drafts += [
                ChunkDraft(text=text, headings=path, pages=(number,), boxes=(box,), tokens=tokens(text)) for text in page.texts()
            ]
        return drafts, len(artifact["pages"])

    def _read(self, key: str) -> str:
        return (self.bucket / key).read_text()

    def _write(self, key: str, content: bytes) -> None:
        path = self.bucket / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def extracted(text: str) -> Extraction:
    """What the Ollama double's model finds, with its places."""
    found = extraction(text, {})
    names = {entity["name"]: index for index, entity in enumerate(found["entities"])}
    mentions = tuple(
        Mention(
            name=entity["name"],
            type=entity["type"],
            start=text.find(entity["name"]),
            end=text.find(entity["name"]) + len(entity["name"]),
        )
        for entity in found["entities"]
    )
    relations = tuple(
        Relation(
            source=names[one["source"]],
            target=names[one["target"]],
            type=one["type"],
            confidence=one["confidence"],
            start=0,
            end=len(text),
        )
        for one in found["relations"]
    )
    return Extraction(mentions=mentions, relations=relations)


@lru_cache(maxsize=1)
def _vectors() -> list[list[str]]:
    """Random unit vectors as texts: a vector of a text is one of them, turned, which costs a hundredth of drawing it."""
    drawn = random.Random(1)
    found = []
    for _ in range(VECTORS):
        values = [drawn.gauss(0, 1) for _ in range(DIMENSION)]
        length = math.sqrt(sum(value * value for value in values))
        found.append([f"{value / length:.5f}" for value in values])
    return found


def embedding(text: str) -> str:
    """The JSON of an Embedding: the same text has the same vector, two texts almost surely different ones."""
    digest = hashlib.sha256(text.encode("utf-8", "replace")).digest()
    vector, turn = _vectors()[digest[0]], int.from_bytes(digest[1:3], "big") % DIMENSION
    indices = sorted({zlib.crc32(word.encode()) for word in text.split()})[:SPARSE]
    weights = ",".join(["0.5"] * len(indices))
    dense = ",".join(vector[turn:] + vector[:turn])
    return f'{{"dense":[{dense}],"indices":{json.dumps(indices)},"values":[{weights}]}}'


def embeddings(texts: Sequence[str]) -> str:
    return ",".join(embedding(text) for text in texts)


@lru_cache(maxsize=4096)
def png(caption: str) -> bytes:
    """A grey square of 64 pixels, a different one for each caption."""
    row = b"\0" + hashlib.sha256(caption.encode()).digest() * 2
    header = struct.pack(">IIBBBBB", 64, 64, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(row * 64)), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content)) for name, content in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body
