"""The model that is loaded in this process is the tiny BGE-M3; MiniLM is tested through the server, which has it loaded anyway."""

from __future__ import annotations

from pathlib import Path

import pytest

from aegis_assets.engines.embedder import Embedder, chunk_tokens, cores, model_path, tokenizer_path
from aegis_assets.errors import Misconfigured
from aegis_assets.settings import Settings
from tests.doubles import tiny_bge_m3


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bge_m3.make(tmp_path_factory.mktemp("bge") / "m3")


@pytest.fixture(scope="module")
def embedder(checkpoint: Path) -> Embedder:
    return Embedder(Settings(embedder="bge-m3", embedder_path=str(checkpoint), embedding_batch_size=2))


def test_bge_m3_gives_dense_and_sparse_vectors(embedder: Embedder) -> None:
    short, long = embedder.embed(["the mesh", "Alice founded a company in Paris " * 5], ["passage", "passage"])
    assert len(short.dense) == tiny_bge_m3.HIDDEN == embedder.info.dimension
    assert sum(value * value for value in short.dense) == pytest.approx(1.0, abs=1e-3)
    assert embedder.info.sparse == "bge-m3"
    assert long.indices
    assert list(long.indices) == sorted(set(long.indices))
    assert all(value > 0 for value in long.values)


def test_sparse_indices_are_the_tokens_of_the_text(embedder: Embedder, checkpoint: Path) -> None:
    from tokenizers import Tokenizer

    text = "A document is cut into chunks"
    (embedding,) = embedder.embed([text], ["query"])
    tokens = set(Tokenizer.from_file(str(checkpoint / "tokenizer.json")).encode(text, add_special_tokens=False).ids)
    assert set(embedding.indices) <= tokens


def test_the_order_of_the_texts_is_kept_although_they_are_sorted_by_length(embedder: Embedder) -> None:
    texts = [("mesh " * n).strip() for n in (9, 1, 5, 3, 7)]
    together = embedder.embed(texts, ["passage"] * 5)
    alone = [embedder.embed([text], ["passage"])[0] for text in texts]
    for one, other in zip(together, alone, strict=True):
        assert one.dense == pytest.approx(other.dense, abs=1e-4)
        assert one.indices == other.indices


@pytest.mark.parametrize(("texts", "batches"), [(1, 1), (2, 1), (3, 2), (8, 4)])
def test_each_batch_is_computed_once(embedder: Embedder, monkeypatch: pytest.MonkeyPatch, texts: int, batches: int) -> None:
    """encode() alone computes its first batch twice; calls that follow each other share nothing, also with equal texts."""
    passes: list[object] = []
    forward = embedder._once._forward

    def counted(*batch: object, **options: object) -> object:
        passes.append(batch)
        return forward(*batch, **options)

    monkeypatch.setattr(embedder._once, "_forward", counted)
    for _ in range(2):
        embedder.embed(["the mesh " * n for n in range(1, texts + 1)], ["passage"] * texts)
    assert len(passes) == 2 * batches


def test_vectors_are_those_of_plain_flagembedding(embedder: Embedder, checkpoint: Path) -> None:
    from FlagEmbedding import BGEM3FlagModel

    texts = [("mesh field " * n).strip() for n in (9, 1, 5, 3, 7)]
    plain = BGEM3FlagModel(str(checkpoint), devices=["cpu"], use_fp16=False).encode(texts, batch_size=2, max_length=512)
    for ours, theirs in zip(embedder.embed(texts, ["passage"] * 5), plain["dense_vecs"].tolist(), strict=True):
        assert list(ours.dense) == pytest.approx(theirs, abs=1e-6)


@pytest.mark.parametrize(("quota", "expected"), [("max 100000", 3.0), ("150000 100000", 1.5), ("800000 100000", 3.0), ("", 3.0)])
def test_no_more_threads_than_the_container_may_use(monkeypatch: pytest.MonkeyPatch, quota: str, expected: float) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2})
    monkeypatch.setattr(Path, "read_text", lambda _: quota)
    assert cores() == expected


def test_no_texts_are_no_embeddings(embedder: Embedder) -> None:
    assert embedder.embed([], []) == []


def test_the_fingerprint_follows_the_weights_and_not_the_path(embedder: Embedder, checkpoint: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere"
    copy.mkdir()
    for file in checkpoint.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    same = Embedder(Settings(embedder="bge-m3", embedder_path=str(copy)))
    assert same.info.fingerprint == embedder.info.fingerprint
    content = bytearray((copy / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (copy / "model.safetensors").write_bytes(content)
    other = Embedder(Settings(embedder="bge-m3", embedder_path=str(copy)))
    assert other.info.fingerprint != embedder.info.fingerprint


def test_bge_m3_without_a_path_says_which_setting_is_missing() -> None:
    with pytest.raises(Misconfigured, match="AEGIS_EMBEDDER_PATH"):
        Embedder(Settings(embedder="bge-m3"))


def test_a_directory_without_the_sparse_layer_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    """FlagEmbedding would go on with random sparse weights."""
    for file in checkpoint.iterdir():
        if file.name != "sparse_linear.pt":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(Misconfigured, match=r"sparse_linear\.pt"):
        Embedder(Settings(embedder="bge-m3", embedder_path=str(tmp_path)))


def test_weights_that_cannot_be_read_are_a_sentence(checkpoint: Path, tmp_path: Path) -> None:
    for file in checkpoint.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"junk")
    with pytest.raises(Misconfigured, match="cannot be loaded"):
        Embedder(Settings(embedder="bge-m3", embedder_path=str(tmp_path)))


def test_a_gpu_that_is_not_there_is_an_error_and_no_fall_back(checkpoint: Path) -> None:
    import torch

    missing = f"cuda:{torch.cuda.device_count()}"
    with pytest.raises(Misconfigured, match=missing):
        Embedder(Settings(embedder="bge-m3", embedder_path=str(checkpoint), embedder_device=missing))


def test_the_tokenizer_of_each_embedder_is_a_file_beside_its_weights(checkpoint: Path) -> None:
    for chosen in (Settings(), Settings(embedder="bge-m3", embedder_path=str(checkpoint))):
        assert (tokenizer_path(chosen) / "tokenizer.json").is_file()
        assert tokenizer_path(chosen) == model_path(chosen)
    assert chunk_tokens(Settings()) == 256
