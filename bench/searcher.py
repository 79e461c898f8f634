"""Asks like the admin's search page whether a file is found: `python -m bench.searcher`, one JSON line in, one out.

In: {"text", "name", "collection"}. Out: {"found_at", "searches"}, found_at as of `time.time()`. It looks into the ledger until a
chunk is marked as embedded, which costs nothing, and searches only then: searches all the while would be part of the load.
"""

from __future__ import annotations

import json
import os
import sys
import time

import django

MARKED = """
SELECT 1 FROM aegis_chunk_task t JOIN aegis_document d ON d.id = t.document_id
WHERE d.name = %s AND t.stage = 'embed' AND t.state = 'done' LIMIT 1"""
LOOK_SECONDS = 0.05
GIVE_UP_SECONDS = 600.0


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "webadmin.settings"
    django.setup()
    from django.db import connection

    from webadmin.documents.search import search

    print("ready", flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        deadline, searches = time.monotonic() + GIVE_UP_SECONDS, 0
        while time.monotonic() < deadline:
            with connection.cursor() as cursor:
                cursor.execute(MARKED, [asked["name"]])
                marked = cursor.fetchone() is not None
            if marked:
                searches += 1
                if any(hit.name == asked["name"] for hit in search(asked["text"], asked["collection"], 5).hits):
                    break
            time.sleep(LOOK_SECONDS)
        else:
            raise TimeoutError(f"{asked['name']} was not found within {GIVE_UP_SECONDS:.0f} s")
        print(json.dumps({"found_at": time.time(), "searches": searches}), flush=True)


if __name__ == "__main__":
    main()
