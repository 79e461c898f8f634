"""HTTP requests -> calls of the engines: token, size, shape, errors as JSON, and work that stops when its caller hangs up.

One address for everything. LitServe has its own server behind it for what gains from batches; a parse does not: it needs to know
whether the caller is still there, statuses of its own and minutes of time, none of which LitServe's routes give.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, TypeVar

from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from aegis_assets.engines.sandbox import frames
from aegis_assets.engines.service.bounded_executor import BoundedExecutor
from aegis_assets.engines.service.documents import Documents, OcrRunner, ocr_fingerprint
from aegis_assets.engines.service.embeddings import Embeddings
from aegis_assets.engines.service.group import READY, STARTING, Models
from aegis_assets.engines.service.parser import ParserFingerprint
from aegis_assets.engines.service.ranking import RerankRunner
from aegis_assets.engines.service.requests import GONE, as_error, as_json, no_such_route, read, seconds_waited, while_connected
from aegis_assets.engines.service.slots import Slots
from aegis_assets.engines.service.wire import (
    EmbedBody,
    ExtractAnswer,
    ExtractBody,
    Health,
    OcrBody,
    PageBody,
    Problem,
    RerankBody,
    ServerInfo,
    problem_of,
)
from aegis_assets.errors import AegisError, EngineUnavailable, NotAllowed, public
from aegis_assets.logs import logger
from aegis_assets.model.parsing import ChunkRequest, InspectRequest, ParseRequest

BODY_MB: Final = 64  # a picture of 40 MB as base64, or the facts of a very long document
REST_SECONDS: Final = 120.0  # without a picture or a page for this long, the memory of their models is given back
PAGES_AT_ONCE: Final = 1
PAGE_PATIENCE: Final = 15.0  # seconds; who turns pages does not wait behind minutes of parsing
# Seconds that a call of a run waits here for a slot. Then it is told to come back, and keeps its place: so a client whose time-out
# is made for one call can wait for hours, and still notices a server that hangs.
TURN_SECONDS: Final = 30.0

Body = TypeVar("Body", bound=BaseModel)
Handler = Callable[[Request], Awaitable[Response]]
Call = Callable[[Body], Coroutine[Any, Any, Response]]
Queued = Callable[[Body, float], Coroutine[Any, Any, Response]]
log = logger(__name__)


class Service:
    def __init__(
        self,
        documents: Documents,
        ocr: OcrRunner,
        models: Models,
        embeddings: Embeddings,
        reranker: RerankRunner,
        *,
        token: str,
        parser: ParserFingerprint,
        slots: Slots,
    ) -> None:
        """Without a token everyone who reaches the address may ask."""
        self._documents = documents
        self._ocr = ocr
        self._models = models
        self._embeddings = embeddings
        self._reranker = reranker
        self._token = token.encode()
        self._parser = parser
        self._parser_state = STARTING
        self._parses = BoundedExecutor(slots.documents, TURN_SECONDS)
        self._chunks = BoundedExecutor(slots.documents, TURN_SECONDS)
        self._pictures = BoundedExecutor(slots.pictures, TURN_SECONDS)
        self._pages = BoundedExecutor(PAGES_AT_ONCE, PAGE_PATIENCE)
        self._checks = BoundedExecutor(1, PAGE_PATIENCE)
        self._rankings = BoundedExecutor(1, reranker.seconds)

    def app(self) -> Starlette:
        routes = [
            Route("/health", self.health, methods=["GET"]),
            Route("/info", self._border(self._info), methods=["GET"]),
            Route("/parser", self._border(self._check_parser), methods=["GET"]),
            Route("/inspect", self._queued(InspectRequest, self._inspect), methods=["POST"]),
            Route("/parse", self._queued(ParseRequest, self._parse), methods=["POST"]),
            Route("/chunk", self._queued(ChunkRequest, self._chunk), methods=["POST"]),
            Route("/page", self._post(PageBody, self._page), methods=["POST"]),
            Route("/ocr", self._queued(OcrBody, self._read), methods=["POST"]),
            Route("/embed", self._post(EmbedBody, self._embed), methods=["POST"]),
            Route("/rerank", self._post(RerankBody, self._rerank), methods=["POST"]),
            Route("/extract", self._post(ExtractBody, self._extract), methods=["POST"]),
        ]
        return Starlette(routes=routes, lifespan=self._life, exception_handlers={HTTPException: no_such_route})

    @asynccontextmanager
    async def _life(self, _: Starlette) -> AsyncIterator[None]:
        running = (self._models.supervise(), self._embeddings.watch(), self._warm(), self._rest())
        tasks = [asyncio.create_task(task) for task in running]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._models.close()
            await self._embeddings.close()
            self._ocr.rest()
            self._reranker.rest()
            self._documents.rest()

    async def _warm(self) -> None:
        while self._parser_state != READY:
            try:
                await asyncio.to_thread(self._documents.ready)
                self._parser_state = READY
                log.info("parser_ready")
            except Exception as error:  # noqa: BLE001  a task's end: the state says it, and it is tried again
                self._parser_state = public(error).message
                log.error("parser_unusable", error=type(error).__name__, message=self._parser_state)
                await asyncio.sleep(5.0)

    async def _rest(self) -> None:
        """Give memory back when nobody has asked for a while."""
        while True:
            await asyncio.sleep(REST_SECONDS / 4)
            await asyncio.to_thread(self._documents.rest, REST_SECONDS)
            await asyncio.to_thread(self._ocr.rest, REST_SECONDS)
            if self._rankings.idle() > REST_SECONDS:
                with suppress(AegisError, OSError):  # a search came in between; the next time, then
                    await self._rankings.run(lambda _: self._reranker.rest())

    # Routes

    async def health(self, _: Request) -> Response:
        """200 when everything is ready, else 503; the body is the same."""
        engines = {"parser": self._parser_state, **self._models.states(), "embedder": self._embeddings.state()}
        health = Health(ready=all(state == READY for state in engines.values()), engines=engines)
        return JSONResponse(health.model_dump(), 200 if health.ready else 503)

    async def _info(self, _: Request) -> Response:
        parser, problem = await asyncio.to_thread(self._parser_known)
        embedder = await self._embeddings.info()
        extractor, extractor_problem = self._extractor_known()
        info = ServerInfo(
            parser=parser,
            problem=problem,
            ocr=ocr_fingerprint(),
            embedder=embedder,
            extractor=extractor.name,
            extractor_fingerprint=extractor.fingerprint,
            extractor_problem=extractor_problem,
            reranker=self._reranker.name,
        )
        return JSONResponse(info.model_dump())

    def _parser_known(self) -> tuple[str, Problem | None]:
        """A parser elsewhere that does not answer is no reason to say nothing of the embedder: searches need that."""
        try:
            return self._parser.current(), None
        except AegisError as error:
            return "", problem_of(error)

    def _extractor_known(self) -> tuple[ExtractAnswer, Problem | None]:
        """Raises EngineUnavailable while it starts. One that is set wrongly is no reason to say nothing of the embedder."""
        try:
            return self._models.extractor(), None
        except EngineUnavailable:
            raise
        except AegisError as error:
            return ExtractAnswer(fingerprint="", extractions=()), problem_of(error)

    async def _check_parser(self, request: Request) -> Response:
        async def check() -> Response:
            return as_json(await self._checks.run(self._documents.check_parser))

        return await while_connected(request, check())

    async def _inspect(self, body: InspectRequest, waited: float) -> Response:
        tokens = await self._embeddings.chunk_tokens()
        return as_json(await self._parses.run(lambda cancelled: self._documents.inspect(body, cancelled, tokens), waited))

    async def _parse(self, body: ParseRequest, waited: float) -> Response:
        return as_json(await self._parses.run(lambda cancelled: self._documents.parse(body, cancelled), waited))

    async def _chunk(self, body: ChunkRequest, waited: float) -> Response:
        tokens = await self._embeddings.chunk_tokens()
        return as_json(await self._chunks.run(lambda cancelled: self._documents.chunk(body, cancelled, tokens), waited))

    async def _page(self, body: PageBody) -> Response:
        return as_json(await self._pages.run(lambda cancelled: self._documents.page(body, cancelled)))

    async def _read(self, body: OcrBody, waited: float) -> Response:
        return as_json(await self._pictures.run(lambda cancelled: self._ocr.read(body.png, cancelled), waited))

    async def _embed(self, body: EmbedBody) -> Response:
        return Response(await self._embeddings.embed(body), media_type="application/json")

    async def _rerank(self, body: RerankBody) -> Response:
        """A caller who goes does not end the model that is loading: the next search would wait for it again."""
        return as_json(await self._rankings.run(lambda _: self._reranker.rank(body)))

    async def _extract(self, body: ExtractBody) -> Response:
        return Response(await self._models.extract(body), media_type="application/json")

    # Around every route

    def _post(self, kind: type[Body], call: Call[Body]) -> Handler:
        async def handler(request: Request) -> Response:
            body = await read(request, kind, BODY_MB)
            return await while_connected(request, call(body))

        return self._border(handler)

    def _queued(self, kind: type[Body], call: Queued[Body]) -> Handler:
        """Serve a call that waits for a slot, and take account of how long its caller has waited before."""

        async def handler(request: Request) -> Response:
            body = await read(request, kind, BODY_MB)
            return await while_connected(request, call(body, seconds_waited(request)))

        return self._border(handler)

    def _border(self, handler: Handler) -> Handler:
        """Token first, and every error becomes JSON."""

        async def guarded(request: Request) -> Response:
            try:
                self._authorize(request)
                return await handler(request)
            except ClientDisconnect:
                return Response(status_code=GONE)
            except Exception as error:  # noqa: BLE001  the border of the server
                if not isinstance(error, AegisError):
                    log.error("request_failed", path=request.url.path, error=type(error).__name__, frames=frames(error))
                return as_error(public(error))

        return guarded

    def _authorize(self, request: Request) -> None:
        given = request.headers.get("Authorization", "").encode("latin-1")  # as Starlette decoded it
        if self._token and not hmac.compare_digest(given, b"Bearer " + self._token):
            raise NotAllowed("The engine server wants the token of AEGIS_ENGINE_TOKEN.")
