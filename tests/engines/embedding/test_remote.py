"""Embeddings by URL: what both protocols give, what the server may do wrong, and which sentence says what to correct."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

from aegis_assets.engines import lexical
from aegis_assets.engines.embedder import tokenizer_path
from aegis_assets.engines.embedding import remote
from aegis_assets.engines.embedding.remote import RemoteEmbedder
from aegis_assets.errors import AegisError, BadInput, EngineFailed, EngineUnavailable, Misconfigured
from aegis_assets.model.embedding import EmbedderInfo, Embedding
from aegis_assets.settings import Settings
from tests import certificates
from tests.doubles.embedding_server import EmbeddingDouble, vector
from tests.engine_service import free_port

Result = TypeVar("Result")
Made = tuple[EmbedderInfo, list[Embedding]]
TEXTS = ["Ada wrote the first program.", "A mesh of triangles.", "Rain in the evening."]
BOTH = pytest.mark.parametrize("protocol", ["openai", "tei"])


def using(chosen: Settings, act: Callable[[RemoteEmbedder], Coroutine[Any, Any, Result]]) -> Result:
    async def run() -> Result:
        embedder = RemoteEmbedder(chosen)
        try:
            return await act(embedder)
        finally:
            await embedder.close()

    return asyncio.run(run())


def info(url: str, **more: Any) -> EmbedderInfo:
    return using(Settings(embedding_url=url, **more), lambda embedder: embedder.info())


def embed(url: str, texts: list[str] = TEXTS, kind: remote.Kind = "passage", batch: int = 0, **more: Any) -> Made:
    return using(Settings(embedding_url=url, **more), lambda embedder: embedder.embed(texts, kind, batch))


def direction(text: str, dimension: int = 32) -> list[float]:
    numbers = vector(text, dimension)
    length = math.hypot(*numbers)
    return [number / length for number in numbers]


# What both protocols give


@BOTH
def test_each_text_gets_its_vector_at_unit_length_and_lexical_weights(protocol: Any) -> None:
    with EmbeddingDouble(protocol) as double:
        made_by, embeddings = embed(double.url)
    assert [list(each.dense) for each in embeddings] == [pytest.approx(direction(text), abs=1e-6) for text in TEXTS]
    assert [(each.indices, each.values) for each in embeddings] == [lexical.passage_weights(text) for text in TEXTS]
    assert (made_by.name, made_by.dimension, made_by.sparse) == ("tiny-embedder", 32, "lexical")
    assert double.url in made_by.server


@BOTH
def test_no_texts_are_no_request_for_vectors(protocol: Any) -> None:
    with EmbeddingDouble(protocol) as double:
        assert embed(double.url, [])[1] == []
        assert double.texts == [remote.PROBE]


@pytest.mark.parametrize(
    ("protocol", "path", "choice", "meant"),
    [
        ("openai", "/v1", "auto", "OpenAI-compatible"),
        ("openai", "", "auto", "OpenAI-compatible"),
        ("openai", "", "openai", "OpenAI-compatible"),
        ("tei", "", "auto", "text-embeddings-inference"),
        ("tei", "/", "tei", "text-embeddings-inference"),
    ],
)
def test_the_protocol_is_found_out_from_the_address_and_from_info(protocol: Any, path: str, choice: Any, meant: str) -> None:
    with EmbeddingDouble(protocol) as double:
        assert info(double.root + path, embedder=choice).server.startswith(meant)


@BOTH
def test_a_batch_is_no_larger_than_caller_and_server_want(protocol: Any) -> None:
    texts = [f"text number {n}" for n in range(70)]
    with EmbeddingDouble(protocol) as double:
        made = embed(double.url, texts, batch=16)[1]
        assert max(map(len, double.requests)) == 16
        assert list(made[69].dense) == pytest.approx(direction(texts[69]), abs=1e-6)
        double.requests.clear()
        embed(double.url, texts)
        assert max(map(len, double.requests)) == (70 if protocol == "openai" else double.most_texts)


@BOTH
def test_prefixes_go_before_what_is_embedded_and_not_into_the_words(protocol: Any) -> None:
    prefixes = {"embedding_query_prefix": "query: ", "embedding_passage_prefix": "passage: "}
    with EmbeddingDouble(protocol) as double:
        (passage,) = embed(double.url, ["a mesh"], **prefixes)[1]
        (query,) = embed(double.url, ["a mesh"], "query", **prefixes)[1]
    assert [text for text in double.texts if text != remote.PROBE] == ["passage: a mesh", "query: a mesh"]
    assert passage.indices == query.indices == (lexical.index("mesh"),)


def test_floats_are_read_where_base64_was_asked_for() -> None:
    with EmbeddingDouble(ignores_base64=True) as double:
        assert list(embed(double.url)[1][0].dense) == pytest.approx(direction(TEXTS[0]), abs=1e-6)


def test_answers_in_another_order_go_to_their_texts() -> None:
    with EmbeddingDouble(fault="reversed") as double:
        assert list(embed(double.url)[1][0].dense) == pytest.approx(direction(TEXTS[0]), abs=1e-6)


def test_the_sparse_side_may_be_a_splade_server() -> None:
    with EmbeddingDouble("tei") as dense, EmbeddingDouble("tei", model="splade", pooling="splade", most_texts=2) as sparse:
        made_by, embeddings = embed(dense.url, embedding_sparse_url=sparse.url)
    assert made_by.sparse == "splade"
    assert all(each.indices and set(each.values) == {1.5} for each in embeddings)
    assert len(embeddings) == 3
    assert max(map(len, sparse.requests)) == 2


# The model


def test_the_only_model_of_a_server_goes_without_saying_and_of_several_one_is_named() -> None:
    with EmbeddingDouble(models=("a", "b")) as double:
        with pytest.raises(Misconfigured, match=r"AEGIS_EMBEDDING_MODEL is empty.*has a, b"):
            info(double.url)
        assert info(double.url, embedding_model="b").name == "b"
    with EmbeddingDouble() as double:
        assert info(double.url).name == "tiny-embedder"


def test_a_server_that_lists_nothing_is_used_by_the_name_that_is_set() -> None:
    with EmbeddingDouble(lists_models=False) as double:
        assert info(double.url, embedding_model="tiny-embedder").name == "tiny-embedder"
        with pytest.raises(Misconfigured, match="has no list of its models"):
            info(double.url)


@BOTH
def test_a_fingerprint_follows_model_revision_dimension_and_passage_prefix_and_not_the_address(protocol: Any) -> None:
    def made(prefix: str = "", **more: Any) -> str:
        with EmbeddingDouble(protocol, **more) as double:
            return info(double.url, embedding_passage_prefix=prefix, embedding_query_prefix=prefix).fingerprint

    changed = [made(), made(model="other"), made(dimension=16), made(prefix="passage: ")]
    if protocol == "tei":
        changed.append(made(revision="r2"))
    assert len(set(changed)) == len(changed)
    assert made() == changed[0], "the same model on another port"


@pytest.mark.parametrize(
    ("limit", "more", "tokens"),
    [
        (8192, {}, 512),
        (512, {}, 384),
        (512, {"embedding_tokenizer": str(tokenizer_path(Settings()))}, 512),
        (512, {"embedding_tokenizer": str(tokenizer_path(Settings()) / "tokenizer.json")}, 512),
        (512, {"embedding_max_tokens": 256}, 192),
        (256, {"embedding_max_tokens": 8192}, 192),
    ],
)
def test_a_chunk_is_as_long_as_the_model_reads_with_a_margin_where_another_tokenizer_counts(
    limit: int, more: dict[str, Any], tokens: int
) -> None:
    for protocol in ("openai", "tei"):
        with EmbeddingDouble(protocol, limit=limit) as double:  # type: ignore[arg-type]
            assert info(double.url, **more).max_tokens == tokens


def test_another_tokenizer_is_another_cut(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    with EmbeddingDouble() as double:
        stand_in, own = info(double.url), info(double.url, embedding_tokenizer=str(tmp_path))
    assert stand_in.tokenizer == remote.STAND_IN != own.tokenizer
    assert stand_in.fingerprint == own.fingerprint, "vectors of the same texts are the same"
    with pytest.raises(Misconfigured, match="AEGIS_EMBEDDING_TOKENIZER"):
        RemoteEmbedder(Settings(embedding_url=double.url, embedding_tokenizer=str(tmp_path / "nowhere")))


def test_a_model_that_reads_too_little_for_a_chunk_is_refused() -> None:
    with EmbeddingDouble("tei", limit=32) as double, pytest.raises(Misconfigured, match=r"reads 32 tokens.*too little"):
        info(double.url)


def test_another_model_behind_the_same_address_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "REFRESH_SECONDS", 0.0)

    async def exchange(embedder: RemoteEmbedder) -> list[EmbedderInfo]:
        before = await embedder.info()
        double.model, double.dimension = "other", 16
        return [before, await embedder.info(), (await embedder.embed(["a"], "query"))[0]]

    with EmbeddingDouble("tei") as double:
        before, after, made_by = using(Settings(embedding_url=double.url), exchange)
    assert (before.name, before.dimension) == ("tiny-embedder", 32)
    assert (after.name, after.dimension) == (made_by.name, made_by.dimension) == ("other", 16)


def test_a_server_whose_vectors_change_their_length_is_refused_and_then_asked_anew() -> None:
    async def exchange(embedder: RemoteEmbedder) -> EmbedderInfo:
        await embedder.info()
        double.dimension = 16
        with pytest.raises(EngineFailed, match="16 dimensions where it had 32: another model runs there"):
            await embedder.embed(["a"], "passage")
        return (await embedder.embed(["a"], "passage"))[0]

    with EmbeddingDouble() as double:
        assert using(Settings(embedding_url=double.url), exchange).dimension == 16


def test_what_is_known_outlives_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks are cut by it: parsing need not stop because embedding does."""
    monkeypatch.setattr(remote, "REFRESH_SECONDS", 0.0)

    async def outage(embedder: RemoteEmbedder) -> tuple[EmbedderInfo, EmbedderInfo]:
        before = await embedder.info()
        double.__exit__(None, None, None)
        return before, await embedder.info()

    double = EmbeddingDouble("tei").__enter__()
    before, after = using(Settings(embedding_url=double.url), outage)
    assert before == after


