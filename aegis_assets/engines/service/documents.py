"""Requests about documents -> files fetched from the bucket, work in a sandboxed child, results put back into the bucket.

The child sees one folder and no credentials (but the key of docling-serve, where that parses): fetching and storing are done here,
in the server's process, which in turn never looks into a document.
"""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError

from aegis_assets.engines.embedder import chunk_tokens, tokenizer_path
from aegis_assets.engines.sandbox import Limits, Outcome, Sandbox
from aegis_assets.engines.sandbox_files import read_untrusted
from aegis_assets.engines.service.blob_cache import MB, BlobCache
from aegis_assets.engines.service.child_pool import ChildPool
from aegis_assets.engines.service.jobs import NATIVE
from aegis_assets.engines.service.parser import VERSION, chosen_parser, package_version
from aegis_assets.engines.service.served import Served
from aegis_assets.engines.service.slots import choose_slots
from aegis_assets.engines.service.wire import ChunkAnswer, OcrAnswer, PageAnswer, PageBody, ParserAnswer
from aegis_assets.errors import AegisError, BadInput, EngineFailed, LimitExceeded
from aegis_assets.model.ids import fingerprint
from aegis_assets.model.parsing import ChunkRequest, Inspection, InspectRequest, ParsedWindow, ParseRequest
from aegis_assets.pipeline.ports import Bucket
from aegis_assets.settings import Settings

JOBS: Final = "aegis_assets.engines.service.jobs"
SECTION_CHUNKS: Final = 4  # a section of a format without pages grows to about this many chunks where no heading ends it
# A child kept for text has about 15 MB of its own.
SHARED_GROWN_MB: Final = 64.0  # 10 is usual; more, and the next call's memory would not be its own
START_SECONDS: Final = 300.0  # 6 on an idle machine
PAGE_SECONDS: Final = 20.0  # of drawing a page, which takes a tenth of one
PAGE_MB: Final = 8  # the picture; 0.1 is usual, a scan of colour photographs takes 2
OCR_SECONDS: Final = 60.0  # a page takes 7 with loading
OCR_CALLS: Final = 200  # then a fresh child, since onnxruntime's arenas only grow


def ocr_fingerprint() -> str:
    return fingerprint(ocr=package_version("rapidocr"), version=VERSION)


Result = TypeVar("Result", bound=BaseModel)


