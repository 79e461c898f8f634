"""Children that keep what they have loaded: for one document, as long as they are well."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest

from aegis_assets.engines.parsing.pdf.facts import Facts
from aegis_assets.engines.sandbox import Child, Json, Limits, Sandbox
from aegis_assets.engines.service import child_pool as module
from aegis_assets.engines.service.child_pool import ChildPool
from aegis_assets.errors import BadInput, EngineFailed, LimitExceeded
from tests.engines.sandbox_jobs import crash, hang, hoard, name_of, refuse, who

AMPLE = Limits(seconds=60, memory_mb=1000)


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    return Sandbox()


@pytest.fixture
def warm(sandbox: Sandbox) -> ChildPool:
    return ChildPool(sandbox.child, 2)


def ask(
    warm: ChildPool, document: str, folder: Path, job: Callable[[Json], object] = who, limits: Limits = AMPLE, **payload: object
) -> int:
    with warm.child(document) as child:
        return int(child.call(name_of(job), payload, folder, limits, "Parsing pages 1 to 16", Event()).result["pid"])


def test_windows_of_a_document_share_a_child_and_documents_do_not(warm: ChildPool, tmp_path: Path) -> None:
    first = ask(warm, "a", tmp_path)
    assert ask(warm, "a", tmp_path) == first
    assert ask(warm, "b", tmp_path) != first
    warm.rest()


def test_two_windows_at_once_have_a_child_each(warm: ChildPool, tmp_path: Path) -> None:
    with warm.child("a") as one, warm.child("a") as other:
        assert one.pid != other.pid
    warm.rest()


def test_a_child_that_broke_a_limit_or_died_is_followed_by_a_fresh_one(warm: ChildPool, tmp_path: Path) -> None:
    first = ask(warm, "a", tmp_path)
    with pytest.raises(LimitExceeded, match="took longer than 1 s"):
        ask(warm, "a", tmp_path, hang, Limits(seconds=1, memory_mb=1000), file=str(tmp_path / "pid"))
    second = ask(warm, "a", tmp_path)
    assert second != first
    with pytest.raises(EngineFailed, match="SIGSEGV"):
        ask(warm, "a", tmp_path, crash)
    assert ask(warm, "a", tmp_path) not in (first, second)
    warm.rest()


def test_a_child_whose_call_failed_is_followed_by_a_fresh_one(warm: ChildPool, tmp_path: Path) -> None:
    first = ask(warm, "a", tmp_path)
    with pytest.raises(BadInput):
        ask(warm, "a", tmp_path, refuse)
    assert ask(warm, "a", tmp_path) != first
    warm.rest()


def test_a_child_that_has_grown_is_followed_by_a_fresh_one(sandbox: Sandbox, tmp_path: Path) -> None:
    """So a call's memory is its own, whoever called before."""
    with sandbox.child() as child:
        child.call(name_of(who), {}, tmp_path, AMPLE, "Parsing pages 1 to 16", Event())
        imports = child.grown_mb()
    warm = ChildPool(sandbox.child, 2, grown_mb=imports + 50)
    first = ask(warm, "a", tmp_path)
    assert ask(warm, "a", tmp_path) == first
    assert ask(warm, "a", tmp_path, hoard, mb=80) == first
    assert ask(warm, "a", tmp_path) != first
    warm.rest()


def test_memory_comes_back(warm: ChildPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After so many calls, with more idle children than may be, and at rest."""
    monkeypatch.setattr(module, "CALLS", 2)
    first = ask(warm, "a", tmp_path)
    assert ask(warm, "a", tmp_path) == first
    assert ask(warm, "a", tmp_path) != first
    pids = [ask(warm, name, tmp_path) for name in ("b", "c", "d")]
    assert ask(warm, "b", tmp_path) not in pids
    assert ask(warm, "d", tmp_path) == pids[2]
    warm.rest(60)
    with warm.child("b") as child:
        assert child.calls == 1, "somebody asked a moment ago"
    warm.rest()
    with warm.child("b") as child:
        assert child.calls == 0
    warm.rest()


def test_busy_and_idle_children_count_together(warm: ChildPool, tmp_path: Path) -> None:
    """A child holds its models' memory in either way."""
    with warm.child("a") as a, warm.child("b") as b:
        pass
    assert a.alive()
    assert b.alive()
    with warm.child("c") as c:
        assert [child.closed for child in (a, b)] == [False, True], "the one that has not been used for longest goes"
        with warm.child("a") as again:
            assert again is a
        with pytest.raises(BadInput):
            ask(warm, "d", tmp_path, refuse)
        assert a.closed, "there was room for one that is busy"
        with warm.child("e") as e, warm.child("f") as f:
            assert not any(child.closed for child in (c, e, f)), "a call that has come is not kept waiting"
    assert sum(not child.closed for child in (c, e, f)) == 2
    warm.rest()
    assert all(child.closed for child in (a, b, c, e, f))


def test_a_child_that_cannot_be_started_is_not_counted(sandbox: Sandbox) -> None:
    refuse_to = [True, True, True]

    def start() -> Child:
        if refuse_to:
            refuse_to.pop()
            raise OSError("no memory for another process")
        return sandbox.child()

    warm = ChildPool(start, 2)
    for _ in range(3):
        with pytest.raises(OSError, match="no memory"), warm.child("a"):
            pass
    with warm.child("a") as a, warm.child("b") as b:
        pass
    assert not a.closed
    assert not b.closed
    warm.rest()


def test_doclings_own_models_are_loaded_once_and_each_window_is_read_as_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without weights: what would load them is counted."""
    from aegis_assets.engines.parsing.pdf import stock  # docling and torch: seconds for every process that collects the tests

    loaded = []
    monkeypatch.setattr(stock.StandardPdfPipeline, "_init_models", lambda self: loaded.append(self))
    stock._loaded.cache_clear()
    try:
        one = stock.pipeline(Facts(body_size=10.0), 1, 16)
        reading = one.reading_order_model
        other = stock.pipeline(Facts(body_size=10.0), 17, 32)
        assert other is one
        assert other.reading_order_model is not reading
        assert len(loaded) == 1
    finally:
        stock._loaded.cache_clear()
