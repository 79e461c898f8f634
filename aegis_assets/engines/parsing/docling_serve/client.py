"""One conversion: a window's pages submitted, its task asked for with growing pauses, its result fetched.

The synchronous route answers after 2 s at the earliest, and what it was working on is lost to a caller that gave up. Here a task
outlives its caller: the next attempt finds its id in the note and takes its result. Only bytes and their format leave this machine:
the file's name is replaced, because names are hostile input to the server too.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, NamedTuple

import httpx
import stamina

from aegis_assets.engines.parsing.docling_serve import pages as paged
from aegis_assets.engines.parsing.docling_serve.answer import Answer, read
from aegis_assets.engines.parsing.docling_serve.faults import (
    DOCLING_SERVE,
    TASK_GONE,
    Away,
    Fault,
    TaskLost,
    described,
    of_document,
    of_task,
    refusal,
    unreachable,
)
from aegis_assets.engines.parsing.docling_serve.note import Note, is_id, request_hash
from aegis_assets.engines.parsing.docling_serve.options import FORMATS, Form, ServeOptions
from aegis_assets.engines.parsing.docling_serve.pages import Span
from aegis_assets.engines.parsing.docling_serve.server import Server
from aegis_assets.engines.parsing.tree import Tree
from aegis_assets.errors import BadInput, EngineFailed, EngineUnavailable

MB: Final = 2**20
ANSWER_MB: Final = 512  # a page with pictures has about 1
STATUS_MB: Final = 1
PATIENCE: Final = 60.0  # seconds in which a server may be started anew
SUBMISSIONS: Final = 3  # of one conversion, where the server forgets it
# A pause is a fifth of the time waited so far: the end is noticed late by a fifth, and an hour is asked about 1,800 times.
PAUSE_SHARE, PAUSE_LEAST, PAUSE_MOST = 0.2, 0.1, 2.0


class Upload(NamedTuple):
    """shift: what the page numbers of the answer lack."""

    path: Path
    name: str
    form: Form
    shift: int


class DoclingServe:
    """seconds: for one conversion; setting names what says so. note: the file that remembers its task. patience: seconds for a
    server that does not answer."""

    def __init__(
        self,
        server: Server,
        options: ServeOptions,
        seconds: float,
        note: Path | None = None,
        patience: float = PATIENCE,
        setting: str = "AEGIS_PARSE_TIMEOUT",
    ) -> None:
        self.options = options
        self._server = server
        self._seconds = seconds
        self._note = Note(note)
        self._patience = patience
        self._setting = setting

    def convert(self, path: Path, kind: str, near: Span | None = None, own: Span | None = None) -> Tree:
        """near: the pages wanted, all where None. own: those that must not fail; the others are there as context only.

        Raises BadInput (the document), LimitExceeded or Misconfigured (settings), EngineUnavailable or EngineFailed (the server).
        """
        if kind not in FORMATS:
            raise BadInput(f"docling-serve does not read {kind} documents. Save it in another format and upload that.")
        while True:
            answer = self._answer(path, kind, near)
            if answer.complete and answer.tree is not None:
                return answer.tree
            if near is None or own is None or not _only_context(answer.faults, near, own):
                raise of_document(answer.faults)
            if answer.tree is not None:
                return answer.tree
            near = _without(near, own, answer.faults)

    def _answer(self, path: Path, kind: str, near: Span | None) -> Answer:
        with tempfile.TemporaryDirectory() as folder:
            upload = self._upload(path, kind, near, Path(folder) / "pages.pdf")
            try:
                body = self._performed(upload, request_hash(upload.form, near))
            except Away as error:  # the sandbox knows the classes of errors.py alone
                raise EngineUnavailable(error.message, server=error.server) from error
        return read(body, upload.shift)

    def _upload(self, path: Path, kind: str, near: Span | None, out: Path) -> Upload:
        name = f"document.{FORMATS[kind][1]}"
        if kind != "pdf":
            return Upload(path, name, self.options.form(kind, scanned=kind == "image", pages=near), 0)
        if near is None:
            return Upload(path, name, self.options.form(kind, scanned=paged.scanned(path)), 0)
        cut = paged.cut(path, near, out)
        if cut.path is None:
            return Upload(path, name, self.options.form(kind, scanned=cut.scanned, pages=near), 0)
        return Upload(cut.path, name, self.options.form(kind, scanned=cut.scanned), near.first - 1)

    def _performed(self, upload: Upload, request: str) -> bytes:
        """Return the body of the result. The note stays where a later attempt can take the task up."""
        deadline = time.monotonic() + self._seconds
        with self._server.open() as client:
            calls = _Calls(client, self._server.shown, self._patience, deadline)
            for _ in range(SUBMISSIONS):
                task = self._note.task(request)
                if task is None:
                    task = calls.submit(upload)
                    self._note.write(task, request)
                try:
                    self._wait(calls, task, deadline)
                    body = calls.result(task)
                except TaskLost:
                    self._note.clear()
                    continue
                except EngineFailed:  # the task is over: taken up again, it would fail for ever
                    self._note.clear()
                    raise
                self._note.clear()
                return body
        raise EngineUnavailable(
            f"docling-serve at {self._server.shown} forgot the conversion {SUBMISSIONS} times."
            " See in its log why it was started anew.",
            server=DOCLING_SERVE,
        )

    def _wait(self, calls: _Calls, task: str, deadline: float) -> None:
        """Return when the task has a result. Raises of_task's errors, TaskLost, and EngineUnavailable at the deadline."""
        started = time.monotonic()
        while True:
            status = calls.status(task)
            state = status.get("task_status")
            if state in ("success", "partial_success", "skipped"):
                return
            if state == "failure":
                self._note.clear()
                failure = status.get("failure")
                known = failure if isinstance(failure, dict) else {"message": status.get("error_message") or ""}
                raise of_task(str(known.get("category", "")), str(known.get("message", "")))
            now = time.monotonic()
            if now > deadline:
                raise EngineUnavailable(
                    f"docling-serve at {self._server.shown} was not done within {self._seconds:.0f} s"
                    f" ({self._setting}). It goes on, and the next attempt takes its result.",
                    server=DOCLING_SERVE,
                )
            time.sleep(min(PAUSE_MOST, max(PAUSE_LEAST, PAUSE_SHARE * (now - started)), max(0.01, deadline - now)))


