"""The process of the extractor and, unless a server embeds, the embedder: kept alive, asked for its state, spoken to over a socket.

A process of its own under LitServe, because a worker that dies leaves LitServe's queues in an unknown state: all of it is replaced.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from asyncio.subprocess import Process
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal

import httpx
from pydantic import BaseModel

from aegis_assets.engines.service.wire import SOCKET, EmbedAnswer, EmbedBody, ExtractAnswer, ExtractBody, decode_error
from aegis_assets.errors import AegisError, EngineFailed, EngineUnavailable
from aegis_assets.logs import logger
from aegis_assets.model.embedding import EmbedderInfo
from aegis_assets.outages import STANDSTILL_SECONDS

# A model that answers nobody for this long hangs: the first, and so much more for each text that waits. BGE-M3 on two busy cores
# takes 4 s a text, and must not be killed for being slow.
HANG_SECONDS: Final = 300.0
HANG_SECONDS_PER_TEXT: Final = 10.0
CONNECT_SECONDS: Final = 5.0
PROBE_SECONDS: Final = 1.0
BACK_OFF: Final = (0.5, 15.0)  # seconds before a restart, first and most
STEADY_SECONDS: Final = 60.0  # a process that lived this long did not fail at its start
# Requests of texts to embed, a forward pass each, that are in the model's queue at once. A search overtakes all others, so on a
# CPU, where 16 texts take 0.6 s, it waits for two at most; a GPU must never wait for the next one.
CALLERS_ON_CPU: Final = 2
CALLERS_ON_GPU: Final = 8
# Requests to the extractor that are on their way: two of its batches. The rest waits here, because the pool of httpx looks at each
# request and connection that it has whenever one comes or goes: with two hundred that was a third of a core.
EXTRACTS: Final = 8
STARTING: Final = "starting"
READY: Final = "ready"

Name = Literal["embedder", "extractor"]
NAMES: Final[tuple[Name, ...]] = ("embedder", "extractor")
JSON: Final = {"Content-Type": "application/json"}
log = logger(__name__)


class Models:
    def __init__(self, directory: Path, callers_at_once: int = CALLERS_ON_CPU, names: tuple[Name, ...] = NAMES) -> None:
        """directory: where the socket is made. names: of the models that the process has."""
        self._names = names
        self._known: dict[Name, BaseModel | AegisError] = {}
        self._waiting: Counter[str] = Counter()  # texts, by path
        self._answered: dict[str, float] = {}
        self._directory = directory
        self._folder = os.open(directory, os.O_PATH | os.O_DIRECTORY)
        transport = httpx.AsyncHTTPTransport(uds=f"/proc/self/fd/{self._folder}/{SOCKET}")
        # Compressing vectors on their way through a local socket would cost more than it saves.
        self._client = httpx.AsyncClient(
            transport=transport,
            base_url="http://models",
            timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),
            headers={"Accept-Encoding": "identity"},
        )
        self._passages = asyncio.Semaphore(callers_at_once)
        self._extracts = asyncio.Semaphore(EXTRACTS)
        self._process: Process | None = None

    def states(self) -> dict[str, str]:
        """By engine: 'ready', 'starting', or the sentence that says what is wrong."""
        return {name: _state(self._known.get(name)) for name in self._names}

    # Life

    async def supervise(self) -> None:
        """Run the process, and run it again when it ends, until cancelled."""
        pause = BACK_OFF[0]
        while True:
            started = time.monotonic()
            try:
                await self._run_once()
            except OSError as error:  # no memory or no descriptor for another process, for now
                log.error("models_not_started", error=type(error).__name__)
            pause = BACK_OFF[0] if time.monotonic() - started > STEADY_SECONDS else min(2 * pause, BACK_OFF[1])
            await asyncio.sleep(pause)

    async def _run_once(self) -> None:
        command = (sys.executable, "-m", "aegis_assets.engines.service.models", str(self._directory))
        self._process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL)
        probes = [asyncio.create_task(self._probe(name)) for name in self._names]
        try:
            code = await self._process.wait()
            log.error("models_ended", exit_code=code)
        finally:
            for probe in probes:
                probe.cancel()
            self._known.clear()
            await self._end()

    async def _end(self) -> None:
        if self._process is not None:
            _kill(self._process)  # its children die with it
            await self._process.wait()

    async def _probe(self, name: Name) -> None:
        """Ask until it answers: an empty request comes back with what the model is."""
        while name not in self._known:
            try:
                if name == "embedder":
                    content = await self._post("/embed", EmbedBody(texts=(), kind="query"))
                    self._known[name] = EmbedAnswer.model_validate_json(content)
                else:
                    self._known[name] = ExtractAnswer.model_validate_json(await self._post("/extract", ExtractBody(texts=())))
                log.info("model_ready", model=name)
            except EngineUnavailable:
                await asyncio.sleep(PROBE_SECONDS)
            except AegisError as error:
                self._known[name] = error
                log.error("model_unusable", model=name, message=error.message)

    async def close(self) -> None:
        await self._client.aclose()
        await self._end()
        (self._directory / SOCKET).unlink(missing_ok=True)
        os.close(self._folder)

    # Calls. Answers stay JSON: the server has no use for their content.

    async def embed(self, body: EmbedBody) -> bytes:
        self._answer("embedder")
        if body.kind == "query":
            return await self._post("/embed", body)
        async with self._passages:
            return await self._post("/embed", body)

    async def extract(self, body: ExtractBody) -> bytes:
        self._answer("extractor")
        async with self._extracts:
            return await self._post("/extract", body)

    def embedder(self) -> EmbedderInfo:
        answer = self._answer("embedder")
        assert isinstance(answer, EmbedAnswer)
        return answer.info

    def extractor(self) -> ExtractAnswer:
        """Return the answer to no texts, with what the extractor is."""
        answer = self._answer("extractor")
        assert isinstance(answer, ExtractAnswer)
        return answer

    def _answer(self, name: Name) -> BaseModel:
        known = self._known.get(name)
        if known is None:
            raise EngineUnavailable(f"The {name} of the engine server is starting.")
        if isinstance(known, AegisError):
            raise known
        return known

    async def _post(self, path: str, body: EmbedBody | ExtractBody) -> bytes:
        self._waiting[path] += len(body.texts)
        try:
            response = await self._while_it_answers(path, body)
        except httpx.HTTPError as error:
            raise EngineUnavailable("The models of the engine server are starting.") from error
        finally:
            self._waiting[path] -= len(body.texts)
        self._answered[path] = time.monotonic()
        if response.status_code != httpx.codes.OK:
            raise decode_error(response.content, response.status_code)
        return response.content

    async def _while_it_answers(self, path: str, body: BaseModel) -> httpx.Response:
        """The response. A model that answers nobody is killed, with all that wait for it; supervise() starts another."""
        process, started = self._process, time.monotonic()
        request = asyncio.create_task(self._client.post(path, content=body.model_dump_json(by_alias=True).encode(), headers=JSON))
        try:
            while True:
                last = max(started, self._answered.get(path, 0.0))
                left = last + HANG_SECONDS + HANG_SECONDS_PER_TEXT * self._waiting[path] - time.monotonic()
                looked = time.monotonic()
                if (await asyncio.wait((request,), timeout=max(0.0, left)))[0]:
                    return await request
                if time.monotonic() - looked > max(0.0, left) + STANDSTILL_SECONDS:
                    started = time.monotonic()
                elif left <= 0:
                    break
        finally:
            request.cancel()
        log.error("model_hangs", path=path)
        if process is not None:
            _kill(process)
        raise EngineFailed(f"A model did not answer within {time.monotonic() - last:.0f} s and was restarted.")


def _kill(process: Process) -> None:
    """Send SIGKILL to a process that has not ended. `Process.kill()` polls first, and a second one takes the exit code away from
    whoever waits for it."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)


def _state(known: BaseModel | AegisError | None) -> str:
    if known is None:
        return STARTING
    return known.message if isinstance(known, AegisError) else READY
