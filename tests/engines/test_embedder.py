"""The model that is loaded in this process is the tiny BGE-M3; MiniLM is tested through the server, which has it loaded anyway."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from aegis_assets.engines.embedder import Embedder, chunk_tokens, model_path, tokenizer_path
from aegis_assets.engines.forward import cores, pieces
from aegis_assets.errors import Misconfigured
from aegis_assets.settings import ROOT, Settings
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


@pytest.mark.parametrize(("tokens", "batch"), [(512, 2), (24, 5), (1, 5)], ids=["whole batches", "pieces", "a piece per text"])
def test_vectors_are_those_of_plain_flagembedding(
    embedder: Embedder, checkpoint: Path, monkeypatch: pytest.MonkeyPatch, tokens: int, batch: int
) -> None:
    from FlagEmbedding import BGEM3FlagModel

    texts = [("mesh field " * n).strip() for n in (9, 1, 5, 3, 7)]
    plain = BGEM3FlagModel(str(checkpoint), devices=["cpu"], use_fp16=False)
    wanted = plain.encode(texts, batch_size=2, max_length=512, return_sparse=True)
    monkeypatch.setattr("aegis_assets.engines.forward.PIECE_TOKENS", tokens)
    for index, ours in enumerate(embedder.embed(texts, ["passage"] * 5, batch)):
        assert list(ours.dense) == pytest.approx(wanted["dense_vecs"][index].tolist(), abs=1e-6)
        sparse = {int(token): float(weight) for token, weight in wanted["lexical_weights"][index].items() if weight > 0}
        assert dict(zip(ours.indices, ours.values, strict=True)) == pytest.approx(sparse, abs=1e-4)


def test_a_batch_is_cut_into_pieces_that_hold_their_padding() -> None:
    assert pieces([]) == []
    assert pieces([600]) == [(0, 1, 600)]
    assert pieces([256, 256, 256]) == [(0, 2, 256), (2, 3, 256)]
    assert pieces([300, 200, 180, 150, 8]) == [(0, 1, 300), (1, 3, 200), (3, 5, 150)]
    assert pieces([8] * 64) == [(0, 64, 8)]


def test_a_text_that_breaks_the_model_breaks_the_whole_call(embedder: Embedder, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not the next one: the caller asks for each alone."""
    monkeypatch.setattr("aegis_assets.engines.forward.PIECE_TOKENS", 1)
    encoder = embedder._model.model.model.forward
    forward = encoder._forward

    def breaks(**batch: Any) -> Any:
        if batch["attention_mask"].shape[1] > 20:
            raise ValueError("too long for this model")
        return forward(**batch)

    monkeypatch.setattr(encoder, "_forward", breaks)
    with pytest.raises(ValueError, match="too long"):
        embedder.embed(["mesh", "mesh " * 40], ["passage"] * 2, 2)
    assert len(embedder.embed(["mesh", "a field"], ["passage"] * 2, 2)) == 2


@pytest.mark.parametrize(("quota", "share"), [("max", 1.0), (50_000, 0.5), (75_000, 0.75), (800_000, 1.0)])
def test_no_more_cores_than_the_containers_quota(tmp_path: Path, quota: str | int, share: float) -> None:
    """As the kernel writes the file: microseconds of a period, over all cores."""
    allowed = len(os.sched_getaffinity(0))
    file = tmp_path / "cpu.max"
    file.write_text(f"{quota if isinstance(quota, str) else quota * allowed} 100000\n")
    assert cores(file) == share * allowed


def test_without_a_quota_that_can_be_read_the_affinity_counts(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").touch()
    assert cores(tmp_path / "cpu.max") == cores(tmp_path / "none") == len(os.sched_getaffinity(0))


def test_no_more_threads_than_cores_that_the_process_may_use() -> None:
    """A process of its own, pinned to one core; of itself torch would do as OpenMP's variable says."""
    pinned = "; ".join(
        (
            "import os, torch",
            "before = torch.get_num_threads()",
            "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})",
            "from aegis_assets.engines.forward import cores",
            "from aegis_assets.engines.torch_device import prepare_device",
            "prepare_device('cpu', 'AEGIS_EMBEDDER_DEVICE')",
            "print(before, cores(), torch.get_num_threads())",
        )
    )
    run = subprocess.run(
        [sys.executable, "-c", pinned],
        env={**os.environ, "OMP_NUM_THREADS": "2"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    before, may_use, threads = run.stdout.split() or [run.stderr] * 3
    assert before == "2"
    assert 0 < float(may_use) <= 1
    assert threads == "1"


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
