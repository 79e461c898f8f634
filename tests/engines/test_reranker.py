"""The reranker: a checkpoint whose order is known, in this process and in the child that the engine server starts for it."""

from __future__ import annotations

from collections.abc import Iterator
from multiprocessing import forkserver
from pathlib import Path

import psutil
import pytest

from aegis_assets.engines.reranker import rank
from aegis_assets.engines.sandbox import Sandbox
from aegis_assets.engines.service.ranking import RerankRunner
from aegis_assets.engines.service.wire import RerankBody
from aegis_assets.errors import EngineFailed, LimitExceeded, Misconfigured
from aegis_assets.settings import Settings
from tests.doubles import tiny_bge_m3, tiny_reranker

TEXTS = ("a field and a solver of it", "mesh mesh mesh mesh", "the mesh of a field", "mesh mesh and a field")
BEST_FIRST = [1, 3, 2, 0]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_reranker.make(tmp_path_factory.mktemp("reranker") / "tiny-reranker")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    running = Sandbox()
    running.start()
    yield running
    forkserver._forkserver._stop()  # type: ignore[attr-defined]


def order(scores: tuple[float, ...] | list[float]) -> list[int]:
    return sorted(range(len(scores)), key=lambda place: -scores[place])


def body(*texts: str) -> RerankBody:
    return RerankBody(query="which grid?", texts=texts)


def test_texts_are_scored_by_the_model_each_in_its_place(checkpoint: Path) -> None:
    scores = rank(checkpoint, "cpu", "which grid?", TEXTS)
    assert order(scores) == BEST_FIRST
    assert all(0 < score < 1 for score in scores)
    assert len({round(score, 4) for score in scores}) == 4


def test_scores_are_those_of_plain_flagembedding(checkpoint: Path) -> None:
    """Each batch is computed once here; the library computes its first one twice."""
    from FlagEmbedding import FlagReranker

    texts = [("mesh field " * n).strip() for n in range(1, 40)]
    wanted = FlagReranker(str(checkpoint), devices=["cpu"]).compute_score([("which grid?", text) for text in texts], normalize=True)
    assert rank(checkpoint, "cpu", "which grid?", texts) == pytest.approx(wanted, abs=1e-5)


def test_no_texts_need_no_model(tmp_path: Path) -> None:
    assert rank(tmp_path, "cpu", "which grid?", []) == []


@pytest.mark.parametrize("missing", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_directory_without_weights_says_what_is_missing(checkpoint: Path, tmp_path: Path, missing: str) -> None:
    for file in checkpoint.iterdir():
        if file.name != missing:
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(Misconfigured, match=f"AEGIS_RERANKER_PATH.*{missing}.*missing"):
        rank(tmp_path, "cpu", "which grid?", TEXTS)


def test_weights_that_cannot_be_read_are_a_sentence(checkpoint: Path, tmp_path: Path) -> None:
    for file in checkpoint.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"junk")
    with pytest.raises(Misconfigured, match="cannot be loaded"):
        rank(tmp_path, "cpu", "which grid?", TEXTS)


def test_a_classifier_of_several_classes_is_no_reranker(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="several classes"):
        rank(tiny_reranker.make(tmp_path, labels=3), "cpu", "which grid?", TEXTS)


def test_an_embedder_is_no_reranker(tmp_path: Path) -> None:
    """transformers would invent a head for it, and say so only in a log: every order would be a random one."""
    with pytest.raises(Misconfigured, match="AEGIS_RERANKER_PATH has no head"):
        rank(tiny_bge_m3.make(tmp_path), "cpu", "which grid?", TEXTS)


def test_a_device_that_is_not_there_is_a_sentence(checkpoint: Path) -> None:
    with pytest.raises(Misconfigured, match="AEGIS_RERANKER_DEVICE is 'cuda:9'"):
        rank(checkpoint, "cuda:9", "which grid?", TEXTS)


# In a child


def desk(sandbox: Sandbox, scratch: Path, checkpoint: Path | str, **more: float) -> RerankRunner:
    return RerankRunner(Settings(reranker_path=str(checkpoint), **more), sandbox, scratch)


def test_a_child_is_kept_for_the_next_search_and_ended_by_rest(checkpoint: Path, sandbox: Sandbox, tmp_path: Path) -> None:
    ranking = desk(sandbox, tmp_path, checkpoint)
    try:
        assert order(ranking.rank(body(*TEXTS)).scores) == BEST_FIRST
        assert ranking._child is not None
        pid = ranking._child.pid
        assert order(ranking.rank(body(*TEXTS[::-1])).scores) == [3 - place for place in BEST_FIRST]
        assert ranking._child.pid == pid
    finally:
        ranking.rest()
    assert ranking._child is None
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_wrong_setting_leaves_the_child_usable_and_is_the_callers_error(sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="AEGIS_RERANKER_PATH"):
        desk(sandbox, tmp_path, tmp_path / "nowhere").rank(body("a"))


def test_without_a_path_there_is_no_reranker(sandbox: Sandbox, tmp_path: Path) -> None:
    ranking = desk(sandbox, tmp_path, "")
    assert ranking.name == ""
    with pytest.raises(EngineFailed, match="AEGIS_RERANKER_PATH"):
        ranking.rank(body("a"))


def test_a_model_that_is_too_slow_is_ended_and_the_next_search_starts_another(
    checkpoint: Path, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ranking = desk(sandbox, tmp_path, checkpoint, rerank_timeout=0.01)
    with monkeypatch.context() as limits:
        limits.setattr("aegis_assets.engines.service.ranking.LOAD_SECONDS", 0.0)
        with pytest.raises(LimitExceeded, match="Reranking the hits took longer"):
            ranking.rank(body(*TEXTS))
    assert ranking._child is None
    try:
        assert order(ranking.rank(body(*TEXTS)).scores) == BEST_FIRST
    finally:
        ranking.rest()
