"""Requests about documents -> files fetched from the bucket, work in a sandboxed child, results put back into the bucket.

The child sees one folder and no credentials: fetching and storing are done here, in the server's process, which in turn never looks
into a document.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata, util
from pathlib import Path
from threading import Event
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError

from aegis_assets.engines.embedder import chunk_tokens, tokenizer_path
from aegis_assets.engines.sandbox import Child, Limits, Outcome, Sandbox
from aegis_assets.engines.service.wire import ChunkAnswer, OcrAnswer
from aegis_assets.errors import BadInput, EngineFailed, Misconfigured
from aegis_assets.model.ids import fingerprint
from aegis_assets.model.parsing import ChunkRequest, Inspection, InspectRequest, ParsedWindow, ParseRequest
from aegis_assets.pipeline.ports import Bucket
from aegis_assets.settings import Settings

VERSION: Final = 1  # of our own part of parsing: raise it when a window's items change, and every document is parsed anew
PACKAGES: Final = ("docling-slim", "docling-core", "docling-parse", "pypdfium2", "rapidocr")
JOBS: Final = "aegis_assets.engines.service.jobs"
SECTION_CHUNKS: Final = 4  # a section of a format without pages grows to about this many chunks where no heading ends it
START_SECONDS: Final = 300.0  # 6 on an idle machine
OCR_SECONDS: Final = 60.0  # a page takes 7 with loading
OCR_CALLS: Final = 200  # then a fresh child, since onnxruntime's arenas only grow


def chosen_parser(chosen: Settings) -> str:
    """What 'auto' means here: docling's own models only where they were installed and a GPU runs them."""
    if chosen.parser == "docling-serve" and not chosen.docling_serve_url:
        raise Misconfigured("AEGIS_PARSER is 'docling-serve' and AEGIS_DOCLING_SERVE_URL is empty: set it, or AEGIS_PARSER=auto.")
    if chosen.parser != "auto":
        return chosen.parser
    if chosen.docling_serve_url:
        return "docling-serve"
    on_gpu = chosen.embedder_device.startswith("cuda") and util.find_spec("torchvision") is not None
    return "docling" if on_gpu else "rules"


def parser_fingerprint(chosen: Settings) -> str:
    return fingerprint(
        parser=chosen_parser(chosen),
        serve=chosen.docling_serve_url,
        packages=[(name, _version(name)) for name in PACKAGES],
        pictures=chosen.picture_min_pixels,
        version=VERSION,
    )


def ocr_fingerprint() -> str:
    return fingerprint(ocr=_version("rapidocr"), version=VERSION)


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


Result = TypeVar("Result", bound=BaseModel)


