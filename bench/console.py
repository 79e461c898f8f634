"""`make bench-console`: what pages cost the admin's process with 20,000 documents in the ledger, over HTTP, logged in.

ms: of one request after the first, median of ten, one after the other. queries do not depend on the number of documents; the tests
hold that. memory_mb: of the admin's process, resident, when all pages have been seen.
"""

from __future__ import annotations

import time
from contextlib import closing
from statistics import median
from typing import Any, Final

import httpx
import psutil

from aegis_assets.embedded.supervision import Supervisor
from aegis_assets.settings import ROOT
from bench import results
from bench.harness import Stack, running
from bench.login import kept_password, logged_in

REQUESTS: Final = 10
BARS: Final = {"first page of the documents, ms": 300.0, "memory, MB": 200.0}
MANY: Final = (
    """
INSERT INTO aegis_document (id, collection_id, name, source, source_key, state, format, created_at)
SELECT gen_random_uuid(), d.collection_id, 'report ' || n || '.pdf', 'upload', 'report ' || n, 'succeeded', 'pdf',
    now() - n * interval '1 minute'
FROM aegis_document d, generate_series(1, 20000) n WHERE d.name = 'unix.md'""",
    """
INSERT INTO aegis_run_document (run_id, document_id, started_at, finished_at, extracted_chunks)
SELECT 'r', id, now() - interval '1 hour', now() - interval '50 minutes', 3 FROM aegis_document WHERE name LIKE 'report%%'""",
    "ANALYZE",
)
PAGES: Final = {
    "dashboard": "/admin/",
    "documents": "/admin/documents/document/",
    "documents, searched": "/admin/documents/document/?q=report",
    "documents, one state": "/admin/documents/document/?state__exact=succeeded",
    "document": "/admin/documents/document/{document}/change/",
    "graph": "/admin/graph/?document={document}",
    "search": "/admin/search/?q=Who+wrote+the+C+language%3F",
    "limits": "/admin/limits/",
    "metrics": "/metrics",
}


def took(client: httpx.Client, path: str) -> float:
    """Milliseconds."""
    client.get(path).raise_for_status()
    seconds = []
    for _ in range(REQUESTS):
        began = time.perf_counter()
        client.get(path)
        seconds.append(time.perf_counter() - began)
    return 1000 * median(seconds)


def memory_mb(stack: Stack) -> float:
    pid = next(one.pid for one in Supervisor(stack.home).programs() if one.name == "admin")
    return psutil.Process(pid).memory_info().rss / 2**20


def main() -> None:
    with running() as stack:
        [report] = stack.ingest(ROOT / "samples" / "unix.md")
        for statement in MANY:
            stack.execute(statement)
        address = f"http://127.0.0.1:{stack.environment['AEGIS_ADMIN_PORT']}"
        with closing(logged_in(address, kept_password(stack.home))) as client:
            fresh = memory_mb(stack)
            rows: list[dict[str, Any]] = [
                {"page": name, "ms": took(client, path.format(document=report["document"]))} for name, path in PAGES.items()
            ]
        memory = memory_mb(stack)
    print(results.table(rows))
    print(f"memory: {fresh:.0f} MB after the log-in, {memory:.0f} MB after all pages; bars: {BARS}")
    print(results.write("console", {"pages": rows, "memory_fresh_mb": fresh, "memory_mb": memory, "bars": BARS}))


if __name__ == "__main__":
    main()
