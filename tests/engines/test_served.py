"""Documents that a docling-serve converts: through real children of the sandbox, the bucket, and the engine server's routes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from multiprocessing import forkserver
from pathlib import Path
from threading import Event, Thread
from typing import NamedTuple

import pytest
from pydantic import SecretStr

from aegis_assets.engines.sandbox import Cancelled, Child, Sandbox
from aegis_assets.engines.service import served
from aegis_assets.engines.service.documents import Documents
from aegis_assets.engines.service.tasks import PREFIX
from aegis_assets.errors import AegisError, EngineUnavailable, LimitExceeded, Misconfigured
from aegis_assets.model.parsing import InspectRequest, ParsedWindow
from aegis_assets.pipeline.ports import Bucket
from aegis_assets.settings import Settings
from aegis_assets.stores.bucket import open_bucket
from tests import waiting
from tests.doubles import docling_serve as double
from tests.doubles import docling_serve_work as work
from tests.engines.parsing import makers
from tests.engines.parsing.serving import request


class Watched(Sandbox):
    """Real, and remembers its children."""

    def __init__(self) -> None:
        super().__init__(preload=["aegis_assets.engines.service.preload"])
        self.children: list[Child] = []

    def child(self) -> Child:
        self.children.append(super().child())
        return self.children[-1]


class Bench(NamedTuple):
    server: double.Double
    bucket: Bucket
    scratch: Path

    def settings(self, **changes: object) -> Settings:
        return Settings.model_validate({"docling_serve_url": self.server.address(), **changes})

    def documents(self, sandbox: Sandbox | None = None, **changes: object) -> Documents:
        """As a new engine server has them: nothing but the bucket is common to two."""
        return Documents(self.settings(**changes), self.bucket, sandbox or Watched(), self.scratch)

    def parse(self, documents: Documents, cancelled: Event | None = None) -> ParsedWindow:
        asked = request(2, 3, 5).model_copy(update={"blob": "blobs/a", "artifacts": "artifacts/d/window-2-f"})
        return documents.parse(asked, cancelled or Event())

    def notes(self) -> list[str]:
        return list(self.bucket.keys(PREFIX))


@pytest.fixture(scope="module")
def template() -> Iterator[None]:
    """A process has one template, which other tests want small. This one has docling, as the server's."""
    forkserver._forkserver._stop()  # type: ignore[attr-defined]
    yield
    forkserver._forkserver._stop()  # type: ignore[attr-defined]


@pytest.fixture
def bench(docling_serve: double.Double, template: None, tmp_path: Path) -> Bench:
    bucket = open_bucket((tmp_path / "bucket").as_uri(), Settings())
    bucket.put("blobs/a", work.pdf(list(work.texts(5)), side=80))
    (tmp_path / "scratch").mkdir()
    return Bench(docling_serve, bucket, tmp_path / "scratch")


def test_a_window_of_a_pdf_goes_through_the_server(bench: Bench) -> None:
    parsed = bench.parse(bench.documents())
    assert (parsed.parser, parsed.items, len(parsed.pictures)) == ("docling-serve", 10, 2)
    assert bench.bucket.get(parsed.artifact)
    assert bench.notes() == []
    assert bench.server.uploaded < len(bench.bucket.get("blobs/a"))


