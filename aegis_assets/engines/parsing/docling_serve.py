"""A file into a docling document by a docling-serve server (its HTTP interface v1, `POST /v1/convert/file`).

The third choice of parser, for a machine that has a GPU elsewhere. Only the bytes and their format leave this machine: the
file's name is replaced, because names are hostile input to the server too. The answer is checked as any other input is.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import httpx
import stamina

from aegis_assets.engines.parsing.tree import Tree
from aegis_assets.errors import AegisError, BadInput, EngineFailed, EngineUnavailable, Misconfigured
from aegis_assets.network import may_use_proxy

# Our formats in docling-serve's words, and the ending it knows them by.
FORMATS: Final = {
    "pdf": ("pdf", "pdf"),
    "image": ("image", "png"),
    "docx": ("docx", "docx"),
    "pptx": ("pptx", "pptx"),
    "xlsx": ("xlsx", "xlsx"),
    "odt": ("odt", "odt"),
    "ods": ("ods", "ods"),
    "odp": ("odp", "odp"),
    "html": ("html", "html"),
    "markdown": ("md", "md"),
    "asciidoc": ("asciidoc", "adoc"),
    "latex": ("latex", "tex"),
    "epub": ("epub", "epub"),
    "email": ("email", "eml"),
    "webvtt": ("vtt", "vtt"),
}
_ANSWER: Final = 512 * 2**20  # bytes; a page with pictures has about 1 MB
_CONNECT: Final = 5.0  # seconds
_BUSY: Final = frozenset({429, 502, 503})


class DoclingServe:
    """timeout: seconds for one conversion, the window's limit. api_key: empty where the server asks for none."""

    def __init__(self, url: str, timeout: float, api_key: str = "", attempts: int = 3) -> None:
        self._url = url.rstrip("/")
        self._timeout = httpx.Timeout(timeout, connect=_CONNECT)
        self._headers = {"X-Api-Key": api_key} if api_key else {}
        self._attempts = attempts

    def convert(self, path: Path, kind: str, pages: tuple[int, int] | None = None) -> Tree:
        """pages: first and last, from 1. Raises BadInput (the document), EngineUnavailable or EngineFailed (the server)."""
        if kind not in FORMATS:
            raise BadInput(f"docling-serve does not read {kind} documents. Save it in another format and upload that.")
        for attempt in stamina.retry_context(
            on=EngineUnavailable, attempts=self._attempts, wait_initial=0.2, wait_max=5.0, timeout=None
        ):
            with attempt:
                return self._convert(path, kind, pages)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _convert(self, path: Path, kind: str, pages: tuple[int, int] | None) -> Tree:
        form: dict[str, Any] = {
            "from_formats": FORMATS[kind][0],
            "to_formats": "json",
            "image_export_mode": "embedded",
            "abort_on_error": "false",
        }
        if pages is not None:
            form["page_range"] = [str(max(1, pages[0])), str(pages[1])]
        try:
            with (
                path.open("rb") as stream,
                httpx.Client(timeout=self._timeout, headers=self._headers, trust_env=may_use_proxy(self._url)) as client,
                client.stream(
                    "POST",
                    f"{self._url}/v1/convert/file",
                    data=form,
                    files={"files": (f"document.{FORMATS[kind][1]}", stream, "application/octet-stream")},
                ) as answer,
            ):
                body = self._body(answer)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        return self._document(body)

    def _body(self, answer: httpx.Response) -> bytes:
        pieces: list[bytes] = []
        size = 0
        for piece in answer.iter_bytes():
            size += len(piece)
            if size > _ANSWER:
                raise EngineFailed(
                    f"docling-serve answered with more than {_ANSWER // 2**20} MB. Split the document.", retryable=False
                )
            pieces.append(piece)
        if answer.status_code != httpx.codes.OK:
            raise self._refused(answer.status_code)
        return b"".join(pieces)

    def _refused(self, status: int) -> AegisError:
        if status in (401, 403):
            return Misconfigured("docling-serve refuses access. Set AEGIS_DOCLING_SERVE_API_KEY to its DOCLING_SERVE_API_KEY.")
        if status in _BUSY:
            return EngineUnavailable(f"docling-serve at {self._url} is overloaded (HTTP {status}). Retry later.")
        if status in (408, 504):
            return EngineFailed(
                "docling-serve gave up on the document: it took too long there. Raise its DOCLING_SERVE_MAX_SYNC_WAIT."
            )
        if status == 404:
            return Misconfigured(f"There is no docling-serve with interface v1 at {self._url}. Check AEGIS_DOCLING_SERVE_URL.")
        if status == 413:
            return BadInput("The document is larger than docling-serve accepts. Split it.")
        return EngineFailed(f"docling-serve answered with an error (HTTP {status}). Its log has the details.")

    def _unreachable(self, error: httpx.HTTPError) -> AegisError:
        if isinstance(error, httpx.ReadTimeout | httpx.WriteTimeout):
            # Not retried here: the server still works on the first request.
            return EngineFailed(f"docling-serve at {self._url} did not answer within {self._timeout.read:.0f} s.", retryable=True)
        return EngineUnavailable(
            f"docling-serve at {self._url} does not answer ({type(error).__name__}). Start it, or check AEGIS_DOCLING_SERVE_URL."
        )

    def _document(self, body: bytes) -> Tree:
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise EngineFailed("docling-serve answered with something that is not JSON. Check AEGIS_DOCLING_SERVE_URL.") from error
        status = answer.get("status") if isinstance(answer, dict) else None
        if status in ("failure", "skipped"):
            raise BadInput("docling-serve could not read the document. Save it in another format and upload that.")
        tree = (answer.get("document") or {}).get("json_content") if status in ("success", "partial_success") else None
        if status == "partial_success":
            # Some pages are missing: half a document without a word would be worse than a failure.
            raise EngineFailed("docling-serve read only a part of the document. Its log has the details.")
        return _checked(tree)


def _checked(tree: object) -> Tree:
    """A sound docling document, or EngineFailed."""
    from docling_core.types.doc import DoclingDocument

    from aegis_assets.engines.parsing.convert import scrub

    if not isinstance(tree, dict):
        raise EngineFailed("docling-serve answered without a document. Check that its version is 1 or newer.")
    try:
        found: Tree = DoclingDocument.model_validate(tree).export_to_dict()
    except (ValueError, RecursionError) as error:
        raise EngineFailed("docling-serve answered with a damaged document. Its log has the details.") from error
    return scrub(found, "")
