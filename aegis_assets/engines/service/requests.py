"""What every route does with a request and an error, whatever the engine behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from aegis_assets.engines.service.wire import WAITED, encode_error
from aegis_assets.errors import AegisError, BadInput, NotFound

GONE: Final = 499  # nobody reads it
MB: Final = 2**20
MOST_WAITED: Final = 1e6  # seconds; NaN and infinity are not below it either

Body = TypeVar("Body", bound=BaseModel)


async def read(request: Request, kind: type[Body], limit_mb: int) -> Body:
    """The body as its type. Raises BadInput, which names fields and never repeats values: they are document text."""
    content = bytearray()
    async for piece in request.stream():
        content += piece
        if len(content) > limit_mb * MB:
            raise BadInput(f"The request is larger than {limit_mb} MB.")
    try:
        return kind.model_validate_json(bytes(content))
    except ValidationError as error:
        fields = sorted({".".join(str(part) for part in problem["loc"][:2]) or "the whole" for problem in error.errors()})
        raise BadInput(f"The request has the wrong shape: {', '.join(fields[:5])}.") from error


def seconds_waited(request: Request) -> float:
    """Return for how many seconds the caller has waited for a slot in requests before this one. What is no such number is none."""
    try:
        seconds = float(request.headers.get(WAITED, "0"))
    except ValueError:
        return 0.0
    return seconds if 0.0 <= seconds < MOST_WAITED else 0.0


async def while_connected(request: Request, work: Coroutine[Any, Any, Response]) -> Response:
    """The result of the work, which is cancelled when the caller hangs up."""
    task = asyncio.create_task(work)
    gone = asyncio.create_task(_disconnect(request))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return await task
        return Response(status_code=GONE)
    finally:
        for each in (task, gone):
            each.cancel()
        with suppress(asyncio.CancelledError, AegisError):
            await task


async def _disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def as_json(answer: BaseModel) -> Response:
    return Response(answer.model_dump_json(), media_type="application/json")


def as_error(error: AegisError) -> Response:
    status, fields = encode_error(error)
    return JSONResponse(fields, status)


async def no_such_route(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    _, fields = encode_error(NotFound("The engine server has no such route: client and server are of different versions."))
    return JSONResponse(fields, status)
