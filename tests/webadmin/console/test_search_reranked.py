"""Searches with a reranker: the session's engine server with a checkpoint whose order is known."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from aegis_assets.engines.client import EngineClient
from aegis_assets.engines.service.wire import ServerInfo, encode_error, problem_of
from aegis_assets.errors import Misconfigured
from aegis_assets.model.embedding import EmbedderInfo, VectorPoint
from aegis_assets.model.ids import collection_id
from tests.doubles import tiny_reranker
from tests.engine_service import READY_SECONDS
from tests.in_thread import in_thread
from tests.stores.ledger.build import done, enriched, planned, publish, running
from tests.webadmin.conftest import browser, forget
from tests.webadmin.console.test_search import page
from tests.webadmin.typed import Typed
from webadmin.documents import platform
from webadmin.documents.search import search
from webadmin.monitoring.doctor import diagnose

QUESTION = "a field and a solver of it"
LIKE, HALF, MESH = "a field and a solver of it", "the mesh mesh and a field", "mesh mesh mesh mesh mesh"
FUSED, RERANKED = [LIKE, HALF, MESH], [MESH, HALF, LIKE]


@pytest.fixture(scope="module")
def checkpoint(engine_home: Path) -> Path:
    return tiny_reranker.make(engine_home / "tiny-reranker")


@pytest.fixture(scope="module")
def reranking(checkpoint: Path, engine_server: tuple[str, str]) -> dict[str, str]:
    """Settings of the web process; the engine server has its own."""
    address, token = engine_server
    EngineClient(address, token, patience=READY_SECONDS).rerank("a", ["a"], READY_SECONDS)  # it is loaded from now on
    return {"AEGIS_RERANKER_PATH": str(checkpoint), "AEGIS_ENGINE_URL": address, "AEGIS_ENGINE_TOKEN": token}


@pytest.fixture
def indexed(site: Path, reranking: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Three chunks that answer searches."""
    for name, value in reranking.items():
        monkeypatch.setenv(name, value)
    forget()
    ledger, scope = platform.ledger(), collection_id("books")
    document = running(ledger, "a.md", "a.md", "books")
    generation = planned(ledger, document, "k1", content="a.md")
    (window,) = ledger.windows(generation.id)
    chunks: list[UUID] = enriched(ledger, window.id, FUSED)
    done(ledger, document, chunks)
    publish(ledger, document, generation.id)
    platform.vectors().ensure(scope, platform.engine().info())
    pairs = zip(chunks, platform.engine().embed(FUSED, "passage"), strict=True)
    points = [VectorPoint(id=chunk, document=document, embedding=vector, live=True) for chunk, vector in pairs]
    platform.vectors().upsert(scope, points)
    return monkeypatch


