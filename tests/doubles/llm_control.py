"""What the doubles of language-model servers have in common: a chat as a response, and their control over HTTP."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import asdict, fields
from types import TracebackType
from typing import Any, Self

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from tests.doubles.ollama_answers import FAULTS
from tests.doubles.ollama_model import Behaviour, Fault, Model
from tests.in_thread import in_thread


class Answering(Response):
    """A chat of the model as a response: it begins when the model says something, and ends when its client goes."""

    def __init__(self, model: Model, body: dict[str, Any]) -> None:
        super().__init__()
        self.model, self.asked = model, body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def reply(response: Response) -> None:
            await response(scope, receive, send)

        async def gone() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass

        task = asyncio.ensure_future(self.model.chat(self.asked, reply))
        watch = asyncio.ensure_future(gone())
        try:
            await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                task.result()
        finally:
            for pending in (task, watch):
                pending.cancel()
            with suppress(asyncio.CancelledError, ConnectionAbortedError):
                await task


def control_routes(model: Model) -> list[Route]:
    """The double's own routes, under /control."""

    async def fault(request: Request) -> Response:
        wanted = Fault(**await request.json())
        if wanted.mode == "none":
            model.faults = []
        elif wanted.mode in FAULTS:
            model.faults.append(wanted)
        else:
            return JSONResponse({"error": f"no such fault: {wanted.mode}; there are {sorted(FAULTS)}"}, 400)
        return JSONResponse([asdict(fault) for fault in model.faults])

    async def configure(request: Request) -> Response:
        names = {entry.name for entry in fields(Behaviour)}
        for key, value in (await request.json()).items():
            if key not in names:
                return JSONResponse({"error": f"no such setting: {key}"}, 400)
            setattr(model.behaviour, key, value)
        model.slots.resize(model.behaviour.slots, model.behaviour.max_queue)
        return JSONResponse(asdict(model.behaviour))

    async def reset(_: Request) -> Response:
        model.restart()
        return JSONResponse({})

    async def stats(_: Request) -> Response:
        return JSONResponse(model.stats())

    async def requests(_: Request) -> Response:
        return JSONResponse(list(model.requests))

    return [
        Route("/control/fault", fault, methods=["POST"]),
        Route("/control/configure", configure, methods=["POST"]),
        Route("/control/reset", reset, methods=["POST"]),
        Route("/control/stats", stats),
        Route("/control/requests", requests),
    ]


class Double:
    """A double in a thread of this process, on a port that the system picks."""

    def __init__(self, application: Starlette, port: int = 0) -> None:
        self._served = in_thread(application, force=True, port=port, log_level="critical")

    def __enter__(self) -> Self:
        self.url = f"http://127.0.0.1:{self._served.__enter__()}"
        self._control = httpx.Client(base_url=self.url, trust_env=False, timeout=30)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._control.close()
        self._served.__exit__(None, None, None)

    def fault(self, mode: str, **how: Any) -> None:
        """`none` ends all faults; others pile up, the first that matches a request acts."""
        self._control.post("/control/fault", json={"mode": mode, **how}).raise_for_status()

    def configure(self, **behaviour: Any) -> None:
        self._control.post("/control/configure", json=behaviour).raise_for_status()

    def reset(self) -> None:
        self._control.post("/control/reset").raise_for_status()

    def stats(self) -> dict[str, Any]:
        stats: dict[str, Any] = self._control.get("/control/stats").raise_for_status().json()
        return stats

    def requests(self) -> list[dict[str, Any]]:
        requests: list[dict[str, Any]] = self._control.get("/control/requests").raise_for_status().json()
        return requests
