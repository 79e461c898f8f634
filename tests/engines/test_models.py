"""The process of the models and its keeper, with models that fail or hang as told: what one caller must not do to the others."""

from __future__ import annotations

import asyncio
import json
import queue
import signal
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from aegis_assets.engines.service import group
from aegis_assets.engines.service.group import Models
from aegis_assets.engines.service.models import EmbedApi, ExtractApi, PatientLoop
from aegis_assets.engines.service.wire import SOCKET, EmbedAnswer, EmbedBody, ExtractBody
from aegis_assets.errors import BadInput, EngineFailed, Misconfigured
from aegis_assets.model.embedding import EmbedderInfo, Embedding
from aegis_assets.model.extraction import Extraction, Schema
from tests.engines.test_sandbox import until

INFO = EmbedderInfo(name="m", dimension=1, sparse="lexical", max_tokens=8, fingerprint="f")


class Fragile:
    """An embedder, and an extractor, that a text "poison" breaks and a text "refused" makes raise an error of ours."""

    info = INFO
    name = "fragile"

    def __init__(self) -> None:
        self.calls: list[int] = []

    def _look(self, texts: list[str]) -> None:
        self.calls.append(len(texts))
        if "poison" in texts:
            raise ValueError("secret text of the document")
        if "refused" in texts:
            raise BadInput("Not this one.")

    def embed(self, texts: list[str], kinds: list[str], batch: int = 0) -> list[Embedding]:
        self._look(texts)
        return [Embedding(dense=(float(len(text)),), indices=(), values=()) for text in texts]

    def extract_batch(self, texts: list[str], schema: Schema) -> list[Extraction]:
        self._look(texts)
        return [Extraction(skipped=text) for text in texts]


def embedding_api() -> EmbedApi:
    api = EmbedApi(max_batch_size=4, batch_timeout=0.01)
    api.model = Fragile()
    return api


def asked(*texts: str) -> EmbedBody:
    return EmbedBody(texts=texts, kind="passage")


def test_a_text_that_breaks_the_model_fails_its_own_request_alone() -> None:
    api = embedding_api()
    found = api.predict([asked("a", "bb"), asked("poison"), asked("refused"), asked("dddd")])
    assert [status for status, _ in found] == [200, 500, 400, 200]
    assert [one.dense[0] for one in EmbedAnswer.model_validate_json(found[3][1]).embeddings] == [4.0]
    assert json.loads(found[1][1])["kind"] == "internal"
    assert b"secret" not in found[1][1]
    assert json.loads(found[2][1])["message"] == "Not this one."


def test_requests_that_nothing_breaks_are_one_call_of_the_model() -> None:
    api = embedding_api()
    assert [status for status, _ in api.predict([asked("a"), asked("b", "c")])] == [200, 200]
    assert api.model.calls == [3]


def test_an_extractor_that_breaks_on_one_text_answers_the_other_callers() -> None:
    api = ExtractApi(max_batch_size=4, batch_timeout=0.01)
    api.model, api.fingerprint = Fragile(), "f"
    other = Schema(entity_types=("PERSON",))
    found = api.predict([ExtractBody(texts=("a",)), ExtractBody(texts=("poison",)), ExtractBody(texts=("c",), schema=other)])
    assert [status for status, _ in found] == [200, 500, 200]
    assert json.loads(found[2][1])["extractions"][0]["skipped"] == "c"


def test_a_setup_that_failed_answers_all_and_calls_nothing() -> None:
    api = embedding_api()
    api.failure = Misconfigured("Set AEGIS_EMBEDDER_PATH.")
    found = api.predict([asked("a"), asked("b")])
    assert [(status, json.loads(content)["message"]) for status, content in found] == [(500, "Set AEGIS_EMBEDDER_PATH.")] * 2
    assert api.model.calls == []


def test_requests_of_several_callers_become_one_batch() -> None:
    requests: queue.Queue[object] = queue.Queue()
    for caller in range(5):
        requests.put((caller, f"uid{caller}", time.monotonic(), {"texts": [f"text {caller}"], "kind": "query"}))
    loop = PatientLoop()
    api = EmbedApi(max_batch_size=4, batch_timeout=5.0, loop=loop)
    api.request_timeout = False
    first, _ = loop.get_batch_requests(api, requests, transport=None)
    assert [uid for _, uid, _ in first] == ["uid0", "uid1", "uid2", "uid3"]
    assert requests.qsize() == 1


