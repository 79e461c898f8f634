"""The engine server of a set cost: `python -m tests.doubles.engine --bucket DIR`, or `with EngineDouble(bucket) as double`.

It speaks the protocol of `aegis_assets.engines.service.wire` and takes the seconds that it was told to take, in slots with queues
in front of them, without using the processor for them: what is measured beside it has the cores for itself. With all costs zero it
shows what the platform itself costs. Every call is in GET /control/calls with the times of its arrival, start and end.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import httpx
import uvicorn
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from aegis_assets.engines.service.requests import while_connected
from aegis_assets.engines.service.wire import (
    ChunkAnswer,
    EmbedBody,
    ExtractAnswer,
    ExtractBody,
    Health,
    OcrAnswer,
    OcrBody,
    PageAnswer,
    PageBody,
    ParserAnswer,
    ServerInfo,
    encode_error,
)
from aegis_assets.errors import BadInput
from aegis_assets.model.embedding import EmbedderInfo
from aegis_assets.model.parsing import ChunkRequest, InspectRequest, ParseRequest
from tests.doubles.engine_work import DIMENSION, Works, embeddings, extracted
from tests.doubles.ollama_slots import Slots
from tests.in_thread import in_thread

Body = TypeVar("Body", bound=BaseModel)
EMBEDDER = EmbedderInfo(name="double", dimension=DIMENSION, sparse="lexical", max_tokens=256, fingerprint="double-1")
INFO = ServerInfo(parser="double-1", ocr="double-1", embedder=EMBEDDER, extractor="double", extractor_fingerprint="double-1")

BLANK = base64.b64decode("UklGRiQAAABXRUJQVlA4IBgAAAAwAQCdASoBAAEAAgA0JaQAA3AA/vuUAAA=")  # a WebP of one pixel


@dataclass
class Costs:
    """Seconds. embed_kchar: of 1,000 characters, because an embedder's time goes with the length: a name costs less than a chunk.

    parsers, chunkers, embedders, extractors: how many calls of each are worked on at once; more wait.
    """

    parsers: int = 1
    chunkers: int = 2
    embedders: int = 1
    extractors: int = 1
    inspect_page: float = 0.0
    parse_page: float = 0.0
    chunk_page: float = 0.0
    embed_kchar: float = 0.0
    extract_text: float = 0.0
    ocr_picture: float = 0.0


class Engine:
    def __init__(self, works: Works, costs: Costs) -> None:
        self.works = works
        self.costs = costs
        self.calls: deque[dict[str, Any]] = deque(maxlen=100_000)
        lanes = {"parse": costs.parsers, "chunk": costs.chunkers, "embed": costs.embedders, "extract": costs.extractors}
        self.slots = {name: Slots(count, 100_000) for name, count in lanes.items()}

    def routes(self) -> list[Route]:
        return [
            Route("/health", self._health),
            Route("/info", self._info),
            Route("/parser", self._parser),
            Route("/inspect", self._post(InspectRequest, self._inspect), methods=["POST"]),
            Route("/parse", self._post(ParseRequest, self._parse), methods=["POST"]),
            Route("/chunk", self._post(ChunkRequest, self._chunk), methods=["POST"]),
            Route("/embed", self._post(EmbedBody, self._embed), methods=["POST"]),
            Route("/extract", self._post(ExtractBody, self._extract), methods=["POST"]),
            Route("/page", self._post(PageBody, self._page), methods=["POST"]),
            Route("/ocr", self._post(OcrBody, self._ocr), methods=["POST"]),
            Route("/control/costs", self._configure, methods=["POST"]),
            Route("/control/calls", self._calls, methods=["GET", "DELETE"]),
            Route("/control/stats", self._stats),
        ]

    async def _health(self, _: Request) -> Response:
        return JSONResponse(Health(ready=True, engines=dict.fromkeys(("parser", "embedder", "extractor"), "ready")).model_dump())

    async def _info(self, _: Request) -> Response:
        return _json(INFO)

    async def _parser(self, _: Request) -> Response:
        return _json(ParserAnswer(parser=""))

    async def _inspect(self, body: InspectRequest) -> Response:
        made = self.works.inspect(body)
        return await self._take("parse", "inspect", body.name, self.costs.inspect_page * len(made.parts), _json(made))

    async def _parse(self, body: ParseRequest) -> Response:
        cost = self.costs.parse_page * (body.last - body.first + 1)
        return await self._take(
            "parse", "parse", f"{body.name} {body.first}-{body.last}", cost, lambda: _json(self.works.parse(body))
        )

    async def _chunk(self, body: ChunkRequest) -> Response:
        drafts, pages = self.works.chunk(body)
        answer = _json(ChunkAnswer(chunks=tuple(drafts)))
        return await self._take("chunk", "chunk", body.artifact, self.costs.chunk_page * pages, answer)

    async def _embed(self, body: EmbedBody) -> Response:
        cost = self.costs.embed_kchar * sum(map(len, body.texts)) / 1000
        content = f'{{"info":{EMBEDDER.model_dump_json()},"embeddings":[{embeddings(body.texts)}]}}'
        return await self._take(
            "embed", "embed", f"{len(body.texts)} texts", cost, Response(content, media_type="application/json")
        )

    async def _extract(self, body: ExtractBody) -> Response:
        found = ExtractAnswer(fingerprint=INFO.extractor_fingerprint, extractions=tuple(map(extracted, body.texts)))
        cost = self.costs.extract_text * len(body.texts)
        return await self._take("extract", "extract", f"{len(body.texts)} texts", cost, _json(found))

    async def _ocr(self, body: OcrBody) -> Response:
        return await self._take("chunk", "ocr", "", self.costs.ocr_picture, _json(OcrAnswer(text="")))

    async def _page(self, body: PageBody) -> Response:
        """Of the size of a letter, blank. Page 99 is one that cannot be drawn."""
        if body.page == 99:
            status, fields = encode_error(BadInput(f"Page {body.page} cannot be drawn."))
            return JSONResponse(fields, status)
        return _json(PageAnswer(image=base64.b64encode(BLANK), width=612.0, height=792.0))

    async def _take(self, lane: str, call: str, what: str, seconds: float, answer: Response | Callable[[], Response]) -> Response:
        """The answer, made while the slot's time runs."""
        record: dict[str, Any] = {"call": call, "what": what, "arrived": time.monotonic()}
        self.calls.append(record)
        async with self.slots[lane].hold():
            record["started"] = time.monotonic()
            made = answer if isinstance(answer, Response) else answer()
            if (left := record["started"] + seconds - time.monotonic()) > 0:
                await asyncio.sleep(left)
        record["ended"] = time.monotonic()
        return made

    async def _configure(self, request: Request) -> Response:
        known = {field.name for field in fields(Costs)}
        for name, value in (await request.json()).items():
            if name not in known:
                return JSONResponse({"error": f"no such cost: {name}"}, 400)
            setattr(self.costs, name, value)
        for lane, count in (("parse", self.costs.parsers), ("chunk", self.costs.chunkers), ("embed", self.costs.embedders)):
            self.slots[lane].resize(count, 100_000)
        return JSONResponse(asdict(self.costs))

    async def _calls(self, request: Request) -> Response:
        found = list(self.calls)
        if request.method == "DELETE":
            self.calls.clear()
            for slots in self.slots.values():
                slots.restart()
        return JSONResponse(found)

    async def _stats(self, _: Request) -> Response:
        return JSONResponse({lane: slots.account() for lane, slots in self.slots.items()})

    def _post(
        self, kind: type[Body], act: Callable[[Body], Coroutine[Any, Any, Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            return await while_connected(request, act(kind.model_validate_json(await request.body())))

        return answer


def _json(answer: BaseModel) -> Response:
    return Response(answer.model_dump_json(), media_type="application/json")


def _application(bucket: Path, outline: bool, costs: Costs) -> Starlette:
    return Starlette(routes=Engine(Works(bucket, outline), costs).routes())


class EngineDouble:
    """The double in a thread of this process, on a port that the system picks."""

    def __init__(self, bucket: Path, *, outline: bool = True, **costs: float) -> None:
        application = _application(bucket, outline, Costs(**costs))  # type: ignore[arg-type]  # counts are numbers too
        self._served = in_thread(application, force=True, log_level="critical", access_log=False)

    def __enter__(self) -> EngineDouble:
        self.url = f"http://127.0.0.1:{self._served.__enter__()}"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._served.__exit__(None, None, None)

    def calls(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = httpx.get(f"{self.url}/control/calls", trust_env=False).json()
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8011)
    parser.add_argument("--bucket", type=Path, required=True)
    parser.add_argument("--no-outline", action="store_true")
    for cost in fields(Costs):
        parser.add_argument(f"--{cost.name.replace('_', '-')}", type=type(cost.default), default=cost.default)
    options = vars(parser.parse_args())
    port, bucket, outline = options.pop("port"), options.pop("bucket"), not options.pop("no_outline")
    sys.stderr.write(f"Engine double on http://127.0.0.1:{port}\n")
    application = _application(bucket, outline, Costs(**options))
    uvicorn.run(application, host="127.0.0.1", port=port, log_level="critical", lifespan="off", access_log=False)


if __name__ == "__main__":
    main()
