"""Real children, and what becomes of those that hang, crash, eat memory or lie."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread
from types import SimpleNamespace

import psutil
import pytest

from aegis_assets.engines.sandbox import Cancelled, Child, Json, Limits, Outcome, Sandbox
from aegis_assets.errors import BadInput, EngineFailed, Internal, LimitExceeded
from tests.engines.sandbox_jobs import (
    answer_with,
    answer_with_a_folder,
    answer_with_a_link,
    answer_with_a_pipe,
    count_frozen,
    crash,
    crash_beside_a_grandchild,
    double,
    eat,
    eat_in_a_grandchild,
    fail,
    hang,
    hang_with_a_temporary_file,
    hoard,
    import_of_its_own,
    leave,
    name_of,
    refuse,
    rest,
    who,
)

AMPLE = Limits(seconds=60, memory_mb=1000)
Run = Callable[..., Outcome]


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    return Sandbox()


@pytest.fixture
def run(sandbox: Sandbox, tmp_path: Path) -> Run:
    def call(job: Callable[[Json], object], limits: Limits = AMPLE, cancelled: Event | None = None, **payload: object) -> Outcome:
        return sandbox.run(name_of(job), payload, tmp_path, limits, "Parsing pages 1 to 16", cancelled or Event())

    return call


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_job_gives_its_result(run: Run) -> None:
    outcome = run(double, value=21)
    assert outcome.result == {"value": 42}
    assert outcome.peak_mb > 1


def test_a_hanging_child_is_killed_and_the_sentence_names_the_setting(run: Run, tmp_path: Path) -> None:
    with pytest.raises(LimitExceeded, match=r"Parsing pages 1 to 16 took longer than 4 s .*AEGIS_PARSE_TIMEOUT") as error:
        run(hang, Limits(seconds=4, memory_mb=1000), file=str(tmp_path / "pid"))
    assert not error.value.retryable
    assert gone(int((tmp_path / "pid").read_text()))


def test_time_in_which_the_server_itself_stood_still_is_no_time_of_the_child(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock jumps by an hour between two looks, as after SIGSTOP and SIGCONT or a machine's sleep."""
    looks = itertools.count()
    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + (3600 if next(looks) > 4 else 0))
    monkeypatch.setattr("aegis_assets.engines.sandbox.time", clock)
    assert run(rest, Limits(seconds=20, memory_mb=1000), seconds=2).result == {"rested": 2}
    assert next(looks) > 6, "it was looked at after the jump"


def test_a_child_that_eats_memory_is_killed(run: Run) -> None:
    with pytest.raises(LimitExceeded, match=r"more than 150 MB .*AEGIS_PARSE_MEMORY_MB"):
        run(eat, Limits(seconds=60, memory_mb=150))


@pytest.mark.parametrize("listed", [True, False], ids=["read downwards", "by psutil"])
def test_memory_of_grandchildren_counts_and_they_die_too(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listed: bool
) -> None:
    monkeypatch.setattr("aegis_assets.engines.family.LISTED", listed)
    with pytest.raises(LimitExceeded, match="more than 150 MB"):
        run(eat_in_a_grandchild, Limits(seconds=60, memory_mb=150), file=str(tmp_path / "pid"))
    until(lambda: gone(int((tmp_path / "pid").read_text())))


def test_a_crash_in_a_c_library_is_no_reason_to_try_again(run: Run) -> None:
    with pytest.raises(EngineFailed, match=r"pages 1 to 16 .*SIGSEGV") as error:
        run(crash)
    assert not error.value.retryable


def test_a_child_that_exits_without_an_answer_has_failed(run: Run) -> None:
    with pytest.raises(EngineFailed, match="exit code 3"):
        run(leave)


def test_an_error_of_ours_comes_through_unchanged(run: Run) -> None:
    with pytest.raises(BadInput, match="encrypted") as error:
        run(refuse)
    assert (error.value.kind, error.value.retryable) == ("encrypted", False)


def test_an_unknown_error_hides_its_message_which_may_hold_document_text(run: Run) -> None:
    with pytest.raises(Internal, match="ValueError") as error:
        run(fail)
    assert "secret" not in error.value.message


