"""Documents through the job with AEGIS_EMBEDDING_URL: by an engine server of these tests, which embeds by a server's double."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import pytest

from aegis_assets import settings as settings_module
from aegis_assets.defs import platform as platform_module
from aegis_assets.engines.client import EngineClient
from aegis_assets.model.document import State
from aegis_assets.model.ids import collection_id
from aegis_assets.settings import ROOT
from tests.defs.conftest import COLLECTION, Bench
from tests.doubles.embedding_server import EmbeddingDouble
from tests.engine_service import start_engine_server, stop

NOTE = (ROOT / "samples" / "unix.md").read_bytes()


@contextmanager
def engine_server(home: Path, server: EmbeddingDouble) -> Iterator[tuple[str, str]]:
    """Address and token of an engine server that loads no embedder."""
    process, address, token = start_engine_server(home, {"AEGIS_EMBEDDING_URL": server.url})
    try:
        yield address, token
    finally:
        stop(process)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("engine")


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddingDouble]:
    with EmbeddingDouble("tei", dimension=48) as double:
        yield double


@pytest.fixture(scope="module")
def engine(server: EmbeddingDouble, home: Path) -> Iterator[tuple[str, str]]:
    with engine_server(home, server) as running:
        yield running


@pytest.fixture
def environment(
    environment: pytest.MonkeyPatch, engine: tuple[str, str], home: Path, server: EmbeddingDouble
) -> pytest.MonkeyPatch:
    environment.setenv("AEGIS_ENGINE_URL", engine[0])
    environment.setenv("AEGIS_ENGINE_TOKEN", engine[1])
    environment.setenv("AEGIS_BUCKET_URL", (home / "bucket").as_uri())
    server.requests.clear()
    return environment


@contextmanager
def another_model(
    bench: Bench, environment: pytest.MonkeyPatch, directory: Path, home: Path, server: EmbeddingDouble
) -> Iterator[None]:
    """As after a change of AEGIS_EMBEDDING_URL: the engine server is restarted, and a run is a new process."""
    with engine_server(directory, server) as (address, token):
        environment.setenv("AEGIS_ENGINE_URL", address)
        environment.setenv("AEGIS_ENGINE_TOKEN", token)
        (directory / "bucket").rmdir() if (directory / "bucket").is_dir() else None
        (directory / "bucket").symlink_to(home / "bucket")
        settings_module.settings.cache_clear()
        platform_module.build.cache_clear()
        yield
        platform_module.build().ledger.close()  # type: ignore[attr-defined]


def nearest(bench: Bench, question: str) -> list[UUID]:
    """Chunks, best first."""
    engine = bench.platform.embedder
    assert isinstance(engine, EngineClient)
    hits = bench.platform.vectors.search(collection_id(COLLECTION), engine.embed([question], "query")[0], 5)
    return [hit.id for hit in hits]


def test_a_document_is_embedded_by_the_server_and_found(bench: Bench, server: EmbeddingDouble) -> None:
    document = bench.register("unix.md", NOTE)
    other = bench.register("rain.md", b"# Weather\n\nRain falls in the evening and the streets are wet.\n")
    bench.materialize(document, other)
    result = bench.result(document)
    assert result["state"] == State.SUCCEEDED, result
    assert result["chunks"] == result["vectors"] > 0  # type: ignore[operator]
    assert result["engines"]["embedder"] == "tiny-embedder"  # type: ignore[index]
    assert any("Dennis Ritchie" in text for text in server.texts), "the texts of its chunks went there"
    assert bench.agree(document)
    assert nearest(bench, "Rain falls in the evening")[0] in bench.everything(other).chunks
    bench.materialize(document)
    assert bench.result(document)["work"]["embedded_chunks"] == 0  # type: ignore[index]


def test_a_server_that_has_too_much_to_do_delays_a_document_and_fails_none(bench: Bench, server: EmbeddingDouble) -> None:
    bench.platform.embedder.info()
    server.too_many, server.retry_after = 3, 0.5
    document = bench.register("busy.md", b"# Busy\n\nMarie Curie wrote a letter from Paris to somebody else.\n")
    bench.materialize(document)
    assert server.too_many == 0
    assert bench.result(document)["state"] == State.SUCCEEDED
    assert bench.result(document)["failures"] == []


@pytest.mark.parametrize(
    ("model", "dimension"),
    [("other", 48), pytest.param("large", 64, marks=pytest.mark.slow)],  # tests/stores refuse another dimension in any store
)
def test_another_model_is_refused_by_the_vectors_that_are_there_and_embeds_all_anew_where_they_are_gone(
    bench: Bench, environment: pytest.MonkeyPatch, tmp_path: Path, home: Path, model: str, dimension: int
) -> None:
    document = bench.register("unix.md", NOTE)
    bench.materialize(document)
    before = bench.everything(document)
    second = EmbeddingDouble("tei", model=model, dimension=dimension)
    with second, another_model(bench, environment, tmp_path / "second", home, second):
        assert not bench.materialize(document).success
        message = str(bench.platform.ledger.document(document).message)
        assert "made by tiny-embedder (48 dimensions)" in message
        assert f"{model} ({dimension} dimensions)" in message
        assert not [text for text in second.texts if "Dennis Ritchie" in text], "nothing was embedded in vain"

        platform_module.build().vectors.delete_collection(collection_id(COLLECTION))  # type: ignore[attr-defined]
        bench.materialize(document)
        result = bench.result(document)
        assert result["state"] == State.SUCCEEDED, result
        work = result["work"]
        assert work["embedded_chunks"] == result["chunks"] == result["vectors"]  # type: ignore[index]
        assert work["extracted_chunks"] == 0  # type: ignore[index]
        assert any("Dennis Ritchie" in text for text in second.texts)
        assert bench.everything(document).chunks == before.chunks