def test_the_key_of_the_settings_reaches_the_server_and_no_file_that_stays(bench: Bench, tmp_path: Path) -> None:
    bench.bucket.put_file("blobs/m", makers.SAMPLES / "sample.md")
    documents = bench.documents(docling_serve_api_key=SecretStr("hush"))
    documents.inspect(InspectRequest(blob="blobs/m", name="a.md", artifacts="b"), Event())
    assert bench.server.keys == ["hush"]
    assert not any(b"hush" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_a_slow_server_is_no_limit_of_the_document_and_the_next_attempt_takes_its_result(bench: Bench) -> None:
    """The child of the sandbox had the same limit as the request in it, so a slow server was a LimitExceeded, for good."""
    bench.server.gate.clear()
    with pytest.raises(EngineUnavailable, match="AEGIS_PARSE_TIMEOUT") as caught:
        bench.parse(bench.documents(parse_timeout=1.0))
    assert caught.value.retryable
    assert len(bench.notes()) == 1
    bench.server.gate.set()
    assert bench.parse(bench.documents()).items == 10
    assert (bench.server.done, bench.server.calls["POST /v1/convert/file/async"]) == (1, 1)
    assert bench.notes() == []


def test_after_a_crash_the_task_is_taken_up_again(bench: Bench) -> None:
    """The child is killed while the server converts; the note is in the bucket since the task began."""
    bench.server.gate.clear()
    sandbox = Watched()
    failures: list[AegisError] = []

    def attempt() -> None:
        try:
            bench.parse(bench.documents(sandbox))
        except AegisError as error:
            failures.append(error)

    thread = Thread(target=attempt)
    thread.start()
    waiting.until(bench.notes, 30)
    os.kill(sandbox.children[0].pid, signal.SIGKILL)
    thread.join(20)
    assert len(failures) == 1
    assert isinstance(failures[0], LimitExceeded)
    bench.server.gate.set()
    assert bench.parse(bench.documents()).items == 10
    assert (bench.server.done, bench.server.calls["POST /v1/convert/file/async"]) == (1, 1)


def test_a_caller_that_hangs_up_leaves_its_task_to_the_next(bench: Bench) -> None:
    bench.server.gate.clear()
    cancelled = Event()
    failures: list[BaseException] = []

    def attempt() -> None:
        try:
            bench.parse(bench.documents(), cancelled)
        except Cancelled as error:
            failures.append(error)

    thread = Thread(target=attempt)
    thread.start()
    waiting.until(bench.notes, 30)
    cancelled.set()
    thread.join(20)
    assert len(failures) == 1
    bench.server.gate.set()
    assert bench.parse(bench.documents()).items == 10
    assert bench.server.calls["POST /v1/convert/file/async"] == 1


def test_a_server_that_is_away_is_unavailable_behind_the_sandbox_too(bench: Bench) -> None:
    with pytest.raises(EngineUnavailable, match=r"does not answer \(ConnectError\)") as caught:
        bench.parse(bench.documents(docling_serve_url="http://127.0.0.1:9", outage_seconds=0.1))
    assert caught.value.retryable


def test_a_task_without_a_result_is_not_taken_up_again(bench: Bench) -> None:
    bench.server.loses_results = True
    with pytest.raises(AegisError, match="without a result"):
        bench.parse(bench.documents())
    assert bench.notes() == []
    bench.server.loses_results = False
    assert bench.parse(bench.documents()).items == 10


def test_a_task_that_failed_is_not_taken_up_again(bench: Bench) -> None:
    bench.server.failure = {"category": "internal", "message": "it broke"}
    with pytest.raises(AegisError, match="it broke"):
        bench.parse(bench.documents())
    assert bench.notes() == []
    bench.server.failure = None
    assert bench.parse(bench.documents()).items == 10


# The doctor's question


def test_the_doctor_has_one_page_converted_and_names_the_version(bench: Bench) -> None:
    documents = bench.documents()
    answer = documents.check_parser(Event()).parser
    assert answer.startswith("1.38.0, docling 2.143.0, one page in ")
    assert documents.check_parser(Event()).parser == answer
    assert bench.server.done == 1


def test_a_server_that_answers_but_does_not_convert_is_not_well(bench: Bench) -> None:
    bench.server.failure = {"category": "internal", "message": "no weights"}
    with pytest.raises(AegisError, match="no weights"):
        bench.documents().check_parser(Event())


def test_a_busy_server_does_not_make_the_doctor_wait_for_ever(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served, "CHECK_SECONDS", 0.5)
    bench.server.gate.clear()
    documents = bench.documents()
    for _ in range(2):
        with pytest.raises(EngineUnavailable, match=r"was not done within .* \(a fixed limit\)"):
            documents.check_parser(Event())
    assert bench.server.calls["POST /v1/convert/file/async"] == 1


def test_settings_that_no_request_can_be_made_of_are_said_before_any(bench: Bench) -> None:
    with pytest.raises(Misconfigured, match="AEGIS_DOCLING_SERVE_URL"):
        bench.parse(bench.documents(docling_serve_url="docling:5001"))


def test_a_parser_of_this_machine_is_not_tried(bench: Bench) -> None:
    assert bench.documents(parser="rules").check_parser(Event()).parser == ""
    assert bench.server.calls == {}