class Documents:
    """Calls block, and may come from several threads."""

    def __init__(self, chosen: Settings, bucket: Bucket, sandbox: Sandbox, scratch: Path) -> None:
        """scratch: a directory for the files of running calls, emptied by whoever starts the server."""
        slots = choose_slots(chosen)
        self._chosen = chosen
        self._bucket = bucket
        self._sandbox = sandbox
        self._scratch = scratch
        self._blobs = BlobCache(bucket, scratch / "kept")
        self._limits = Limits(chosen.parse_timeout, chosen.parse_memory_mb)
        self._served = Served(chosen, bucket, sandbox)
        self._page_limits = Limits(PAGE_SECONDS, chosen.parse_memory_mb, seconds_setting="a fixed limit")
        self._children = ChildPool(sandbox.child, slots.documents)
        self._shared_children = ChildPool(sandbox.child, slots.documents + 1, SHARED_GROWN_MB)

    def rest(self, seconds: float = 0.0) -> None:
        """Give back the memory of models and children that no call has needed for so long."""
        self._children.rest(seconds)
        self._shared_children.rest(seconds)

    def inspect(self, request: InspectRequest, cancelled: Event, tokens: int = 0) -> Inspection:
        """tokens: the most of a chunk; 0 for what the local embedder reads."""
        with self._folder() as folder:
            payload = {
                "path": str(self._document(request.blob, folder / "document")),
                "name": request.name,
                "out": str(folder / "out"),
                "max_pages": self._chosen.max_pages,
                "window_tokens": (tokens or chunk_tokens(self._chosen)) * min(SECTION_CHUNKS, self._chosen.window_chunks),
                "shared": False,
                "serve": None,
            }
            subject = "Reading the document"
            if chosen_parser(self._chosen) == "docling-serve":
                outcome = self._served.run("inspect", payload, folder, subject, cancelled, request.artifacts)
            else:
                outcome = self._together("inspect", payload, folder, subject, cancelled)
            inspection = _valid(Inspection, outcome)
            keys = self._store(folder / "out", request.artifacts)
            return inspection.model_copy(update={"whole": _key(keys, inspection.whole) if inspection.whole else None})

    def parse(self, request: ParseRequest, cancelled: Event) -> ParsedWindow:
        with self._folder() as folder:
            path, whole = folder / "document", folder / "whole"
            if request.unit == "section" and request.whole:
                self._blobs.link(
                    request.whole, whole
                )  # the sections were cut out of it; the bytes of the document are not needed again
            else:
                self._document(request.blob, path)
            payload = {
                "path": str(path),
                "whole": str(whole) if whole.exists() else None,
                "request": request.model_dump(mode="json"),
                "out": str(folder / "out"),
                "picture_min_pixels": self._chosen.picture_min_pixels,
                "parser": chosen_parser(self._chosen),
                "shared": False,
                "serve": None,
            }
            subject = f"Parsing {'pages' if request.unit == 'page' else 'sections'} {request.first} to {request.last}"
            if request.unit == "section":
                outcome = self._together("parse", payload, folder, subject, cancelled)
            elif payload["parser"] == "docling-serve":
                outcome = self._served.run("parse", payload, folder, subject, cancelled, request.artifacts)
            elif payload["parser"] == "docling":
                with self._children.child(request.blob) as child:
                    outcome = child.call(f"{JOBS}:parse", payload, folder, self._limits, subject, cancelled)
            else:
                outcome = self._run("parse", payload, folder, subject, cancelled)
            parsed = _valid(ParsedWindow, outcome)
            keys = self._store(folder / "out", request.artifacts)
            pictures = tuple(picture.model_copy(update={"image": _key(keys, picture.image)}) for picture in parsed.pictures)
            update = {"artifact": _key(keys, parsed.artifact), "pictures": pictures, "peak_mb": round(outcome.peak_mb, 1)}
            return parsed.model_copy(update=update)

    def chunk(self, request: ChunkRequest, cancelled: Event, tokens: int = 0) -> ChunkAnswer:
        """tokens: the most of a chunk; 0 for what the local embedder reads."""
        with self._folder() as folder:
            self._bucket.download(request.artifact, folder / "artifact.json")
            payload = {
                "artifact": str(folder / "artifact.json"),
                "request": request.model_dump(mode="json"),
                "tokenizer": str(tokenizer_path(self._chosen)),
                "max_tokens": tokens or chunk_tokens(self._chosen),
            }
            return _valid(ChunkAnswer, self._together("chunk", payload, folder, "Cutting the text into chunks", cancelled))

    def page(self, request: PageBody, cancelled: Event) -> PageAnswer:
        """A picture of a page. Somebody looks at a screen and waits, so its limit on time is a short one."""
        with self._folder() as folder:
            picture = folder / "out" / "page"
            payload = {
                "path": str(self._document(request.blob, folder / "document")),
                "format": request.format,
                "page": request.page,
                "out": str(picture),
            }
            subject = f"Drawing page {request.page}"
            outcome = self._sandbox.run(f"{JOBS}:page", payload, folder, self._page_limits, subject, cancelled)
            image = base64.b64encode(_picture(picture)).decode()
            return _valid(PageAnswer, outcome, image=image)

    def check_parser(self, cancelled: Event) -> ParserAnswer:
        """Return what a docling-serve is that has just converted a page; '' where this machine parses. Raises AegisError."""
        if chosen_parser(self._chosen) != "docling-serve":
            return ParserAnswer(parser="")
        with self._folder() as folder:
            return ParserAnswer(parser=self._served.check(folder, cancelled))

    def ready(self) -> None:
        """Returns when a child can be had, which is when the template has imported all."""
        with self._folder() as folder:
            limits = Limits(START_SECONDS, self._chosen.parse_memory_mb, seconds_setting="a fixed limit")
            self._sandbox.run(f"{JOBS}:ready", {}, folder, limits, "Starting the parser", Event())

    def _together(self, job: str, payload: Mapping[str, object], folder: Path, subject: str, cancelled: Event) -> Outcome:
        """In a child that has seen other documents and will see more, where Python alone reads this one; else in its own.

        A fresh child takes 30 ms of CPU, a page of Markdown 3. Whether Python is enough is found out in the shared child, which
        stops before it would run a parser in C.
        """
        with self._shared_children.child("text") as child:
            outcome = child.call(f"{JOBS}:{job}", {**payload, "shared": True}, folder, self._limits, subject, cancelled)
        return self._run(job, payload, folder, subject, cancelled) if outcome.result == NATIVE else outcome

    def _run(self, job: str, payload: Mapping[str, object], folder: Path, subject: str, cancelled: Event) -> Outcome:
        return self._sandbox.run(f"{JOBS}:{job}", payload, folder, self._limits, subject, cancelled)

    @contextmanager
    def _folder(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(dir=self._scratch, ignore_cleanup_errors=True) as name:
            (Path(name) / "out").mkdir()
            yield Path(name)

    def _document(self, key: str, path: Path) -> Path:
        self._blobs.link(key, path)
        if path.stat().st_size > self._chosen.max_file_bytes:
            raise BadInput(f"The file is larger than {self._chosen.max_file_mb} MB (AEGIS_MAX_FILE_MB).")
        return path

    def _store(self, out: Path, prefix: str) -> dict[str, str]:
        """File name in the bucket, by file name. A link that a child left would send a file of the server's into the bucket."""
        keys = {}
        for path in sorted(out.iterdir()):
            if path.is_symlink() or not path.is_file():
                raise EngineFailed("The parser left something that is no file.", retryable=False)
            keys[path.name] = f"{prefix.rstrip('/')}/{path.name}"
            self._bucket.put_file(keys[path.name], path)
        return keys


class OcrRunner:
    """Children that keep the OCR engine loaded, for one call after another. Calls block, and may come from several threads."""

    def __init__(self, chosen: Settings, sandbox: Sandbox, scratch: Path) -> None:
        self._limits = Limits(
            OCR_SECONDS,
            chosen.parse_memory_mb,
            seconds_setting="a fixed limit",
            memory_setting="AEGIS_PARSE_MEMORY_MB",
        )
        self._scratch = scratch
        self._children = ChildPool(sandbox.child, choose_slots(chosen).pictures, calls=OCR_CALLS)

    def read(self, png: bytes, cancelled: Event) -> OcrAnswer:
        """A picture that cannot be read does not end the child: it would take seconds to load the engine again."""
        with (
            tempfile.TemporaryDirectory(dir=self._scratch, ignore_cleanup_errors=True) as name,
            self._children.child("ocr") as child,
        ):
            path = Path(name) / "picture"
            path.write_bytes(png)
            payload, subject = {"path": str(path)}, "Reading the text of a picture"
            try:
                return _valid(OcrAnswer, child.call(f"{JOBS}:ocr", payload, Path(name), self._limits, subject, cancelled))
            except AegisError as error:
                if child.closed or not child.alive():
                    raise
                failed = error
        raise failed

    def rest(self, seconds: float = 0.0) -> None:
        """Give the memory of children back where no picture came within so many seconds; the next call starts another."""
        self._children.rest(seconds)


def _key(keys: dict[str, str], name: str) -> str:
    if name not in keys:
        raise EngineFailed("The parser named a file that it did not write.", retryable=False)
    return keys[name]


def _picture(path: Path) -> bytes:
    """Read the picture that the child drew."""
    try:
        content = read_untrusted(path, PAGE_MB * MB + 1)
    except OSError as error:
        raise EngineFailed("The page was drawn, but left no picture.", retryable=False) from error
    if len(content) > PAGE_MB * MB:
        raise LimitExceeded(f"The picture of the page is larger than {PAGE_MB} MB.")
    return content


def _valid(kind: type[Result], outcome: Outcome, **more: object) -> Result:
    try:
        return kind.model_validate({**outcome.result, **more})
    except ValidationError as error:
        raise EngineFailed("The parser's answer has the wrong shape.", retryable=False) from error
