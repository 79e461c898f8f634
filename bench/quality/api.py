"""The platform's API over HTTP, as a script uses it: upload, wait, search, read the graph, remove."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import httpx

Row = dict[str, Any]
FILES_PER_UPLOAD: Final = 100  # Django's limit
IDS_PER_REQUEST: Final = 100  # addresses stay below 8 KB
POLL_SECONDS: Final = 1.0
INGEST_SECONDS: Final = 3600.0
ENDED: Final = frozenset({"succeeded", "partial", "failed", "cancelled"})


@dataclass(frozen=True)
class Api:
    """client: knows the address, and carries a session or a token."""

    client: httpx.Client

    def upload(self, collection: str, texts: Mapping[str, str]) -> dict[str, str]:
        """Upload Markdown texts by file name, and return the documents' ids by file name. They are ingested at once."""
        documents: dict[str, str] = {}
        for batch in batched(texts.items(), FILES_PER_UPLOAD):
            files = [("files", (name, text.encode(), "text/markdown")) for name, text in batch]
            answer = self._post("/api/documents", data={"collection": collection}, files=files)
            documents |= {file["name"]: file["document"] for file in answer["documents"] if file["document"]}
        if missing := sorted(set(texts) - set(documents)):
            raise RuntimeError(f"{len(missing)} files were refused, the first is {missing[0]}")
        return documents

    def wait(self, documents: Sequence[str]) -> None:
        """Wait until all documents have succeeded. Raise RuntimeError if one ends otherwise, or after an hour."""
        deadline = time.monotonic() + INGEST_SECONDS
        waiting = list(documents)
        while waiting:
            rows = [row for ids in batched(waiting, IDS_PER_REQUEST) for row in self._states(ids)]
            if wrong := [row for row in rows if row["state"] in ENDED - {"succeeded"}]:
                raise RuntimeError(f"{len(wrong)} documents did not succeed, the first: {wrong[0]}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"{len(waiting)} documents are not ingested after {INGEST_SECONDS:.0f} s")
            waiting = [row["document"] for row in rows if row["state"] != "succeeded"]
            time.sleep(POLL_SECONDS if waiting else 0)

    def search(self, text: str, collection: str, limit: int, *, graph: bool) -> list[Row]:
        """Return the hits of a search, best first, with the graph or without."""
        asked = {"q": text, "collection": collection, "limit": limit, "graph": str(graph).lower()}
        hits: list[Row] = self._get("/api/search", asked)["hits"]
        return hits

    def search_has_graph(self) -> bool:
        """Return whether the search knows the switch `graph`: it then refuses a value that is neither true nor false."""
        answer = self.client.get("/api/search", params={"q": "graph", "limit": 1, "graph": "neither"})
        return answer.status_code == httpx.codes.BAD_REQUEST

    def _states(self, documents: Sequence[str]) -> list[Row]:
        rows: list[Row] = self._get("/api/documents/states", {"id": list(documents)})["documents"]
        return rows

    def _get(self, path: str, asked: Mapping[str, Any] | None = None) -> Row:
        return _answered(self.client.get(path, params=dict(asked or {})))

    def _post(self, path: str, **sent: Any) -> Row:
        headers = {"X-CSRFToken": self.client.cookies.get("csrftoken") or "", "Referer": str(self.client.base_url)}
        return _answered(self.client.post(path, headers=headers, **sent))


def _answered(answer: httpx.Response) -> Row:
    if answer.is_error:
        raise RuntimeError(f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text[:500]}")
    row: Row = answer.json()
    return row


def batched(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
