"""A client's requests to the engine server: retries of a server that is away, and its place in the queue of one that is busy.

Retries of 503 happen only here. A server that is down or starting is asked again for `patience` seconds, because its supervisor
restarts it within a quarter of a minute. One whose slots are all taken says so every half minute, and is asked again for
`queue_seconds`: waiting is no failure. An answer, whatever it says, is never asked for twice.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Iterator
from typing import Final, TypedDict, TypeVar

import httpx
import stamina
from pydantic import BaseModel, ValidationError

from aegis_assets.engines.service.wire import BUSY, WAITED, decode_error
from aegis_assets.errors import AegisError, EngineFailed, EngineUnavailable, EngineUnreachable
from aegis_assets.outages import OutageClock

Answer = TypeVar("Answer", bound=BaseModel)

CONNECT_SECONDS: Final = 5.0
# The server notices a model that hangs and says so; until then a call may wait for its turn behind the texts of other callers.
CALL_SECONDS: Final = 1800.0
BUSY_PAUSE: Final = 0.05  # the server itself has held the request for half a minute
RETRY: Final[_Backoff] = {"attempts": None, "timeout": None, "wait_initial": 0.2, "wait_max": 5.0, "wait_jitter": 1.0}


class _Backoff(TypedDict):
    attempts: None
    timeout: None
    wait_initial: float
    wait_max: float
    wait_jitter: float


class _Away(EngineUnavailable):
    """Down, starting, or closed the connection: what is asked again."""


class _Unreachable(_Away, EngineUnreachable):
    """Nobody answers at the address."""


class _Busy(EngineUnavailable):
    """Every slot is taken: asked again in the same place of the queue."""


class EngineHttp:
    """Thread-safe. slow_seconds: the longest that a call of a slot takes, once it has that."""

    def __init__(self, address: str, token: str, patience: float, queue_seconds: float, slow_seconds: float) -> None:
        self._address = address.rstrip("/")
        self._patience = patience
        self._queue_seconds = queue_seconds
        self._slow = slow_seconds
        # Made once: httpx would load the authorities for each client, also for plain http, which costs 40 ms a call. Without TLS an
        # empty context does, and it would trust nobody.
        tls = ssl.create_default_context() if address.startswith("https") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._options = {
            "base_url": self._address,
            "headers": {"Authorization": f"Bearer {token}".encode()} if token else {},
            "timeout": httpx.Timeout(CALL_SECONDS, connect=CONNECT_SECONDS),
            "trust_env": False,  # a proxy from the environment must not see loopback traffic
            "verify": tls,
        }
        self._client = httpx.Client(**self._options)  # type: ignore[arg-type]

    def close(self) -> None:
        self._client.close()

    def _post(self, path: str, body: BaseModel, answer: type[Answer], seconds: float) -> Answer:
        return self._call("POST", path, _encode(body), answer, seconds)

    def _queued(self, path: str, body: BaseModel, answer: type[Answer]) -> Answer:
        """Post, and come back as long as every slot is taken."""
        content = _encode(body)
        for waited in self._turns():
            try:
                return self._call("POST", path, content, answer, self._slow, waited)
            except _Busy:
                time.sleep(BUSY_PAUSE)
        raise EngineUnavailable(self._no_turn())

    def _turns(self) -> Iterator[float]:
        """Yield how many seconds have passed, until that is too long to go on waiting."""
        started = time.monotonic()
        while (waited := time.monotonic() - started) < self._queue_seconds:
            yield waited

    def _no_turn(self) -> str:
        hours = self._queue_seconds / 3600
        return f"The engine server had no free slot for {hours:.1f} hours: give it more cores, or raise AEGIS_ENGINE_QUEUE_SECONDS."

    def _call(
        self, method: str, path: str, content: bytes | None, answer: type[Answer], seconds: float, waited: float | None = None
    ) -> Answer:
        """waited: None where the caller does not come back, and a busy server is one that is away."""
        headers = {WAITED: f"{waited:.3f}"} if waited else {}
        for attempt in stamina.retry_context(on=self._waits(), **RETRY):
            with attempt:
                try:
                    response = self._client.request(method, path, content=content, headers=headers, timeout=timeout(seconds))
                except httpx.HTTPError as error:
                    raise self._failure(error, seconds) from error
                return _decode(response, answer, queues=waited is not None)
        raise AssertionError("stamina ends with an answer or an error")

    async def post_queued(self, path: str, body: BaseModel, answer: type[Answer], seconds: float) -> Answer:
        """Post, and come back as long as every slot is taken."""
        for waited in self._turns():
            try:
                return await self.post(path, body, answer, seconds, waited)
            except _Busy:
                await asyncio.sleep(BUSY_PAUSE)
        raise EngineUnavailable(self._no_turn())

    async def post(
        self, path: str, body: BaseModel, answer: type[Answer], seconds: float = CALL_SECONDS, waited: float | None = None
    ) -> Answer:
        """Post without blocking. Cancelling it closes the connection, which stops OCR on the server; a text that waits for a
        model is computed all the same, with those beside it.

        A client per call: a kept connection belongs to the event loop that made it, and each op has its own.
        """
        content, headers = _encode(body), {WAITED: f"{waited:.3f}"} if waited else {}
        async for attempt in stamina.retry_context(on=self._waits(), **RETRY):
            with attempt:
                try:
                    async with httpx.AsyncClient(**self._options) as client:  # type: ignore[arg-type]
                        response = await client.post(path, content=content, headers=headers, timeout=timeout(seconds))
                except httpx.HTTPError as error:
                    raise self._failure(error, seconds) from error
                return _decode(response, answer, queues=waited is not None)
        raise AssertionError("stamina ends with an answer or an error")

    def _waits(self) -> Callable[[Exception], bool]:
        """Return whether to call once more, for one call: for as long as its patience, counted from its first failure."""
        clock = OutageClock(self._patience)
        return lambda error: isinstance(error, _Away) and clock.keep_waiting()

    def _failure(self, error: httpx.HTTPError, seconds: float) -> AegisError:
        if isinstance(error, httpx.ReadTimeout):
            return EngineUnavailable(f"The engine server did not answer within {seconds:.0f} s.")
        return _Unreachable(
            f"The engine server at {self._address} does not answer ({type(error).__name__}): "
            "start it with `make up`, or correct AEGIS_ENGINE_URL."
        )


def _encode(body: BaseModel) -> bytes:
    return body.model_dump_json(by_alias=True).encode()


def _decode(response: httpx.Response, answer: type[Answer], *, queues: bool) -> Answer:
    if response.status_code != httpx.codes.OK:
        error = decode_error(response.content, response.status_code)
        if isinstance(error, EngineUnavailable) and error.retryable:
            raise (_Busy if queues and error.kind == BUSY else _Away)(error.message, server=error.server)
        raise error
    try:
        return answer.model_validate_json(response.content)
    except ValidationError as error:
        raise EngineFailed("The engine server answered with something this version does not understand.") from error


def timeout(seconds: float) -> httpx.Timeout:
    return httpx.Timeout(seconds, connect=CONNECT_SECONDS)
