"""The real server with the real models. What kills or misleads it has a server of its own."""

from __future__ import annotations

import asyncio
import io
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import httpx
import psutil
import pytest
from PIL import Image, ImageDraw, ImageFont

from aegis_assets.engines import lexical
from aegis_assets.engines.client import EngineClient
from aegis_assets.engines.extractor_client import MOST, ExtractorClient
from aegis_assets.engines.ocr_vision import OcrVision
from aegis_assets.engines.service.wire import PageBody
from aegis_assets.errors import BadInput, EngineFailed, Misconfigured, NotAllowed, NotFound
from aegis_assets.model.embedding import Embedding
from aegis_assets.model.extraction import Extraction, Schema
from aegis_assets.model.parsing import ChunkRequest, InspectRequest, ParseRequest, Picture
from tests.doubles import tiny_bge_m3
from tests.engine_service import READY_SECONDS, ROOT, start_engine_server, stop

Mortal = tuple[subprocess.Popen[bytes], EngineClient]

TEXT = """# Meshing

Gmsh was written by Christophe Geuzaine. It generates finite element meshes.

## Solvers

The solver reads the mesh and computes the field.
"""


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def cosine(one: Embedding, other: Embedding) -> float:
    return sum(a * b for a, b in zip(one.dense, other.dense, strict=True))


# The session's server


def test_health_tells_of_each_engine_and_needs_no_token(engine_server: tuple[str, str]) -> None:
    response = httpx.get(f"{engine_server[0]}/health", trust_env=False)
    assert response.json() == {"ready": True, "engines": {"parser": "ready", "embedder": "ready", "extractor": "ready"}}


@pytest.mark.parametrize("token", ["", "wrong", "ü"])
def test_every_other_route_wants_the_token(engine_server: tuple[str, str], token: str) -> None:
    client = EngineClient(engine_server[0], token, patience=1)
    for call in (
        client.info,
        lambda: client.embed(["a"], "query"),
        lambda: client.inspect(InspectRequest(blob="b", name="n", artifacts="a")),
    ):
        with pytest.raises(NotAllowed, match="AEGIS_ENGINE_TOKEN"):
            call()


def test_info_names_the_default_embedder_and_gives_fingerprints(engine: EngineClient) -> None:
    info = engine.server_info()
    assert (info.embedder.name, info.embedder.dimension, info.embedder.sparse) == ("all-minilm-l6-v2", 384, "lexical")
    assert len({info.parser, info.ocr, info.embedder.fingerprint, info.extractor_fingerprint}) == 4


def test_a_document_goes_from_the_bucket_to_chunks(engine: EngineClient, engine_bucket: Path) -> None:
    prefix = f"test/{uuid4()}"
    (engine_bucket / prefix).mkdir(parents=True)
    (engine_bucket / prefix / "blob").write_text(TEXT)
    found = engine.inspect(InspectRequest(blob=f"{prefix}/blob", name="mesh.md", artifacts=f"{prefix}/whole"))
    assert (found.format, found.unit) == ("markdown", "section")
    assert found.whole is not None
    assert (engine_bucket / found.whole).is_file()
    request = ParseRequest(
        blob=f"{prefix}/blob", name="mesh.md", format=found.format, unit=found.unit, whole=found.whole, first=1,
        last=len(found.parts), length=len(found.parts), facts=found.facts, artifacts=f"{prefix}/window",
    )  # fmt: skip
    parsed = engine.parse(request)
    assert (engine_bucket / parsed.artifact).is_file()
    assert [heading.text for heading in parsed.headings] == ["Meshing", "Solvers"]
    assert parsed.peak_mb > 10
    chunks = engine.chunk(ChunkRequest(artifact=parsed.artifact, headings=(), descriptions=()))
    assert "Christophe Geuzaine" in " ".join(chunk.text for chunk in chunks)
    assert all(0 < chunk.tokens <= 256 for chunk in chunks)


def test_a_page_is_drawn_in_the_sandbox(engine: EngineClient, engine_bucket: Path) -> None:
    prefix = f"test/{uuid4()}"
    (engine_bucket / prefix).mkdir(parents=True)
    Image.new("RGB", (300, 200), "white").save(engine_bucket / prefix / "blob", "PNG", dpi=(72, 72))
    drawn = asyncio.run(engine.page(PageBody(blob=f"{prefix}/blob", format="image", page=1)))
    assert (drawn.width, drawn.height) == pytest.approx((300, 200), rel=0.001)
    assert Image.open(io.BytesIO(drawn.image)).size == (300, 200)
    with pytest.raises(BadInput, match="Page 2 cannot be drawn"):
        asyncio.run(engine.page(PageBody(blob=f"{prefix}/blob", format="image", page=2)))


