"""A server that speaks Ollama's protocol and answers by rule: `python -m tests.doubles.ollama`, or `with OllamaDouble() as double`.

It has what a real server does to a client: slots and a queue, latency, silent cutting of long prompts unless `truncate` is false,
`done_reason: length`, reloading on another num_ctx, work stopped when the connection closes. Faults are switched over POST
/control/fault while it runs. Everything it saw is in GET /control/stats and /control/requests.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.doubles.llm_control import Answering, Double, control_routes
from tests.doubles.ollama_model import Behaviour, Model
from tests.doubles.ollama_wire import OllamaWire, error, now


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

    routes: list[tuple[str, str, Callable[[Request], Awaitable[Response]]]] = [
        ("POST", "/api/chat", talk),
        ("POST", "/api/generate", talk),
        ("POST", "/api/show", show),
        ("GET", "/api/tags", tags),
        ("GET", "/api/ps", loaded),
        ("GET", "/api/version", version),
    ]
    served = [Route(path, endpoint, methods=[method]) for method, path, endpoint in routes]
    return Starlette(routes=[*served, *control_routes(model)])


class OllamaDouble(Double):
    """The double in a thread of this process. behaviour: of tests.doubles.ollama_model.Behaviour."""

    def __init__(self, port: int = 0, **behaviour: Any) -> None:
        super().__init__(application(Model(Behaviour(**behaviour), OllamaWire())), port)


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