class _Calls:
    """The three requests of a conversion. A server that is away is asked again while patience and deadline last."""

    def __init__(self, client: httpx.Client, shown: str, patience: float, deadline: float) -> None:
        self._client = client
        self._shown = shown
        self._patience = patience
        self._deadline = deadline

    def submit(self, upload: Upload) -> str:
        """Return the id of the new task."""
        from docling_core.types.doc.document import CURRENT_VERSION

        for attempt in self._attempts():
            with attempt, upload.path.open("rb") as stream:
                body = self._send(
                    "POST",
                    "/v1/convert/file/async",
                    STATUS_MB,
                    data=upload.form,
                    files={"files": (upload.name, stream, "application/octet-stream")},
                    headers={"Accept-Docling-Document-Version": CURRENT_VERSION},
                )
        task = _table(body).get("task_id")
        if not is_id(task):
            raise EngineFailed("docling-serve took the document and named no task. Check that its version is 1 or newer.")
        return str(task)

    def status(self, task: str) -> Mapping[str, object]:
        return _table(self._get(f"/v1/status/poll/{task}", STATUS_MB))

    def result(self, task: str) -> bytes:
        return self._get(f"/v1/result/{task}", ANSWER_MB)

    def _get(self, path: str, limit_mb: int) -> bytes:
        for attempt in self._attempts():
            with attempt:
                return self._send("GET", path, limit_mb)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _attempts(self) -> Iterable[AbstractContextManager[object]]:
        left = max(0.01, min(self._patience, self._deadline - time.monotonic()))
        return stamina.retry_context(on=_pause, attempts=None, timeout=left, wait_initial=0.2, wait_max=5.0, wait_jitter=1.0)

    def _send(self, method: str, path: str, limit_mb: int, **content: object) -> bytes:
        """Return the body of a 200. Raises Away, TaskLost or what the answer means."""
        try:
            with self._client.stream(method, path, **content) as answer:  # type: ignore[arg-type]
                body = _body(answer, limit_mb)
        except httpx.ReadTimeout as error:
            if method == "POST":  # it may have been taken: sent again, the document would be converted twice
                raise EngineUnavailable(
                    f"docling-serve at {self._shown} took no upload in time. Retry later.", server=DOCLING_SERVE
                ) from error
            raise unreachable(error, self._shown) from error
        except httpx.HTTPError as error:
            raise unreachable(error, self._shown) from error
        if answer.status_code == httpx.codes.NOT_FOUND and described(body) == TASK_GONE:
            raise TaskLost
        if answer.status_code != httpx.codes.OK:
            raise refusal(answer, body, self._shown)
        return body


def _pause(error: Exception) -> bool | float:
    """Return whether to ask again, or after how many seconds where the server says so."""
    return isinstance(error, Away) and (True if error.pause is None else error.pause)


def _body(answer: httpx.Response, limit_mb: int) -> bytes:
    content = bytearray()
    for piece in answer.iter_bytes():
        content += piece
        if len(content) > limit_mb * MB:
            raise EngineFailed(
                f"docling-serve answered with more than {limit_mb} MB. Lower AEGIS_DOCLING_SERVE_PICTURE_SCALE or"
                " AEGIS_WINDOW_PAGES.",
                retryable=False,
            )
    return bytes(content)


def _table(body: bytes) -> Mapping[str, object]:
    try:
        table = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise EngineFailed("docling-serve answered with something that is not JSON. Check AEGIS_DOCLING_SERVE_URL.") from error
    return table if isinstance(table, dict) else {}


def _only_context(faults: tuple[Fault, ...], near: Span, own: Span) -> bool:
    """Return whether the pages that failed are all known, and none of them is the window's own."""
    return bool(faults) and all(fault.page is not None and fault.page in near and fault.page not in own for fault in faults)


def _without(near: Span, own: Span, faults: tuple[Fault, ...]) -> Span:
    """Return `near` without the context on the sides where a page failed."""
    failed = {fault.page for fault in faults if fault.page is not None}
    first = own.first if any(page < own.first for page in failed) else near.first
    last = own.last if any(page > own.last for page in failed) else near.last
    return Span(first, last)