def test_a_blob_that_is_not_there_is_not_found(engine: EngineClient) -> None:
    with pytest.raises(NotFound):
        engine.inspect(InspectRequest(blob="test/nowhere", name="a.pdf", artifacts="test/x"))


def test_a_document_that_is_refused_says_why(engine: EngineClient, engine_bucket: Path) -> None:
    prefix = f"test/{uuid4()}"
    (engine_bucket / prefix).mkdir(parents=True)
    (engine_bucket / prefix / "blob").write_bytes(b"")
    with pytest.raises(BadInput):
        engine.inspect(InspectRequest(blob=f"{prefix}/blob", name="empty.pdf", artifacts=prefix))


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"texts": "secret", "kind": "query"}', b'{"texts": ["a"], "kind": "secret"}'])
def test_a_body_of_the_wrong_shape_is_refused_without_repeating_it(engine_server: tuple[str, str], body: bytes) -> None:
    headers = {"Authorization": f"Bearer {engine_server[1]}"}
    response = httpx.post(f"{engine_server[0]}/embed", content=body, headers=headers, trust_env=False)
    assert (response.status_code, response.json()["kind"], response.json()["retryable"]) == (400, "bad_input", False)
    assert "secret" not in response.text


def test_an_unknown_route_answers_in_json(engine_server: tuple[str, str]) -> None:
    response = httpx.post(f"{engine_server[0]}/nothing", trust_env=False)
    assert (response.status_code, response.json()["kind"]) == (404, "not_found")


def test_like_sentences_are_closer_than_unlike_ones(engine: EngineClient) -> None:
    mesh, grid, fruit = engine.embed(
        [
            "The solver builds a finite element mesh.",
            "A computational grid is generated by the program.",
            "Bananas are ripe in June.",
        ],
        "passage",
    )
    assert cosine(mesh, mesh) == pytest.approx(1.0, abs=1e-3)
    assert cosine(mesh, grid) > 0.4 > cosine(mesh, fruit)


def test_a_question_finds_its_words_in_the_sparse_vector_of_a_passage(engine: EngineClient) -> None:
    (passage,) = engine.embed(["The solver builds a finite element mesh for the solver."], "passage")
    (query,) = engine.embed(["which solvers?"], "query")
    assert lexical.index("solver", b"term") in set(query.indices) & set(passage.indices)
    assert (query.sparse_fingerprint, passage.language) == (lexical.FINGERPRINT, "en")
    assert max(passage.values) > min(passage.values)


def test_many_texts_and_many_callers_get_their_own_vectors_back(engine: EngineClient) -> None:
    texts = [f"Sentence number {n} about topic {n % 7}." for n in range(70)]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: engine.embed(texts, "passage"), range(4)))
    alone = engine.embed([texts[69]], "passage")[0]
    for result in results:
        assert len(result) == 70
        assert cosine(result[69], alone) == pytest.approx(1.0, abs=1e-3)
        assert result[69].indices == alone.indices


def test_strange_texts_are_embedded_too(engine: EngineClient) -> None:
    for embedding in engine.embed(["", " ", "\x00\ud800", "a" * 20000, "😀" * 50], "passage"):
        assert sum(value * value for value in embedding.dense) == pytest.approx(1.0, abs=1e-3)


def test_the_extractor_answers_many_requests_at_once_each_with_its_own(engine: EngineClient) -> None:
    async def ask() -> list[str]:
        extractor = ExtractorClient(engine)
        names = ["Paris", "London", "Berlin", "Madrid", "Vienna"]
        found = await asyncio.gather(*(extractor.extract(f"The company opened an office in {name}.", Schema()) for name in names))
        return [name for name, result in zip(names, found, strict=True) if name in {mention.name for mention in result.mentions}]

    assert len(asyncio.run(ask())) >= 4


def test_texts_that_share_requests_are_extracted_as_each_alone(engine: EngineClient) -> None:
    cities = ("Paris", "London", "Berlin", "Madrid", "Vienna", "Rome", "Lisbon")
    texts = [f"Company {number} opened an office in {cities[number % 7]}." * (1 + number % 3) for number in range(2 * MOST + 3)]

    async def ask() -> tuple[list[Extraction], list[Extraction]]:
        extractor = ExtractorClient(engine)
        together = await asyncio.gather(*(extractor.extract(text, Schema()) for text in texts))
        return together, [await extractor.extract(text, Schema()) for text in texts]

    together, alone = asyncio.run(ask())
    assert together == alone
    assert sum(bool(one.mentions) for one in alone) > MOST