# Texts that are too long


@BOTH
def test_a_text_that_is_too_long_is_embedded_in_parts_and_the_others_as_they_are(protocol: Any) -> None:
    long = "mesh " * 40 + "rain " * 40
    with EmbeddingDouble(protocol, limit=50) as double:
        made = embed(double.url, ["a mesh", long.strip(), "rain"], embedding_max_tokens=50)[1]
    assert list(made[0].dense) == pytest.approx(direction("a mesh"), abs=1e-6)
    assert list(made[2].dense) == pytest.approx(direction("rain"), abs=1e-6)
    halves = [sum(pair) for pair in zip(direction("mesh"), direction("rain"), strict=True)]
    assert list(made[1].dense) == pytest.approx([value / math.hypot(*halves) for value in halves], abs=1e-2)
    assert made[1].indices == lexical.passage_weights(long)[0], "no word is lost for the lexical side"


@BOTH
def test_a_text_that_no_part_of_fits_fails_alone_with_a_sentence(protocol: Any) -> None:
    with (
        EmbeddingDouble(protocol, limit=50) as double,
        pytest.raises(BadInput, match=r"also in 16 parts.*AEGIS_EMBEDDING_MAX_TOKENS"),
    ):
        embed(double.url, ["mesh " * 1000], embedding_max_tokens=50)


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
