"""The reranker's child: started by the first search that wants it, kept for the next ones, ended by `rest`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from threading import Event
from typing import Final

from pydantic import ValidationError

from aegis_assets.engines.reranker import weights
from aegis_assets.engines.sandbox import Child, Limits, Sandbox
from aegis_assets.engines.service.wire import RerankAnswer, RerankBody
from aegis_assets.errors import EngineFailed
from aegis_assets.settings import Settings

MB: Final = 2**20
JOB: Final = "aegis_assets.engines.service.jobs:rerank"
CALLS: Final = 1000  # then a fresh child, because a process that has run long is larger
# A load holds weights of half precision twice, once as float32; the rest is torch and a batch's activations.
SIZES: Final = 4
LOAD_SECONDS: Final = 180.0  # 2.3 GB from a network disk, and imports
BESIDE_MB: Final = 3000


class RerankRunner:
    """Not thread-safe: callers come one after the other."""

    def __init__(self, chosen: Settings, sandbox: Sandbox, scratch: Path) -> None:
        self._path = Path(chosen.reranker_path) if chosen.reranker_path else None
        self._device = chosen.reranker_device or chosen.embedder_device
        self._sandbox = sandbox
        self._scratch = scratch
        self._child: Child | None = None
        self.seconds = chosen.rerank_timeout

    @property
    def name(self) -> str:
        """The directory's name; '' where hits are not reranked."""
        return self._path.name if self._path is not None else ""

    def rank(self, body: RerankBody) -> RerankAnswer:
        """Raises Misconfigured, LimitExceeded, EngineFailed.

        The limit is longer than any caller waits: a model that is slow to load is there for the next search.
        """
        if self._path is None:
            raise EngineFailed("This engine server has no reranker: set AEGIS_RERANKER_PATH there.", retryable=False)
        size = weights(self._path).stat().st_size // MB
        limits = Limits(self.seconds + LOAD_SECONDS, SIZES * size + BESIDE_MB, "AEGIS_RERANK_TIMEOUT", "a fixed limit")
        if self._child is not None and (self._child.calls >= CALLS or not self._child.alive()):
            self.rest()
        self._child = self._child or self._sandbox.child()
        payload = {"path": str(self._path), "device": self._device, **body.model_dump(mode="json")}
        with tempfile.TemporaryDirectory(dir=self._scratch, ignore_cleanup_errors=True) as name:
            try:
                outcome = self._child.call(JOB, payload, Path(name), limits, "Reranking the hits", Event())
            except Exception as error:
                if self._child.closed or not self._child.alive():
                    self.rest()
                    if isinstance(error, EngineFailed):  # its sentence speaks of a parser
                        raise EngineFailed("The reranker ended before it had answered: the next search starts it anew.") from error
                raise
        try:
            return RerankAnswer.model_validate(outcome.result)
        except ValidationError as error:
            raise EngineFailed("The reranker's answer has the wrong shape.", retryable=False) from error

    def rest(self) -> None:
        """Give the child's memory back; the next call starts another."""
        if self._child is not None:
            self._child.kill()
            self._child = None
