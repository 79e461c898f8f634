"""The platform's API over HTTP, as a script uses it: upload, wait, search, read the graph, remove."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final
from urllib.parse import quote
from uuid import uuid4

import httpx

Row = dict[str, Any]
FILES_PER_UPLOAD: Final = 100  # Django's limit
SEARCH_MODES: Final = {"hybrid": False, "graph": True}  # name -> whether the walk over the graph takes part
IDS_PER_REQUEST: Final = 100  # addresses stay below 8 KB
POLL_SECONDS: Final = 1.0
INGEST_SECONDS: Final = 3600.0
REMOVE_SECONDS: Final = 900.0
ROWS_PER_PAGE: Final = 500
ATTEMPTS: Final = 5
PAUSE_SECONDS: Final = 3.0
UNFINISHED: Final = frozenset({"partial", "failed", "cancelled"})
ENDED: Final = UNFINISHED | {"succeeded"}


@dataclass(frozen=True)
class Ingested:
    """documents: ids by file name. unfinished: how many of them did not succeed. extractor: as the platform names it."""

    collection: str
    documents: dict[str, str]
    unfinished: int
    seconds: float
    extractor: str

    def facts(self) -> Row:
        """Return what a reader of figures has to know of the ingestion."""
        counts = {"documents": len(self.documents), "unfinished": self.unfinished}
        return {**counts, "ingest_s": round(self.seconds, 1), "extractor": self.extractor}


@dataclass(frozen=True)
class Api:
    """client: knows the address, and carries a session or a token. disposable: the platform goes, and its collections with it."""

    client: httpx.Client
    disposable: bool = False

    @contextmanager
    def ingested(self, name: str, contents: Mapping[str, str | bytes], *, keep: bool = False) -> Iterator[Ingested]:
        """Ingest texts and files by file name into a collection of their own, which is removed afterwards, or kept."""
        collection = f"eval-{re.sub(r'[^a-z0-9]+', '-', name.lower())[:40]}-{uuid4().hex[:6]}"
        began = time.monotonic()
        try:
            documents = self.upload(collection, contents)
            unfinished = self.wait(list(documents.values()))
            seconds = time.monotonic() - began
            extractor = self.document(next(iter(documents.values())))["extractor"]
            yield Ingested(collection, documents, unfinished, seconds, extractor)
        finally:
            if not keep and not self.disposable:
                self.remove(collection)

    def upload(self, collection: str, contents: Mapping[str, str | bytes]) -> dict[str, str]:
        """Upload texts and files by file name, and return the documents' ids by file name. They are ingested at once."""
        documents: dict[str, str] = {}
        for batch in batched(contents.items(), FILES_PER_UPLOAD):
            files = [("files", (name, content)) for name, content in batch]
            answer = self._post("/api/documents", data={"collection": collection}, files=files)
            documents |= {file["name"]: file["document"] for file in answer["documents"] if file["document"]}
        if missing := sorted(set(contents) - set(documents)):
            raise RuntimeError(f"{len(missing)} files were refused, the first is {missing[0]}")
        return documents

    def wait(self, documents: Sequence[str]) -> int:
        """Wait until all have ended, and return how many did not succeed. Raise RuntimeError if none did, or after an hour."""
        deadline = time.monotonic() + INGEST_SECONDS
        waiting, unfinished = list(documents), list[Row]()
        while waiting:
            rows = [row for ids in batched(waiting, IDS_PER_REQUEST) for row in self._states(ids)]
            unfinished += [row for row in rows if row["state"] in UNFINISHED]
            if len(unfinished) == len(documents):
                raise RuntimeError(f"no document succeeded; the first: {unfinished[0]}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"{len(waiting)} documents are not ingested after {INGEST_SECONDS:.0f} s")
            waiting = [row["document"] for row in rows if row["state"] not in ENDED]
            time.sleep(POLL_SECONDS if waiting else 0)
        return len(unfinished)

    def search(self, text: str, collection: str, limit: int, *, graph: bool) -> list[Row]:
        """Return the hits of a search, best first, with the graph or without."""
        asked = {"q": text, "collection": collection, "limit": limit, "graph": str(graph).lower()}
        hits: list[Row] = self._get("/api/search", asked)["hits"]
        return hits

    def document(self, document: str) -> Row:
        return self._get(f"/api/documents/{document}")

    def entities(self, document: str) -> list[Row]:
        return self._pages(f"/api/documents/{document}/entities", "entities")

    def relations(self, document: str) -> list[Row]:
        return self._pages(f"/api/documents/{document}/relations", "relations")

    def remove(self, collection: str) -> None:
        """Remove a collection with its documents, and wait until it is gone. Raise RuntimeError after a quarter of an hour."""
        deadline = time.monotonic() + REMOVE_SECONDS
        while time.monotonic() < deadline:
            answer = self._send(f"/api/collections/{quote(collection)}/remove")
            if answer.status_code == httpx.codes.NOT_FOUND or (answer.is_success and answer.json()["removed"]):
                return
            if answer.status_code != httpx.codes.CONFLICT:  # a document that runs yet
                _answered(answer)
            time.sleep(POLL_SECONDS)
        raise RuntimeError(f"the collection {collection} is not removed after {REMOVE_SECONDS:.0f} s")

    def _pages(self, path: str, kind: str) -> list[Row]:
        found: list[Row] = []
        after: str | None = ""
        while after is not None:
            page = self._get(path, {"limit": ROWS_PER_PAGE, "after": after})
            found, after = found + page[kind], page["next"]
        return found

    def _states(self, documents: Sequence[str]) -> list[Row]:
        rows: list[Row] = self._get("/api/documents/states", {"id": list(documents)})["documents"]
        return rows

    def _get(self, path: str, asked: Mapping[str, Any] | None = None) -> Row:
        return _answered(self._tried("GET", path, params=dict(asked or {})))

    def _post(self, path: str, **sent: Any) -> Row:
        return _answered(self._send(path, **sent))

    def _send(self, path: str, **sent: Any) -> httpx.Response:
        headers = {"X-CSRFToken": self.client.cookies.get("csrftoken") or "", "Referer": str(self.client.base_url)}
        return self._tried("POST", path, headers=headers, **sent)

    def _tried(self, method: str, path: str, **sent: Any) -> httpx.Response:
        """Ask again where a busy machine answers late or with an error. Whatever is asked here may be asked twice."""
        for _attempt in range(ATTEMPTS - 1):
            try:
                answer = self.client.request(method, path, **sent)
            except httpx.TransportError:
                time.sleep(PAUSE_SECONDS)
                continue
            if not answer.is_server_error:
                return answer
            time.sleep(PAUSE_SECONDS)
        return self.client.request(method, path, **sent)


def _answered(answer: httpx.Response) -> Row:
    if answer.is_error:
        raise RuntimeError(f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text[:500]}")
    row: Row = answer.json()
    return row


def batched(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
