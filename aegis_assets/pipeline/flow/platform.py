"""Everything a stage may use, behind the ports, and the numbers it keeps to."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import UUID
from weakref import WeakValueDictionary

from aegis_assets.errors import AegisError, NotFound, Superseded, is_outage, public
from aegis_assets.logs import logger
from aegis_assets.model.document import Stage
from aegis_assets.pipeline.flow.ledger import FlowLedger
from aegis_assets.pipeline.flow.limits import LOOK_SECONDS, Changes, Gate
from aegis_assets.pipeline.flow.pause import Pause
from aegis_assets.pipeline.ports import (
    Bucket,
    Describer,
    Embedder,
    Extractor,
    Graph,
    Leases,
    Parser,
    Permit,
    UncountedPermit,
    Vectors,
    Vision,
)
from aegis_assets.settings import Settings

log = logger(__name__)
ASK_SECONDS = 0.3  # how late a cancellation may come to a chunk
MOST_OVER = 1000  # documents that are remembered after nobody asks for them
ACTING = ("parallel_chunks_per_doc", "embedding_batch_size")
AT_HAND = 2  # times the chunks in flight: those that wait for a slot have their requests written


@dataclass(frozen=True)
class Numbers:
    """Of config/parallelization.yml, as this process started with them; see `Platform.now` for those that may change meanwhile."""

    parallel_chunks_per_doc: int
    embedding_batch_size: int
    window_pages: int
    window_chunks: int
    longest_call_seconds: float = 30_000.0
    descriptions_per_run: int = 0

    @classmethod
    def of(cls, settings: Settings) -> Numbers:
        return cls(
            parallel_chunks_per_doc=settings.parallel_chunks_per_doc,
            embedding_batch_size=settings.embedding_batch_size,
            window_pages=settings.window_pages,
            window_chunks=settings.window_chunks,
            longest_call_seconds=settings.longest_call_seconds,
            descriptions_per_run=settings.llm_descriptions,
        )


@dataclass(frozen=True)
class Platform:
    """fetch: copies a watched object to a path; the watched bucket is not ours to write. outage_seconds: for which requests to a
    language model are paused before the document is put back. describer: None where no language model extracts."""

    ledger: FlowLedger
    bucket: Bucket
    parser: Parser
    vision: Vision
    embedder: Embedder
    extractor: Extractor
    vectors: Vectors
    graph: Graph
    leases: Leases
    numbers: Numbers
    fetch: Callable[[str, Path], None]
    outage_seconds: float = 0.0
    describer: Describer | None = None
    _gates: WeakValueDictionary[UUID, Gate] = field(default_factory=WeakValueDictionary)
    _at_hand: WeakValueDictionary[UUID, Gate] = field(default_factory=WeakValueDictionary)
    _asking: Counter[tuple[UUID, str]] = field(default_factory=Counter)
    _over: set[tuple[UUID, str]] = field(default_factory=set)
    _watchers: list[asyncio.Task[None]] = field(default_factory=list)
    _turns: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)
    _describing: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)
    _pauses: WeakValueDictionary[str, Pause] = field(default_factory=WeakValueDictionary)
    _changes: Changes = field(default_factory=Changes)

    def now(self) -> Numbers:
        """The numbers that act on running work, as they are now. How a document is cut stays: windows are of one plan."""
        changed = self._changes.numbers
        return replace(self.numbers, **{name: changed[name] for name in ACTING if name in changed})

    def look(self) -> None:
        """Blocks: learn what was changed. At most once in `LOOK_SECONDS` for all who ask."""
        self._changes.look(self.ledger.limits)

    def gate(self, document: UUID) -> Gate:
        """The document's own limit on chunks in flight, over all its windows in this process. First come, first served."""
        return self._gates.setdefault(document, Gate(lambda: self.now().parallel_chunks_per_doc))

    def at_hand(self, document: UUID) -> Gate:
        """The document's limit on chunks that are being worked on here, in flight or not: a thousand requests need not be written
        before the first is sent."""
        return self._at_hand.setdefault(document, Gate(lambda: AT_HAND * self.now().parallel_chunks_per_doc))

    def turn(self, run_id: str) -> asyncio.Lock:
        """Windows that start together go to their parser in the order in which they came. First come, first served."""
        return self._turns.setdefault(run_id, asyncio.Lock())

    def describing(self, key: str) -> asyncio.Lock:
        """Held while a picture is looked up and, where nobody has described it, described: a logo is on every page."""
        return self._describing.setdefault(key, asyncio.Lock())

    def pause(self, engine: str) -> Pause:
        """Return what all requests to the engine share while it does not answer."""
        return self._pauses.setdefault(engine, Pause(self.outage_seconds))

    def require_running(self, document: UUID, run_id: str) -> None:
        """Before each request, as `asking` knows it: a slot does not wait for the ledger. What a superseded run writes is refused
        anyway. Raises Superseded."""
        if (document, run_id) in self._over:
            raise Superseded("The document is not this run's any more.")

    def let_go(self, document: UUID, run_id: str) -> None:
        """Know at once that the document is not the run's any more."""
        self._over.add((document, run_id))

    @asynccontextmanager
    async def asking(self, document: UUID, run_id: str) -> AsyncIterator[None]:
        """Meanwhile the ledger is asked every `ASK_SECONDS` whether the run still has the document, and every `LOOK_SECONDS` for
        changed numbers; once for all documents that are worked on here, of which there may be a hundred small ones."""
        if not self._asking:
            self._watchers.extend((asyncio.create_task(self._ask()), asyncio.create_task(self._follow())))
        self._asking[document, run_id] += 1
        try:
            yield
        finally:
            self._asking[document, run_id] -= 1
            if not self._asking[document, run_id]:
                del self._asking[document, run_id]
            if not self._asking:
                for task in self._watchers:
                    task.cancel()
                self._watchers.clear()

    async def _follow(self) -> None:
        while True:
            if self._changes.stale:
                await asyncio.to_thread(self.look)
            for gate in (*self._at_hand.values(), *self._gates.values()):
                gate.widen()
            await asyncio.sleep(LOOK_SECONDS / 2)

    async def _ask(self) -> None:
        while True:
            by_run: defaultdict[str, list[UUID]] = defaultdict(list)
            for document, run_id in self._asking:
                by_run[run_id].append(document)
            for run_id, documents in by_run.items():
                try:
                    ours = await asyncio.to_thread(self.ledger.check_many, documents, run_id)
                except AegisError:  # what is found meanwhile waits for the ledger anyway
                    continue
                except Exception as error:
                    log.error("unexpected", run_id=run_id, exc_info=error)
                    continue
                self._over.update((document, run_id) for document in documents if document not in ours)
            if len(self._over) > MOST_OVER:
                self._over.intersection_update(self._asking)
            await asyncio.sleep(ASK_SECONDS)

    @asynccontextmanager
    async def lease(self, need: tuple[str, int] | None, owner: UUID) -> AsyncIterator[Permit]:
        """Hold what an engine says one call needs; nothing when it needs nothing."""
        if need is None:
            yield UncountedPermit()
            return
        async with self.leases.hold(need[0], need[1], owner) as permit:
            yield permit


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
    """Make the error data, where a task ends. An outage puts the document back instead: nothing of it has failed, and what the run
    still does for it is refused. A superseded run may not even write that: another one owns the document now."""
    if isinstance(error, Superseded):
        return
    failure = public(error)
    if is_outage(failure):
        log.warning("put_back", stage=stage, document=str(document), kind=failure.kind, server=failure.server)
        platform.let_go(document, run_id)
        with suppress(Superseded, NotFound):  # of a document that is gone, nothing is written either
            platform.ledger.put_back(document, run_id, failure)
        return
    if not isinstance(error, AegisError):
        log.error("unexpected", stage=stage, document=str(document), exc_info=error)
    log.warning("failed", stage=stage, document=str(document), window=str(window), chunk=str(chunk), kind=failure.kind)
    with suppress(Superseded, NotFound):  # of a document that is gone, nothing is written either
        platform.ledger.fail(document, run_id, stage, failure, window=window, chunk=chunk)
