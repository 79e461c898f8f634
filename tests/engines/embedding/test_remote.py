"""Embeddings by URL: what both protocols give, and how a text that is too long is embedded."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from aegis_assets.engines import lexical
from aegis_assets.engines.embedder import tokenizer_path
from aegis_assets.engines.embedding import remote
from aegis_assets.engines.embedding.remote import RemoteEmbedder
from aegis_assets.errors import BadInput, EngineFailed, Misconfigured
from aegis_assets.model.embedding import EmbedderInfo
from aegis_assets.settings import Settings
from tests.doubles.embedding_server import EmbeddingDouble
from tests.engines.embedding.remote_embedder import BOTH, TEXTS, direction, embed, info, using

# What both protocols give


@BOTH
def test_each_text_gets_its_vector_at_unit_length_and_lexical_weights(protocol: Any) -> None:
    with EmbeddingDouble(protocol) as double:
        made_by, embeddings = embed(double.url)
    assert [list(each.dense) for each in embeddings] == [pytest.approx(direction(text), abs=1e-6) for text in TEXTS]
    assert [each.indices for each in embeddings] == [lexical.weigh(text, "passage").indices for text in TEXTS]
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
    assert passage.indices == lexical.weigh("a mesh", "passage").indices
    assert query.indices == lexical.weigh("a mesh", "query").indices


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
    assert made[1].indices == lexical.weigh(long, "passage").indices, "no word is lost for the lexical side"


@BOTH
def test_a_text_that_no_part_of_fits_fails_alone_with_a_sentence(protocol: Any) -> None:
    with (
        EmbeddingDouble(protocol, limit=50) as double,
        pytest.raises(BadInput, match=r"also in 16 parts.*AEGIS_EMBEDDING_MAX_TOKENS"),
    ):
        embed(double.url, ["mesh " * 1000], embedding_max_tokens=50)
