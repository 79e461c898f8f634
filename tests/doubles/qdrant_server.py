"""A server that speaks Qdrant's REST interface over qdrant-client's local mode, and has what the local mode has not.

It keeps payload indexes, quantisation and strict mode's limits, and refuses as the real one does: `strict` for collections in
strict mode, `answers` for the next answers whatever is asked (status, body, headers), `forgets_indexes` as if its client had died
between collection and index. It keeps what it was asked, and counts the points that it gave out.
"""

from __future__ import annotations

import json
import re
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from qdrant_client import QdrantClient, models

VERSION = "1.16.3"
HNSW = {"m": 16, "ef_construct": 100, "full_scan_threshold": 10_000}
Answer = tuple[int, Any, dict[str, str]]


class Refused(Exception):
    """status and what the server says."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


@dataclass
class Kept:
    """What a server keeps of a collection beside its points."""

    config: dict[str, Any] = field(default_factory=dict)
    indexes: dict[str, str] = field(default_factory=dict)


class QdrantDouble(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, *, api_key: str = "", strict: dict[str, Any] | None = None, forgets_indexes: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.api_key, self.strict, self.forgets_indexes = api_key, strict, forgets_indexes
        self.answers: list[tuple[int, bytes, dict[str, str]]] = []
        self.asked: list[tuple[str, str, Any]] = []
        self.keys: list[str | None] = []
        self.given = 0
        self.guard = threading.Lock()
        self.collections: dict[str, Kept] = {}
        self.local = QdrantClient(":memory:")

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()
        self.local.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def requests(self, ending: str) -> list[Any]:
        """Return the bodies of the requests whose path ends so, in their order."""
        return [body for _, path, body in self.asked if path.endswith(ending)]

    def handle_request_to(self, method: str, path: str, body: Any) -> Any:
        """Return the `result` of an answer. Raises Refused."""
        if path == "/collections":
            return {"collections": [{"name": name} for name in self.collections]}
        match = re.fullmatch(r"/collections/([^/]+)(/.*)?", path)
        if match is None:
            raise Refused(404, "")
        name, rest = match.group(1), match.group(2) or ""
        if rest == "/exists":
            return {"exists": name in self.collections}
        if not rest and method == "PUT":
            return self._create(name, models.CreateCollection.model_validate(body))
        if not rest and method == "DELETE":
            return self.collections.pop(name, None) is not None and self.local.delete_collection(name)
        if name not in self.collections:
            raise Refused(404, f"Not found: Collection `{name}` doesn't exist!")
        if not rest:
            return self._info(name) if method == "GET" else self._update(name, body)
        return ROUTES[method, rest](self, name, body)

    # Collections
    def _create(self, name: str, wanted: models.CreateCollection) -> bool:
        if name in self.collections:
            raise Refused(409, f"Wrong input: Collection `{name}` already exists!")
        self.local.create_collection(
            name, vectors_config=wanted.vectors, sparse_vectors_config=wanted.sparse_vectors, metadata=wanted.metadata
        )
        self.collections[name] = Kept(wanted.model_dump(mode="json", exclude_none=True, exclude={"metadata"}))
        return True

    def _info(self, name: str) -> dict[str, Any]:
        kept = self.collections[name]
        info: dict[str, Any] = self.local.get_collection(name).model_dump(mode="json")
        info["config"] |= {
            "hnsw_config": HNSW | kept.config.get("hnsw_config", {}),
            "quantization_config": kept.config.get("quantization_config"),
            "strict_mode_config": self.strict,
        }
        info["config"]["params"] |= {
            "shard_number": kept.config.get("shard_number", 1),
            "replication_factor": kept.config.get("replication_factor", 1),
        }
        for vector, params in kept.config["vectors"].items():
            info["config"]["params"]["vectors"][vector] |= params
        info["payload_schema"] = {key: {"data_type": kind, "points": 0} for key, kind in kept.indexes.items()}
        return info

    def _update(self, name: str, body: dict[str, Any]) -> bool:
        models.UpdateCollection.model_validate(body)
        config = self.collections[name].config
        if (quantization := body.get("quantization_config")) is not None:
            config["quantization_config"] = None if quantization == "Disabled" else quantization
        config["hnsw_config"] = config.get("hnsw_config", {}) | (body.get("hnsw_config") or {})
        for vector, params in (body.get("vectors") or {}).items():
            config["vectors"][vector] |= params
        return True

    def _index(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        if not self.forgets_indexes:
            self.collections[name].indexes[body["field_name"]] = body["field_schema"]
        return DONE

    # Points
    def _upsert(self, name: str, body: Any) -> dict[str, Any]:
        self._limit("upsert_max_batchsize", "upsert limit", len(body["points"]))
        points = models.PointsList.model_validate(body).points
        sizes = {vector: params["size"] for vector, params in self.collections[name].config["vectors"].items()}
        for point in points:
            assert isinstance(point.vector, dict)
            for vector, size in sizes.items():
                got = point.vector.get(vector)
                if isinstance(got, list) and len(got) != size:
                    raise Refused(400, f"Wrong input: Vector dimension error: expected dim: {size}, got {len(got)}")
        self.local.upsert(name, points)
        return DONE

    def _set_payload(self, name: str, body: Any) -> dict[str, Any]:
        self._filtered(name, body, "unindexed_filtering_update")
        self.local.set_payload(name, body["payload"], points=_selector(body))
        return DONE

    def _delete(self, name: str, body: Any) -> dict[str, Any]:
        self._filtered(name, body, "unindexed_filtering_update")
        self.local.delete(name, points_selector=_selector(body))
        return DONE

    def _batch(self, name: str, body: Any) -> list[dict[str, Any]]:
        operations = models.UpdateOperations.model_validate(body).operations
        self.local.batch_update_points(name, operations)
        return [DONE] * len(operations)

    def _scroll(self, name: str, body: Any) -> dict[str, Any]:
        self._filtered(name, body, "unindexed_filtering_retrieve")
        self._limit("max_query_limit", "limit", body.get("limit") or 10)
        asked = models.ScrollRequest.model_validate(body)
        page, offset = self.local.scroll(
            name, asked.filter, limit=asked.limit or 10, offset=asked.offset, with_payload=asked.with_payload or False
        )
        self.given += len(page)
        return {"points": [record.model_dump(mode="json") for record in page], "next_page_offset": offset}

    def _count(self, name: str, body: Any) -> dict[str, Any]:
        self._filtered(name, body, "unindexed_filtering_retrieve")
        return self.local.count(name, models.CountRequest.model_validate(body).filter, exact=True).model_dump()

    def _searches(self, name: str, body: Any) -> list[dict[str, Any]]:
        self._limit("search_max_batchsize", "search batch size", len(body["searches"]))
        return [self._query(name, one) for one in body["searches"]]

    def _query(self, name: str, body: Any) -> dict[str, Any]:
        self._filtered(name, body, "unindexed_filtering_retrieve")
        self._limit("max_query_limit", "limit", body.get("limit") or 10)
        oversampling = ((body.get("params") or {}).get("quantization") or {}).get("oversampling") or 1.0
        self._limit("search_max_oversampling", "oversampling", oversampling)
        asked = models.QueryRequest.model_validate(body)
        (found,) = self.local.query_batch_points(name, [asked.model_copy(update={"params": None})])
        return found.model_dump(mode="json")

    # Strict mode
    def _limit(self, name: str, said: str, value: float) -> None:
        most = self._strict(name)
        if most is not None and value > most:
            raise Refused(400, f'Bad request: Limit exceeded {value} > {most} for "{said}". Help: Reduce the "{said}" to {most}.')

    def _strict(self, name: str) -> Any:
        return self.strict.get(name) if self.strict and self.strict.get("enabled") else None

    def _filtered(self, name: str, body: dict[str, Any], rule: str) -> None:
        for condition in ((body.get("filter") or {}).get("must")) or []:
            values = condition.get("has_id") or (condition.get("match") or {}).get("any") or []
            self._limit("condition_max_size", "condition size", len(values))
            key = condition.get("key")
            if key and key not in self.collections[name].indexes and self._strict(rule) is False:
                kind = "bool" if isinstance((condition.get("match") or {}).get("value"), bool) else "keyword"
                raise Refused(
                    400,
                    f'Bad request: Index required but not found for "{key}" of one of the following types: [{kind}]. '
                    "Help: Create an index for this key or use a different filter.",
                )


DONE: dict[str, Any] = {"operation_id": 1, "status": "completed"}
ROUTES: dict[tuple[str, str], Callable[[QdrantDouble, str, Any], Any]] = {
    ("PUT", "/index"): QdrantDouble._index,
    ("PUT", "/points"): QdrantDouble._upsert,
    ("POST", "/points/payload"): QdrantDouble._set_payload,
    ("POST", "/points/delete"): QdrantDouble._delete,
    ("POST", "/points/batch"): QdrantDouble._batch,
    ("POST", "/points/scroll"): QdrantDouble._scroll,
    ("POST", "/points/count"): QdrantDouble._count,
    ("POST", "/points/query"): QdrantDouble._query,
    ("POST", "/points/query/batch"): QdrantDouble._searches,
}


def _selector(body: dict[str, Any]) -> Any:
    if body.get("filter") is not None:
        return models.FilterSelector(filter=models.Filter.model_validate(body["filter"]))
    return models.PointIdsList(points=body["points"])


class _Handler(BaseHTTPRequestHandler):
    server: QdrantDouble
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.partition("?")[0].rstrip("/")
        asked = json.loads(body) if body else None
        with self.server.guard, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.server.asked.append((self.command, path, asked))
            self.server.keys.append(self.headers.get("api-key"))
            if self.server.answers:
                return self._send(*self.server.answers.pop(0))
            if self.server.api_key and self.headers.get("api-key") != self.server.api_key:
                return self._send(401, b"Must provide an API key or an Authorization bearer token", {})
            if not path:
                return self._json(200, {"title": "qdrant - vector search engine", "version": VERSION})
            try:
                result = self.server.handle_request_to(self.command, path, asked)
            except Refused as refused:
                return self._json(refused.status, {"status": {"error": refused.reason}, "time": 0.001})
            return self._json(200, {"result": result, "status": "ok", "time": 0.001})

    def _json(self, status: int, content: Any) -> None:
        self._send(status, json.dumps(content, default=str).encode(), {})

    def _send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = _answer

    def log_message(self, *_: object) -> None:
        pass
