"""A server that speaks Ollama's protocol and answers by rule: `python -m tests.doubles.ollama`, or `with OllamaDouble() as double`.

It has what a real server does to a client: slots and a queue, latency, silent cutting of long prompts unless `truncate` is false,
`done_reason: length`, reloading on another num_ctx, work stopped when the connection closes. Faults are switched over POST
/control/fault while it runs. Everything it saw is in GET /control/stats and /control/requests.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict, fields
from types import TracebackType
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from tests.doubles.ollama_answers import FAULTS
from tests.doubles.ollama_model import Behaviour, Fault, Model
from tests.doubles.ollama_wire import OllamaWire, error, now
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


def application(model: Model) -> Starlette:
    """The protocol's routes and, under /control, the double's own."""

    def known(name: str) -> bool:
        wanted = model.behaviour.models
        return not wanted or name in wanted or f"{name}:latest" in wanted

    async def talk(request: Request) -> Response:
        try:
            body = json.loads(await request.body())
        except ValueError:
            return error("invalid JSON", 400)
        if not known(str(body.get("model"))):
            return error(f"model '{body.get('model')}' not found", 404)
        return Answering(model, body)

    async def show(request: Request) -> Response:
        name = str((await request.json()).get("model"))
        if not known(name):
            return error(f"model '{name}' not found", 404)
        info = {"general.architecture": "double", "double.context_length": model.behaviour.context_length}
        return JSONResponse({"details": {"family": "double"}, "model_info": info, "capabilities": model.behaviour.capabilities})

    async def tags(_: Request) -> Response:
        listed = [{"name": name, "model": name, "modified_at": now(), "digest": "0", "size": 1} for name in model.behaviour.models]
        return JSONResponse({"models": listed})

    async def loaded(_: Request) -> Response:
        return JSONResponse({"models": [{"name": n, "model": n, "context_length": c} for n, c in model.loaded.items()]})

    async def version(_: Request) -> Response:
        return JSONResponse({"version": "0.32.9"})

    async def fault(request: Request) -> Response:
        wanted = Fault(**await request.json())
        if wanted.mode == "none":
            model.faults = []
        elif wanted.mode in FAULTS:
            model.faults.append(wanted)
        else:
            return error(f"no such fault: {wanted.mode}; there are {sorted(FAULTS)}", 400)
        return JSONResponse([asdict(fault) for fault in model.faults])

    async def configure(request: Request) -> Response:
        names = {entry.name for entry in fields(Behaviour)}
        for key, value in (await request.json()).items():
            if key not in names:
                return error(f"no such setting: {key}", 400)
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

    routes: list[tuple[str, str, Callable[[Request], Awaitable[Response]]]] = [
        ("POST", "/api/chat", talk),
        ("POST", "/api/generate", talk),
        ("POST", "/api/show", show),
        ("GET", "/api/tags", tags),
        ("GET", "/api/ps", loaded),
        ("GET", "/api/version", version),
        ("POST", "/control/fault", fault),
        ("POST", "/control/configure", configure),
        ("POST", "/control/reset", reset),
        ("GET", "/control/stats", stats),
        ("GET", "/control/requests", requests),
    ]
    return Starlette(routes=[Route(path, endpoint, methods=[method]) for method, path, endpoint in routes])


class OllamaDouble:
    """The double in a thread of this process, on a port that the system picks."""

    def __init__(self, port: int = 0, **behaviour: Any) -> None:
        served = application(Model(Behaviour(**behaviour), OllamaWire()))
        self._served = in_thread(served, force=True, port=port, log_level="critical")

    def __enter__(self) -> OllamaDouble:
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=11434)
    parser.add_argument("--slots", type=int, default=4)
    parser.add_argument("--max-queue", type=int, default=512)
    parser.add_argument("--latency", default="lognormal:0.5:0.5", help="constant:S, uniform:LOW:HIGH or lognormal:MEDIAN:SIGMA")
    parser.add_argument("--vision-latency", default="", help="of a question with a picture; the same as --latency if not given")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--load-seconds", type=float, default=0.0)
    parser.add_argument("--model", action="append", default=[], dest="models")
    options = vars(parser.parse_args())
    port = options.pop("port")
    sys.stderr.write(f"Ollama double on http://127.0.0.1:{port}\n")
    uvicorn.run(
        application(Model(Behaviour(**options), OllamaWire())), host="127.0.0.1", port=port, log_level="critical", lifespan="off"
    )


if __name__ == "__main__":
    main()
