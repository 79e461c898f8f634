"""Embeddings by URL: what the server may do wrong, and which sentence says what to correct."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from aegis_assets.engines.embedding import remote
from aegis_assets.engines.embedding.remote import RemoteEmbedder
from aegis_assets.errors import AegisError, EngineFailed, EngineUnavailable, Misconfigured
from aegis_assets.settings import Settings
from tests import certificates
from tests.doubles.embedding_server import EmbeddingDouble
from tests.engine_service import free_port
from tests.engines.embedding.remote_embedder import BOTH, TEXTS, info, using

# Too much to do


@BOTH
def test_a_429_is_waited_for_as_long_as_the_server_asks(protocol: Any) -> None:
    async def ask(embedder: RemoteEmbedder) -> tuple[float, int]:
        await embedder.info()
        double.too_many, double.retry_after = 1, 0.6
        started = time.monotonic()
        made = (await embedder.embed(TEXTS, "passage"))[1]
        return time.monotonic() - started, len(made)

    with EmbeddingDouble(protocol) as double:
        waited, count = using(Settings(embedding_url=double.url), ask)
    assert count == 3
    assert waited >= 0.6


def test_a_pause_is_everybodys() -> None:
    """Requests that came in the meantime would be refused as well."""

    async def ask(embedder: RemoteEmbedder) -> None:
        await embedder.info()
        double.too_many, double.retry_after = 1, 0.5
        first = asyncio.create_task(embedder.embed(["a"], "passage"))
        while double.too_many:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        started = time.monotonic()
        await embedder.embed(["b"], "query")
        assert time.monotonic() - started > 0.2
        await first

    with EmbeddingDouble() as double:
        using(Settings(embedding_url=double.url), ask)


@pytest.mark.parametrize("after", [3600.0, None])
def test_a_server_that_stays_overloaded_is_given_up(after: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(remote.PATIENCE, "query", 0.5)
    monkeypatch.setattr(remote, "BACK_OFF", (0.05, 0.1))
    with (
        EmbeddingDouble(too_many=10_000, retry_after=after) as double,
        pytest.raises(EngineUnavailable, match="overloaded") as error,
    ):
        info(double.url)
    assert error.value.retryable
    assert 10_000 - double.too_many < 20


def test_who_comes_during_a_pause_longer_than_his_patience_is_told_at_once_and_asks_nothing() -> None:
    async def ask(embedder: RemoteEmbedder) -> int:
        await embedder.info()
        double.too_many, double.retry_after = 10, 3600.0
        for _ in range(3):
            with pytest.raises(EngineUnavailable, match="overloaded"):
                await embedder.embed(["a"], "query")
        return 10 - double.too_many

    with EmbeddingDouble() as double:
        assert using(Settings(embedding_url=double.url), ask) == 1


def test_passages_are_sent_a_few_at_once_and_a_query_overtakes_them() -> None:
    async def ask(embedder: RemoteEmbedder) -> int:
        await embedder.info()
        double.fault = "hangs"
        waiting = [asyncio.create_task(embedder.embed([f"passage {n}"], "passage")) for n in range(20)]
        while double.in_flight < remote.REQUESTS_AT_ONCE:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        at_once, double.fault = double.in_flight, ""
        await embedder.embed(["who?"], "query")
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        return at_once

    with EmbeddingDouble() as double:
        assert using(Settings(embedding_url=double.url), ask) == remote.REQUESTS_AT_ONCE


# What goes wrong, each with its sentence


@BOTH
@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("zeros", "a vector of zeros"),
        ("not a number", "holds no number"),
        ("fewer", "2 vectors for 3 texts"),
        ("shorter", "31 dimensions where it had 32"),
    ],
)
def test_vectors_that_are_none_are_refused(protocol: Any, fault: str, sentence: str) -> None:
    async def ask(embedder: RemoteEmbedder) -> None:
        await embedder.info()
        double.fault = fault
        await embedder.embed(TEXTS, "passage")

    with EmbeddingDouble(protocol) as double, pytest.raises(EngineFailed, match=sentence) as error:
        using(Settings(embedding_url=double.url), ask)
    assert error.value.retryable


def test_numbers_that_are_all_the_same_are_refused() -> None:
    async def ask(embedder: RemoteEmbedder) -> None:
        await embedder.info()
        double.fault = "misnumbered"
        await embedder.embed(TEXTS, "passage")

    with EmbeddingDouble() as double, pytest.raises(EngineFailed, match="numbered them wrongly"):
        using(Settings(embedding_url=double.url), ask)


@BOTH
@pytest.mark.parametrize(
    ("fault", "kind", "sentence"),
    [
        ("status 401", Misconfigured, r"refuses access \(HTTP 401\): correct AEGIS_EMBEDDING_API_KEY"),
        ("status 403", Misconfigured, "AEGIS_EMBEDDING_API_KEY"),
        ("status 404", Misconfigured, "does not speak .*'s protocol.*: correct AEGIS_EMBEDDING_URL"),
        ("status 500", EngineFailed, r"failed on the request \(HTTP 500\): .*as asked"),
        ("status 501", Misconfigured, "makes no embeddings"),
        ("status 502", EngineUnavailable, "behind a proxy"),
        ("status 418", EngineFailed, r"refused the request \(HTTP 418\)"),
        ("no quota", Misconfigured, "quota of AEGIS_EMBEDDING_API_KEY is used up"),
        ("redirects", Misconfigured, r"protocol \(HTTP 307\): correct AEGIS_EMBEDDING_URL"),
        ("html", AegisError, "does not speak .*'s protocol: correct AEGIS_EMBEDDING_URL"),
    ],
)
def test_a_refusal_says_what_to_correct(protocol: Any, fault: str, kind: type[AegisError], sentence: str) -> None:
    with EmbeddingDouble(protocol, fault=fault) as double, pytest.raises(kind, match=sentence) as error:
        info(double.url, embedder=protocol, embedding_model="tiny-embedder")
    assert error.value.retryable == (not isinstance(error.value, Misconfigured) and fault != "status 418")


def test_a_model_that_is_not_there_is_named() -> None:
    with (
        EmbeddingDouble() as double,
        pytest.raises(Misconfigured, match="does not have the model bge-large: correct AEGIS_EMBEDDING"),
    ):
        info(double.url, embedding_model="bge-large")
    with EmbeddingDouble("tei") as double, pytest.raises(Misconfigured, match="runs tiny-embedder, not bge-large"):
        info(double.url, embedding_model="bge-large")


@pytest.mark.parametrize(
    ("pooling", "setting", "sentence"),
    [
        ("splade", "embedding_url", "AEGIS_EMBEDDING_SPARSE_URL"),
        ("reranker", "embedding_url", "embeds nothing"),
        ("mean", "embedding_sparse_url", "without SPLADE pooling"),
    ],
)
def test_a_model_of_another_kind_is_refused(pooling: str, setting: str, sentence: str) -> None:
    said = pytest.raises(Misconfigured, match=sentence)
    with EmbeddingDouble("tei") as sound, EmbeddingDouble("tei", pooling=pooling) as double, said:
        using(Settings(**{"embedding_url": sound.url, setting: double.url}), lambda embedder: embedder.info())


@BOTH
def test_the_key_goes_along_and_a_wrong_one_is_said(protocol: Any) -> None:
    with EmbeddingDouble(protocol, key="hush") as double:
        assert info(double.url, embedding_api_key="hush").dimension == 32
        for wrong in ("", "wrong"):
            with pytest.raises(Misconfigured, match="AEGIS_EMBEDDING_API_KEY") as error:
                info(double.url, embedding_api_key=wrong)
            assert "hush" not in error.value.message


@pytest.mark.parametrize("embedder", ["openai", "tei", "auto"])
@pytest.mark.parametrize(
    ("url", "key", "sentence"),
    [
        ("127.0.0.1:80/v1", "", "must begin with http"),
        ("ftp://127.0.0.1/v1", "", "must begin with http"),
        ("http://", "", "must begin with http"),
        ("http://127.0.0.1:port", "", "is not an address"),
        ("http://embeddings.example.com/v1", "", "must be https"),
        ("http://127.0.0.1:1/v1", "two words", "AEGIS_EMBEDDING_API_KEY has a blank"),
        ("http://127.0.0.1:1/v1", "schlüssel", "AEGIS_EMBEDDING_API_KEY has a blank or a letter"),
        ("http://127.0.0.1:1/v1", "key\n", "AEGIS_EMBEDDING_API_KEY has a blank"),
    ],
)
def test_an_address_or_a_key_that_can_be_none_is_said_before_anything_is_sent(
    embedder: Any, url: str, key: str, sentence: str
) -> None:
    with pytest.raises(Misconfigured, match=sentence) as error:
        info(url, embedder=embedder, embedding_api_key=key, embedding_model="m")
    assert not key or key not in error.value.message


def test_a_password_in_the_address_is_in_no_sentence() -> None:
    with pytest.raises(EngineUnavailable) as error:
        info(f"http://someone:hush@127.0.0.1:{free_port()}/v1", embedding_model="m")
    assert "hush" not in error.value.message
    assert "someone" not in error.value.message


def test_a_choice_without_an_address_is_said() -> None:
    with pytest.raises(Misconfigured, match="AEGIS_EMBEDDER is 'tei' and AEGIS_EMBEDDING_URL is empty"):
        RemoteEmbedder(Settings(embedder="tei"))


@pytest.mark.parametrize("embedder", ["openai", "tei", "auto"])
@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.internal"])
def test_a_server_that_is_not_there_is_one_sentence(embedder: Any, host: str) -> None:
    with pytest.raises(EngineUnavailable, match="cannot be reached: start it, or correct AEGIS_EMBEDDING_URL"):
        info(f"http://{host}:{free_port()}", embedder=embedder, embedding_model="m")


@BOTH
def test_a_server_that_never_answers_is_given_up(protocol: Any) -> None:
    said = pytest.raises(EngineUnavailable, match=r"no answer within 0\.5 s: raise AEGIS_EMBEDDING_TIMEOUT")
    with EmbeddingDouble(protocol, fault="hangs") as double, said:
        info(double.url, embedder=protocol, embedding_timeout=0.5)


@BOTH
def test_a_certificate_of_an_unknown_authority_is_said_and_one_of_a_known_one_is_trusted(protocol: Any, tmp_path: Path) -> None:
    made = certificates.make(tmp_path)
    with EmbeddingDouble(protocol, certificate=(made.certificate, made.key)) as double:
        with pytest.raises(Misconfigured, match=rf"certificate of {double.url}.*AEGIS_CA_FILE"):
            info(double.url, embedder=protocol)
        assert info(double.url, embedder=protocol, ca_file=str(made.authority)).dimension == 32
        with pytest.raises(AegisError):
            info(double.url.replace("https", "http"), embedder=protocol)


@BOTH
def test_https_to_a_server_without_it_is_said(protocol: Any) -> None:
    with EmbeddingDouble(protocol) as double, pytest.raises(Misconfigured, match="does not speak https"):
        info(double.url.replace("http", "https"), embedder=protocol)