# The keeper


class Socket:
    """What listens where the models would: it answers each request after `seconds`, and never while `silent`."""

    def __init__(self, directory: Path) -> None:
        self.seconds = 0.0
        self.silent = threading.Event()
        self.now = self.most = 0
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(directory / SOCKET))
        app = Starlette(routes=[Route("/embed", self._answer, methods=["POST"])])
        self._server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=0))
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listener]})
        self._thread.start()

    async def _answer(self, request: Request) -> Response:
        texts = json.loads(await request.body())["texts"]
        self.now += 1
        self.most = max(self.most, self.now)
        while self.silent.is_set():
            await asyncio.sleep(0.01)
        await asyncio.sleep(self.seconds)
        self.now -= 1
        embeddings = tuple(Embedding(dense=(1.0,), indices=(), values=()) for _ in texts)
        return Response(EmbedAnswer(info=INFO, embeddings=embeddings).model_dump_json(), media_type="application/json")

    def close(self) -> None:
        self.silent.clear()
        self._server.should_exit = True
        self._thread.join(10)


@pytest.fixture
def models(tmp_path: Path) -> Iterator[Socket]:
    one = Socket(tmp_path)
    yield one
    one.close()


@asynccontextmanager
async def kept(directory: Path) -> AsyncIterator[tuple[Models, asyncio.subprocess.Process]]:
    """A keeper whose process is one that only waits to be killed."""
    keeper = Models(directory)
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "import time; time.sleep(600)")
    keeper._process, keeper._known = process, {"embedder": EmbedAnswer(info=INFO, embeddings=())}
    try:
        yield keeper, process
    finally:
        await keeper.close()


def test_a_model_that_answers_nobody_is_killed_and_said_to_be(
    models: Socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group, "HANG_SECONDS", 0.3)
    monkeypatch.setattr(group, "HANG_SECONDS_PER_TEXT", 0.1)
    models.silent.set()

    async def ask() -> tuple[Any, int]:
        async with kept(tmp_path) as (keeper, process):
            results = await asyncio.gather(keeper.embed(asked("a")), keeper.embed(asked("b")), return_exceptions=True)
            return results, await process.wait()

    results, code = asyncio.run(ask())
    assert code == -signal.SIGKILL
    assert all(isinstance(result, EngineFailed) and "was restarted" in result.message for result in results)


def test_a_slow_model_that_goes_on_answering_is_left_alone(models: Socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Six requests, two at once: the last waits longer than a model may be silent."""
    monkeypatch.setattr(group, "HANG_SECONDS", 0.8)
    monkeypatch.setattr(group, "HANG_SECONDS_PER_TEXT", 0.0)
    models.seconds = 0.4

    async def ask() -> bool:
        async with kept(tmp_path) as (keeper, process):
            await asyncio.gather(*(keeper.embed(asked("a")) for _ in range(6)))
            return process.returncode is None

    assert asyncio.run(ask())
    assert models.most == group.CALLERS_ON_CPU


def test_a_search_does_not_wait_behind_the_texts_of_documents(models: Socket, tmp_path: Path) -> None:
    models.silent.set()

    async def ask() -> int:
        async with kept(tmp_path) as (keeper, _):
            documents = [asyncio.create_task(keeper.embed(asked("a"))) for _ in range(4)]
            search = asyncio.create_task(keeper.embed(EmbedBody(texts=("q",), kind="query")))
            await asyncio.to_thread(until, lambda: models.now == group.CALLERS_ON_CPU + 1)
            models.silent.clear()
            await asyncio.gather(search, *documents)
            return models.most

    assert asyncio.run(ask()) == group.CALLERS_ON_CPU + 1


def test_a_process_that_cannot_be_started_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine is out of memory for a moment: the engine server must not be without models until somebody restarts it."""
    tries: list[object] = []

    async def refuse(*command: object, **_: object) -> None:
        tries.append(command)
        raise OSError("Cannot allocate memory")

    monkeypatch.setattr(asyncio, "create_subprocess_exec", refuse)
    monkeypatch.setattr(group, "BACK_OFF", (0.01, 0.02))

    async def watch() -> None:
        keeper = Models(tmp_path)
        task = asyncio.create_task(keeper.supervise())
        await asyncio.to_thread(until, lambda: len(tries) >= 3)
        assert not task.done()
        task.cancel()
        await keeper.close()

    asyncio.run(watch())