def changed(environment: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        environment.setenv(name, value)
    forget()


def test_hits_are_in_the_order_of_the_rerankers_scores(indexed: pytest.MonkeyPatch) -> None:
    result = search(QUESTION, None, 10)
    assert [hit.text for hit in result.hits] == RERANKED
    scores = [hit.rerank for hit in result.hits]
    assert all(score is not None and 0 < score < 1 for score in scores)
    assert result.note == ""
    assert [hit.text for hit in sorted(result.hits, key=lambda hit: -hit.score)] == FUSED, "the search's own order is another"


def test_the_best_of_the_first_hits_is_found_though_only_one_is_wanted(indexed: pytest.MonkeyPatch) -> None:
    assert [hit.text for hit in search(QUESTION, None, 1).hits] == [MESH]


def test_only_the_first_hits_are_reranked(indexed: pytest.MonkeyPatch) -> None:
    changed(indexed, AEGIS_RERANK_HITS="2")
    hits = search(QUESTION, None, 10).hits
    assert [hit.text for hit in hits] == [HALF, LIKE, MESH]
    assert [hit.rerank is None for hit in hits] == [False, False, True]


def test_page_api_and_command_show_the_order_and_the_score(indexed: pytest.MonkeyPatch) -> None:
    shown = page(browser(group="viewer"), QUESTION)
    assert "reranked" in shown
    assert shown.index(MESH) < shown.index("<mark>solver</mark>")
    answer = browser(group="viewer").get("/api/search", {"q": QUESTION}).json()
    assert [hit["text"] for hit in answer["hits"]] == RERANKED
    assert answer["hits"][0]["rerank"] > answer["hits"][1]["rerank"]
    assert answer["note"] == ""
    typed = Typed("search", QUESTION, "--json")
    assert [hit["text"] for hit in json.loads(typed.out)] == RERANKED
    assert "reranked 0." in Typed("search", QUESTION).out


def test_a_reranker_that_is_too_slow_leaves_the_fused_order_and_says_so(indexed: pytest.MonkeyPatch) -> None:
    changed(indexed, AEGIS_RERANK_TIMEOUT="0.001")
    result = search(QUESTION, None, 10)
    assert [hit.text for hit in result.hits] == FUSED
    assert "The hits are not reranked: The reranker did not answer within 0.001 s" in result.note
    assert [hit.rerank for hit in result.hits] == [None] * 3
    shown = page(browser(group="viewer"), QUESTION)
    assert "The hits are not reranked" in shown
    answer = browser(group="viewer").get("/api/search", {"q": QUESTION})
    assert (answer.status_code, "AEGIS_RERANK_HITS" in answer.json()["note"]) == (200, True)
    typed = Typed("search", QUESTION, "--json")
    assert typed.code == 0
    assert "not reranked" in typed.err
    assert [hit["text"] for hit in json.loads(typed.out)] == FUSED


def test_weights_that_are_gone_leave_the_fused_order_and_say_so(indexed: pytest.MonkeyPatch, checkpoint: Path) -> None:
    os.rename(checkpoint, checkpoint.with_name("elsewhere"))
    try:
        result = search(QUESTION, None, 10)
        (row,) = [check for check in diagnose() if check.part == "reranker"]
    finally:
        os.rename(checkpoint.with_name("elsewhere"), checkpoint)
    assert [hit.text for hit in result.hits] == FUSED
    assert "AEGIS_RERANKER_PATH is not a directory with a reranker's weights" in result.note
    assert (row.ok, "AEGIS_RERANKER_PATH" in row.sentence) == (False, True)


def test_the_doctor_names_model_dimension_and_reranker(indexed: pytest.MonkeyPatch) -> None:
    checks = {check.part: check for check in diagnose()}
    assert checks["embedder"].ok
    assert checks["embedder"].used == "minilm on cpu (all-minilm-l6-v2, 384 dimensions, sparse lexical, chunks of 256 tokens)"
    assert checks["reranker"].ok, checks["reranker"].sentence
    assert "the first 40 hits" in checks["reranker"].used


def test_the_doctor_names_the_embedding_server_and_its_protocol(site: Path) -> None:
    embedder = EmbedderInfo(
        name="tiny-embedder",
        dimension=64,
        sparse="lexical",
        max_tokens=384,
        fingerprint="f",
        server="OpenAI-compatible at http://x",
    )
    told = ServerInfo(parser="p", ocr="o", embedder=embedder, extractor="e", extractor_fingerprint="e")

    async def info(_: Request) -> Response:
        return JSONResponse(told.model_dump())

    with in_thread(Starlette(routes=[Route("/info", info)])) as port, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AEGIS_ENGINE_URL", f"http://127.0.0.1:{port}")
        patch.setenv("AEGIS_EMBEDDING_URL", "http://127.0.0.1:8080")
        forget()
        checks = {check.part: check for check in diagnose()}
    assert checks["embedder"].ok
    assert checks["embedder"].used == (
        "server at http://127.0.0.1:8080 (OpenAI-compatible, tiny-embedder, 64 dimensions, sparse lexical, chunks of 384 tokens)"
    )


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ({"extractor": "gliner g"}, ""),
        ({"extractor": "spacy en-core-web-sm"}, "AEGIS_EXTRACTOR is 'gliner' here or for the engine server"),
        (
            {"extractor_problem": problem_of(Misconfigured("AEGIS_GLINER_PATH is not a directory."))},
            "AEGIS_GLINER_PATH is not a directory.",
        ),
    ],
)
def test_the_doctor_says_what_is_wrong_with_gliner(site: Path, told: dict[str, Any], shown: str) -> None:
    embedder = EmbedderInfo(name="e", dimension=4, sparse="lexical", max_tokens=256, fingerprint="f")
    served = ServerInfo(**{"parser": "p", "ocr": "o", "embedder": embedder, "extractor": "", "extractor_fingerprint": "x", **told})

    async def info(_: Request) -> Response:
        return JSONResponse(served.model_dump())

    with in_thread(Starlette(routes=[Route("/info", info)])) as port, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AEGIS_ENGINE_URL", f"http://127.0.0.1:{port}")
        patch.setenv("AEGIS_EXTRACTOR", "gliner")
        patch.setenv("AEGIS_GLINER_PATH", "/models/g")
        forget()
        checks = {check.part: check for check in diagnose()}
    assert checks["extractor"].ok == (not shown)
    assert checks["extractor"].sentence.startswith(shown)
    assert checks["extractor"].used == "GLiNER, in the engine server" + ("" if shown else " (gliner g)")
    assert checks["embedder"].ok


def test_the_doctor_blames_the_embedder_alone_for_an_embedding_server_that_refuses(site: Path) -> None:
    sentence = "The embedding server at http://127.0.0.1:8080 refuses access (HTTP 401): correct AEGIS_EMBEDDING_API_KEY."
    status, fields = encode_error(Misconfigured(sentence))

    async def info(_: Request) -> Response:
        return JSONResponse(fields, status)

    async def parser(_: Request) -> Response:
        return JSONResponse({"parser": ""})

    async def health(_: Request) -> Response:
        engines = {"parser": "ready", "embedder": sentence, "extractor": "ready"}
        return JSONResponse({"ready": False, "engines": engines}, 503)

    with (
        in_thread(Starlette(routes=[Route("/info", info), Route("/parser", parser), Route("/health", health)])) as port,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("AEGIS_ENGINE_URL", f"http://127.0.0.1:{port}")
        forget()
        checks = {check.part: check for check in diagnose()}
    assert (checks["engine server"].ok, checks["parser"].ok) == (True, True)
    assert (checks["embedder"].ok, checks["embedder"].sentence) == (False, sentence)