def test_the_extractors_fingerprint_follows_the_schema(engine: EngineClient) -> None:
    extractor = ExtractorClient(engine)
    assert extractor.fingerprint(Schema()) != extractor.fingerprint(Schema(entity_types=("PERSON",)))


def test_the_text_in_a_picture_is_read(engine: EngineClient) -> None:
    image = Image.new("RGB", (500, 120), "white")
    ImageDraw.Draw(image).text((20, 30), "PRESSURE 42 BAR", fill="black", font=ImageFont.load_default(48))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    picture = Picture(ref="#/pictures/3", image="key", box=None, caption="")
    description = asyncio.run(OcrVision(engine).describe(picture, buffer.getvalue()))
    assert (description.ref, description.created_by) == ("#/pictures/3", "ocr")
    assert "PRESSURE" in description.text
    with pytest.raises(BadInput):
        asyncio.run(OcrVision(engine).describe(picture, b"junk"))


# Servers of their own


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mortal]:
    """Without a token: it is for a machine of one's own."""
    home = tmp_path_factory.mktemp("mortal")
    process, address, _ = start_engine_server(home, {"AEGIS_ENGINE_TOKEN": ""})
    client = EngineClient(address, patience=READY_SECONDS)
    yield process, client
    client.close()
    if process.poll() is None:
        stop(process)


def test_a_server_without_a_reranker_says_so(mortal: Mortal) -> None:
    _, client = mortal
    assert client.server_info().reranker == ""
    with pytest.raises(EngineFailed, match="AEGIS_RERANKER_PATH"):
        client.rerank("which grid?", ["a"], 10.0)


def test_no_process_is_above_1500_mb_and_the_template_has_one_thread(
    mortal: Mortal,
) -> None:
    family = psutil.Process(mortal[0].pid).children(recursive=True)
    assert max(member.memory_info().rss for member in family) < 1500 * 2**20
    (template,) = [member for member in family if "forkserver" in " ".join(member.cmdline())]
    assert template.num_threads() == 1


def test_a_second_server_of_the_same_home_ends_with_a_sentence_and_touches_nothing(mortal: Mortal) -> None:
    """It once emptied the first one's directory before it found the port taken."""
    process, client = mortal
    command = [sys.executable, "-m", "aegis_assets.engines.server"]
    second = subprocess.run(
        command, env=psutil.Process(process.pid).environ(), cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert second.returncode == 1
    assert "runs already" in second.stderr
    assert "Traceback" not in second.stderr
    assert len(client.embed(["still here"], "query")) == 1


def test_a_model_that_is_killed_comes_back_and_callers_only_wait(
    mortal: Mortal,
) -> None:
    process, client = mortal
    workers = [child for child in psutil.Process(process.pid).children(recursive=True) if "spawn_main" in " ".join(child.cmdline())]
    assert len(workers) == 2
    max(workers, key=lambda worker: worker.memory_info().rss).kill()
    assert len(client.embed(["still here"], "query")) == 1
    until(lambda: not any(worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE for worker in workers))


def test_all_processes_end_with_a_server_that_is_killed(mortal: Mortal) -> None:
    process, _ = mortal
    family = psutil.Process(process.pid).children(recursive=True)
    assert len(family) >= 5
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    until(lambda: not any(member.is_running() and member.status() != psutil.STATUS_ZOMBIE for member in family))


def test_a_wrong_setting_is_a_sentence_for_everyone_who_asks(tmp_path: Path) -> None:
    """BGE-M3 on a GPU that this machine has not: no fall-back to the CPU, and the parser works all the same."""
    weights = tiny_bge_m3.make(tmp_path / "weights")
    env = {"AEGIS_EMBEDDER": "bge-m3", "AEGIS_EMBEDDER_PATH": str(weights), "AEGIS_EMBEDDER_DEVICE": "cuda:9"}
    process, address, token = start_engine_server(tmp_path / "home", env, wait=False)
    try:
        client = EngineClient(address, token, patience=READY_SECONDS)
        with pytest.raises(Misconfigured, match="AEGIS_EMBEDDER_DEVICE"):
            client.embed(["text"], "query")
        health = httpx.get(f"{address}/health", trust_env=False)
        assert health.status_code == 503
        assert "AEGIS_EMBEDDER_DEVICE" in health.json()["engines"]["embedder"]
    finally:
        stop(process)
