"""`python -m aegis_assets.engines.service.models DIRECTORY`: embedder and extractor under LitServe, on a unix socket in DIRECTORY.

LitServe joins the requests of several callers into one call of the model. Three of its ways are replaced, each for a reason:
its batch loop asks its queue every millisecond also when idle (a tenth of a core); a worker killed while it holds the queue's lock
leaves the queue locked for its successor, so a dead worker ends this process and its supervisor starts all anew; and a failing
setup would end it with a traceback, where a wrong setting must be a sentence for everyone who asks.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from http import HTTPStatus
from multiprocessing import connection
from pathlib import Path
from queue import Empty
from threading import Thread
from typing import TYPE_CHECKING, Any, Final

import litserve
from litserve.loops.base import collate_requests
from litserve.loops.simple_loops import BatchedLoop
from pydantic import BaseModel
from starlette.responses import Response

from aegis_assets.engines.sandbox import die_with_parent, frames
from aegis_assets.engines.service.wire import SOCKET, EmbedAnswer, EmbedBody, ExtractAnswer, ExtractBody, encode_error
from aegis_assets.errors import AegisError, Internal, Misconfigured, public
from aegis_assets.logs import configure, logger
from aegis_assets.model.extraction import Extraction, Schema
from aegis_assets.settings import Settings, settings

if TYPE_CHECKING:
    from aegis_assets.engines.gliner_extractor import GlinerExtractor
    from aegis_assets.engines.spacy_extractor import SpacyExtractor

BATCH_SECONDS: Final = 0.01  # how long a request waits for others to join it
WATCH_SECONDS: Final = 0.5  # the list of workers grows while they are started
Outcome = tuple[int, bytes]  # status and JSON


class PatientLoop(BatchedLoop):
    """Sleeps until there is a request, then gathers others for `batch_timeout`."""

    def get_batch_requests(self, lit_api: Any, request_queue: Any, transport: Any) -> tuple[list[Any], list[Any]]:
        try:
            first = request_queue.get(timeout=60.0)
        except Empty:
            return [], []
        return collate_requests(self, lit_api, _Pushed(first, request_queue), transport)


class _Pushed:
    """A queue with one request put back at its head."""

    def __init__(self, first: Any, queue: Any) -> None:
        self._first: Any = first
        self._queue = queue

    def get(self, timeout: float) -> Any:
        if self._first is not None:
            first, self._first = self._first, None
            return first
        return self._queue.get(timeout=timeout)


class _Model(litserve.LitAPI):
    """One model in one worker process. A setup that failed answers every request with the reason."""

    failure: AegisError | None = None

    def setup(self, device: str) -> None:
        die_with_parent()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        configure(settings().log_level)
        logging.disable(logging.ERROR)  # LitServe logs the input of a request that fails
        try:
            self.load()
        except Exception as error:  # noqa: BLE001  the border of the worker
            if not isinstance(error, AegisError):
                logger(__name__).error("model_failed_to_load", model=self.api_path, exc_info=error)
            self.failure = public(error)
        os.nice(5)  # a long batch must not starve the web process; loading may hurry

    def load(self) -> None:
        raise NotImplementedError

    def answer(self, bodies: list[Any]) -> list[BaseModel]:
        raise NotImplementedError

    def predict(self, x: list[Any], **_: Any) -> list[Outcome]:
        """One outcome per request. Where a text breaks the model, each is asked alone: the others only happened to be near it."""
        try:
            if self.failure is not None:
                raise self.failure
            return [(HTTPStatus.OK, answer.model_dump_json().encode()) for answer in self.answer(x)]
        except Exception as error:  # noqa: BLE001  the border of the worker
            if len(x) > 1 and self.failure is None:
                return [outcome for request in x for outcome in self.predict([request])]
            if not isinstance(error, AegisError):
                # Without its message, which may hold the text that was sent.
                logger(__name__).error("model_failed", model=self.api_path, error=type(error).__name__, frames=frames(error))
                error = Internal(f"The model stopped with an unexpected error ({type(error).__name__}).")
            status, fields = encode_error(error)
            return [(status, json.dumps(fields).encode())] * len(x)

    def encode_response(self, output: Outcome):  # type: ignore[no-untyped-def]
        return Response(output[1], status_code=output[0], media_type="application/json")


# LitServe reads the annotation of `request` as FastAPI's type of the body, as text under this file's future import: there is none.


class EmbedApi(_Model):
    def load(self) -> None:
        from aegis_assets.engines.embedder import Embedder

        self.model = Embedder(settings())

    def decode_request(self, request) -> EmbedBody:  # type: ignore[no-untyped-def]
        return EmbedBody.model_validate(request)

    def answer(self, bodies: list[EmbedBody]) -> list[BaseModel]:
        texts = [text for body in bodies for text in body.texts]
        batch = max((body.batch for body in bodies), default=0)
        embeddings = iter(self.model.embed(texts, [body.kind for body in bodies for _ in body.texts], batch))
        return [EmbedAnswer(info=self.model.info, embeddings=tuple(next(embeddings) for _ in body.texts)) for body in bodies]


class ExtractApi(_Model):
    def load(self) -> None:
        self.model = _extractor(settings())
        self.fingerprint = self.model.fingerprint(Schema())

    def decode_request(self, request) -> ExtractBody:  # type: ignore[no-untyped-def]
        return ExtractBody.model_validate(request)

    def answer(self, bodies: list[ExtractBody]) -> list[BaseModel]:
        """One call of the model per schema."""
        found: dict[Schema, list[Extraction]] = {}
        for schema in {body.wanted for body in bodies}:
            texts = [text for body in bodies if body.wanted == schema for text in body.texts]
            found[schema] = self.model.extract_batch(texts, schema) if texts else []
        queues = {schema: iter(extractions) for schema, extractions in found.items()}
        return [
            ExtractAnswer(
                name=self.model.name,
                fingerprint=self.fingerprint,
                extractions=tuple(next(queues[body.wanted]) for _ in body.texts),
            )
            for body in bodies
        ]


def _extractor(chosen: Settings) -> GlinerExtractor | SpacyExtractor:
    """Load GLiNER where it is asked for; else spaCy, which is there also where a language model extracts."""
    if chosen.extractor == "gliner":
        from aegis_assets.engines.gliner_extractor import GlinerExtractor

        return GlinerExtractor(chosen)
    from aegis_assets.engines.spacy_extractor import SpacyExtractor

    return SpacyExtractor(chosen.spacy_models)


def _end_with_workers(server: litserve.LitServer) -> None:
    """Also during setup, when LitServe itself would wait for ever for a worker that was killed."""
    while not connection.wait([worker.sentinel for worker in getattr(server, "inference_workers", ())], timeout=WATCH_SECONDS):
        pass
    logger(__name__).error("model_worker_died")
    os._exit(1)


def main(directory: str) -> None:
    die_with_parent()
    os.register_at_fork(after_in_child=die_with_parent)  # LitServe's manager would outlive a killed parent
    chosen = settings()
    configure(chosen.log_level)
    logging.disable(logging.ERROR)  # LitServe logs the input of a request that fails
    batch = max(2, chosen.embedding_batch_size)  # of requests; LitServe takes 1 for "no batches", with other types
    apis: list[litserve.LitAPI] = [
        ExtractApi(max_batch_size=4, batch_timeout=BATCH_SECONDS, api_path="/extract", loop=PatientLoop())
    ]
    if not chosen.embeds_by_url:
        apis.insert(0, EmbedApi(max_batch_size=batch, batch_timeout=BATCH_SECONDS, api_path="/embed", loop=PatientLoop()))
    server = litserve.LitServer(apis, accelerator="cpu", devices=1, timeout=False, disable_openapi_url=True)
    server._monitor_workers = False
    Thread(target=_end_with_workers, args=(server,), daemon=True).start()
    # A socket's path may have 107 characters and a data directory's name may have more; this name of the directory is short.
    folder = os.open(directory, os.O_PATH | os.O_DIRECTORY)
    socket = f"/proc/self/fd/{folder}/{SOCKET}"
    Path(socket).unlink(missing_ok=True)
    server.run(
        host="127.0.0.1",
        uds=socket,
        num_api_servers=1,
        api_server_worker_type="thread",
        generate_client_file=False,
        log_level="warning",
    )
    os._exit(1)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise Misconfigured("One argument is expected: the directory of the socket.")
    main(sys.argv[1])