class Documents:
    """Calls block, and may come from several threads."""

    def __init__(self, chosen: Settings, bucket: Bucket, sandbox: Sandbox, scratch: Path) -> None:
        """scratch: a directory for the files of running calls, emptied by whoever starts the server."""
        self._chosen = chosen
        self._bucket = bucket
        self._sandbox = sandbox
        self._scratch = scratch
        self._limits = Limits(chosen.parse_timeout, chosen.parse_memory_mb)

    def inspect(self, request: InspectRequest, cancelled: Event) -> Inspection:
        with self._folder() as folder:
            payload = {
                "path": str(self._fetch(request.blob, folder / "document")),
                "name": request.name,
                "out": str(folder / "out"),
                "max_pages": self._chosen.max_pages,
                "window_tokens": chunk_tokens(self._chosen) * min(SECTION_CHUNKS, self._chosen.window_chunks),
                **self._serve(),
            }
            outcome = self._run("inspect", payload, folder, "Reading the document", cancelled)
            inspection = _valid(Inspection, outcome)
            keys = self._store(folder / "out", request.artifacts)
            return inspection.model_copy(update={"whole": _key(keys, inspection.whole) if inspection.whole else None})

    def parse(self, request: ParseRequest, cancelled: Event) -> ParsedWindow:
        with self._folder() as folder:
            path, whole = folder / "document", folder / "whole"
            if request.unit == "section" and request.whole:
                self._fetch(request.whole, whole)  # the sections were cut out of it; the bytes of the document are not needed again
            else:
                self._fetch(request.blob, path)
            payload = {
                "path": str(path),
                "whole": str(whole) if whole.exists() else None,
                "request": request.model_dump(mode="json"),
                "out": str(folder / "out"),
                "picture_min_pixels": self._chosen.picture_min_pixels,
                "parser": chosen_parser(self._chosen),
                **self._serve(),
            }
            subject = f"Parsing {'pages' if request.unit == 'page' else 'sections'} {request.first} to {request.last}"
            outcome = self._run("parse", payload, folder, subject, cancelled)
            parsed = _valid(ParsedWindow, outcome)
            keys = self._store(folder / "out", request.artifacts)
            pictures = tuple(picture.model_copy(update={"image": _key(keys, picture.image)}) for picture in parsed.pictures)
            update = {"artifact": _key(keys, parsed.artifact), "pictures": pictures, "peak_mb": round(outcome.peak_mb, 1)}
            return parsed.model_copy(update=update)

    def chunk(self, request: ChunkRequest, cancelled: Event) -> ChunkAnswer:
        with self._folder() as folder:
            payload = {
                "artifact": str(self._fetch(request.artifact, folder / "artifact.json")),
                "request": request.model_dump(mode="json"),
                "tokenizer": str(tokenizer_path(self._chosen)),
                "max_tokens": chunk_tokens(self._chosen),
            }
            return _valid(ChunkAnswer, self._run("chunk", payload, folder, "Cutting the text into chunks", cancelled))

    def ready(self) -> None:
        """Returns when a child can be had, which is when the template has imported all."""
        with self._folder() as folder:
            limits = Limits(START_SECONDS, self._chosen.parse_memory_mb, seconds_setting="a fixed limit")
            self._sandbox.run(f"{JOBS}:ready", {}, folder, limits, "Starting the parser", Event())

    def _serve(self) -> dict[str, object]:
        used = chosen_parser(self._chosen) == "docling-serve"
        return {"serve": self._chosen.docling_serve_url if used else "", "serve_seconds": self._chosen.parse_timeout}

    def _run(self, job: str, payload: Mapping[str, object], folder: Path, subject: str, cancelled: Event) -> Outcome:
        return self._sandbox.run(f"{JOBS}:{job}", payload, folder, self._limits, subject, cancelled)

    @contextmanager
    def _folder(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(dir=self._scratch, ignore_cleanup_errors=True) as name:
            (Path(name) / "out").mkdir()
            yield Path(name)

    def _fetch(self, key: str, path: Path) -> Path:
        self._bucket.download(key, path)
        if path.stat().st_size > self._chosen.max_file_mb * 2**20 and path.name == "document":
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


class OcrDesk:
    """One child that keeps the OCR engine loaded, for one call after another. Not thread-safe."""

    def __init__(self, chosen: Settings, sandbox: Sandbox, scratch: Path) -> None:
        self._limits = Limits(
            OCR_SECONDS,
            chosen.parse_memory_mb,
            seconds_setting="a fixed limit",
            memory_setting="AEGIS_PARSE_MEMORY_MB",
        )
        self._sandbox = sandbox
        self._scratch = scratch
        self._child: Child | None = None

    def read(self, png: bytes, cancelled: Event) -> OcrAnswer:
        if self._child is not None and (self._child.calls >= OCR_CALLS or not self._child.alive()):
            self.rest()
        self._child = self._child or self._sandbox.child()
        with tempfile.TemporaryDirectory(dir=self._scratch, ignore_cleanup_errors=True) as name:
            path = Path(name) / "picture"
            path.write_bytes(png)
            outcome = self._child.call(
                f"{JOBS}:ocr", {"path": str(path)}, Path(name), self._limits, "Reading the text of a picture", cancelled
            )
        return _valid(OcrAnswer, outcome)

    def rest(self) -> None:
        """Give the child's memory back; the next call starts another."""
        if self._child is not None:
            self._child.kill()
            self._child = None


def _key(keys: dict[str, str], name: str) -> str:
    if name not in keys:
        raise EngineFailed("The parser named a file that it did not write.", retryable=False)
    return keys[name]


def _valid(kind: type[Result], outcome: Outcome) -> Result:
    try:
        return kind.model_validate(outcome.result)
    except ValidationError as error:
        raise EngineFailed("The parser's answer has the wrong shape.", retryable=False) from error
