"""Everything a stage may use, behind the ports, and the numbers it keeps to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from aegis_assets.errors import AegisError, Superseded, public
from aegis_assets.logs import logger
from aegis_assets.model.document import Stage
from aegis_assets.pipeline.flow.ledger import FlowLedger
from aegis_assets.pipeline.ports import Bucket, Embedder, Extractor, Leases, Parser, Vectors, Vision
from aegis_assets.pipeline.publish import KnowledgeGraph
from aegis_assets.settings import Settings

log = logger(__name__)


@dataclass(frozen=True)
class Numbers:
    """Of config/parallelization.yml, as this run started with them; leases follow changes, these do not."""

    parallel_chunks_per_doc: int
    embedding_batch_size: int
    window_pages: int
    window_chunks: int

    @classmethod
    def of(cls, settings: Settings) -> Numbers:
        return cls(
            parallel_chunks_per_doc=settings.parallel_chunks_per_doc,
            embedding_batch_size=settings.embedding_batch_size,
            window_pages=settings.window_pages,
            window_chunks=settings.window_chunks,
        )


@dataclass(frozen=True)
class Platform:
    """fetch: copies a watched object to a path; the watched bucket is not ours to write."""

    ledger: FlowLedger
    bucket: Bucket
    parser: Parser
    vision: Vision
    embedder: Embedder
    extractor: Extractor
    vectors: Vectors
    graph: KnowledgeGraph
    leases: Leases
    numbers: Numbers
    fetch: Callable[[str, Path], None]

    @asynccontextmanager
    async def lease(self, need: tuple[str, int] | None, owner: UUID) -> AsyncIterator[None]:
        """Hold what an engine says one call needs; nothing when it needs nothing."""
        if need is None:
            yield
            return
        async with self.leases.hold(need[0], need[1], owner):
            yield


def record(
    platform: Platform,
    error: BaseException,
    *,
    document: UUID,
    run_id: str,
    stage: Stage,
    window: UUID | None = None,
    chunk: UUID | None = None,
) -> None:
    """Where a task ends: make the error data. A superseded run may not even write that: another one owns the document now."""
    if isinstance(error, Superseded):
        return
    failure = public(error)
    if not isinstance(error, AegisError):
        log.error("unexpected", stage=stage, document=str(document), exc_info=error)
    log.warning("failed", stage=stage, document=str(document), window=str(window), chunk=str(chunk), kind=failure.kind)
    with suppress(Superseded):
        platform.ledger.fail(document, run_id, stage, failure, window=window, chunk=chunk)
