"""docling's HybridChunker over our pieces: it merges small neighbours under one heading path and holds the limit.

Imported by `chunk` alone: docling's chunker loads transformers and torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

from docling_core.transforms.chunker import BaseChunk, BaseChunker, DocChunk, DocMeta
from docling_core.transforms.chunker.hybrid_chunker import HybridChunker
from docling_core.transforms.chunker.tokenizer.base import BaseTokenizer
from docling_core.transforms.serializer.base import BaseDocSerializer
from docling_core.types.doc import DocItem, DocItemLabel, DoclingDocument
from pydantic import ConfigDict, computed_field

from aegis_assets.engines.parsing.pieces import Pieces
from aegis_assets.engines.parsing.tokens import Tokens
from aegis_assets.model.parsing import Heading


def layout(path: list[str] | tuple[str, ...], body: str) -> str:
    """The text of a chunk: one line per heading, an empty line, the body."""
    return "\n".join(path) + "\n\n" + body if path and body else "\n".join(path) or body


class Counter(BaseTokenizer):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    tokens: Tokens

    def count_tokens(self, text: str) -> int:
        return self.tokens.count(text)

    def get_max_tokens(self) -> int:
        return self.tokens.max_tokens

    def get_tokenizer(self) -> Any:
        return self.tokens


class PieceChunker(BaseChunker):
    """One docling chunk per piece. Its item is a stand-in with the boxes: HybridChunker copies items, and tables are large."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    open_headings: tuple[Heading, ...]
    tokens: Tokens

    def chunk(self, dl_doc: DoclingDocument, **kwargs: Any) -> Iterator[BaseChunk]:
        for piece in Pieces(dl_doc, self.open_headings, self.tokens):
            stand_in = DocItem(self_ref=piece.ref, label=DocItemLabel.TEXT, prov=list(piece.provenance))
            yield DocChunk(text=piece.text, meta=DocMeta(doc_items=[stand_in], headings=list(piece.path) or None))


class WindowChunker(HybridChunker):
    open_headings: tuple[Heading, ...] = ()

    @computed_field  # type: ignore[prop-decorator]
    @cached_property
    def _inner_chunker(self) -> PieceChunker:
        return PieceChunker(open_headings=self.open_headings, tokens=self.tokenizer.get_tokenizer())

    def contextualize(self, chunk: BaseChunk) -> str:
        return layout(chunk.meta.headings or [], chunk.text)

    def segment(self, doc_chunk: DocChunk, available_length: int, doc_serializer: BaseDocSerializer) -> list[str]:
        """Without losing a character, in linear time."""
        return [part for part in self.tokenizer.get_tokenizer().split(doc_chunk.text, available_length) if part.strip()]