def test_an_answer_that_is_a_link_is_not_followed(run: Run, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere.json"
    target.write_text('{"result": {}}')
    with pytest.raises(EngineFailed, match="cannot be read"):
        run(answer_with_a_link, target=str(target), folder=str(tmp_path))


@pytest.mark.timeout(60)
def test_an_answer_that_is_a_pipe_is_not_waited_for(run: Run, tmp_path: Path) -> None:
    with pytest.raises(EngineFailed, match="cannot be read"):
        run(answer_with_a_pipe, folder=str(tmp_path))


def test_an_answer_that_is_a_folder_is_a_failure_and_leaves_nothing_open(run: Run, tmp_path: Path) -> None:
    run(who)
    before = len(os.listdir("/proc/self/fd"))
    (tmp_path / "answer.json").unlink()
    with pytest.raises(EngineFailed, match="cannot be read"):
        run(answer_with_a_folder, folder=str(tmp_path))
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("answer", ["[" * 100_000, '{"result": 1}', '{"result": {}, "error": "x"}', "null", "{"])
def test_an_answer_of_another_shape_is_a_failure(run: Run, tmp_path: Path, answer: str) -> None:
    with pytest.raises(EngineFailed, match="cannot be read"):
        run(answer_with, folder=str(tmp_path), text=answer)


def test_what_a_killed_child_left_in_temporary_files_is_in_the_folder_of_its_call(run: Run, tmp_path: Path) -> None:
    with pytest.raises(LimitExceeded):
        run(hang_with_a_temporary_file, Limits(seconds=3, memory_mb=1000))
    assert [path.read_text() for path in tmp_path.glob("tmp*")] == ["text of the document"]


def test_what_a_crashed_child_had_started_is_killed_too(run: Run, tmp_path: Path) -> None:
    with pytest.raises(EngineFailed, match="SIGSEGV"):
        run(crash_beside_a_grandchild, file=str(tmp_path / "pid"))
    until(lambda: gone(int((tmp_path / "pid").read_text())))


def test_a_caller_that_hangs_up_stops_the_child(run: Run, tmp_path: Path) -> None:
    cancelled = Event()
    Thread(target=lambda: (until((tmp_path / "pid").exists), cancelled.set())).start()
    with pytest.raises(Cancelled):
        run(hang, cancelled=cancelled, file=str(tmp_path / "pid"))
    assert gone(int((tmp_path / "pid").read_text()))


def test_a_child_can_be_kept_for_several_calls_also_after_an_error(sandbox: Sandbox, tmp_path: Path) -> None:
    def call(child: Child, job: Callable[[Json], object], number: int) -> Outcome:
        folder = tmp_path / str(number)
        folder.mkdir()
        return child.call(name_of(job), {"value": 1}, folder, AMPLE, "Reading", Event())

    with sandbox.child() as child:
        first = call(child, who, 1).result["pid"]
        with pytest.raises(BadInput):
            call(child, refuse, 2)
        assert call(child, who, 3).result["pid"] == first
        assert child.calls == 3
    assert gone(first)


def test_each_single_call_has_a_child_of_its_own(run: Run) -> None:
    assert run(who).result["pid"] != run(who).result["pid"]


def test_a_child_does_not_collect_what_it_shares_with_the_template(run: Run) -> None:
    assert run(count_frozen).result["frozen"] > 1000


def test_a_child_imports_nothing_that_every_child_needs(run: Run) -> None:
    assert run(import_of_its_own, names=["aegis_assets.engines.sandbox", "psutil", "multiprocessing.popen_forkserver"]).result == {
        "own": []
    }


def test_a_child_knows_by_how_much_it_has_grown(sandbox: Sandbox, tmp_path: Path) -> None:
    with sandbox.child() as child:
        child.call(name_of(hoard), {"mb": 1}, tmp_path, AMPLE, "Reading", Event())
        before = child.grown_mb()
        child.call(name_of(hoard), {"mb": 100}, tmp_path, AMPLE, "Reading", Event())
        assert 90 < child.grown_mb() - before < 130


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A server in small: its child hangs."""
    code = f"""
import signal
from pathlib import Path
from threading import Event
from aegis_assets.engines.sandbox import Limits, Sandbox
if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # whoever runs the tests may ignore it
    folder = Path({str(tmp_path)!r})
    Sandbox().run("{name_of(hang)}", {{"file": str(folder / "pid")}}, folder, Limits(60, 1000), "Parsing", Event())
"""
    script = tmp_path / "parent.py"
    script.write_text(code)
    process = subprocess.Popen([sys.executable, str(script)], env={**os.environ, "PYTHONPATH": os.getcwd()})
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_children_end_with_a_server_that_is_killed(parent: subprocess.Popen[bytes], tmp_path: Path, how: signal.Signals) -> None:
    until((tmp_path / "pid").exists)
    child = int((tmp_path / "pid").read_text())
    assert not gone(child)
    parent.send_signal(how)
    parent.wait(10)
    until(lambda: gone(child))
