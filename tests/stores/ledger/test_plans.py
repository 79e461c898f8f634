"""What PostgreSQL does for each statement on the path of one document: no table that grows with the collection is read whole.

A constant that is new needs a word here: its name under the module in ON_PATH, with a value in OF_ITS_OWN where the sample's, by
the parameter's name, does not do; or in OFF_PATH, with the reason. The planner's settings are PostgreSQL's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final
from uuid import UUID

import psycopg
import pytest

from tests.stores.ledger.populated import fill, large_tables, sample
from tests.stores.ledger.test_contract import statements

ON_PATH: Final = {
    "base": "FENCE LOCK LOCK_ALL LOCK_NAMED LOCK_SHARED OURS",
    "blobs": "DELETE FORGET KEEP NEEDED",
    "chunks": """ADD_CHUNK ADD_TASKS COUNT_EMBEDDED COUNT_ENRICHED EMBEDDED ENRICHED LEAVE PLACE PLACED RECOUNT RESOLVE START TAKEN
        TO_DO VISIBLE""",
    "documents": """ADD ADD_COLLECTION ALL_FOR_UPDATE CANCEL_NOW CANCEL_SOON COLLECTION DOCUMENT DOCUMENTS FOR_UPDATE REMOVE REVISE
        SAME_BYTES SET_CONTENT SET_ENGINES TO_PENDING TO_REMOVE""",
    "embeddings": "COLLECTION EMBEDDINGS KEEP SET_EMBEDDER TEXTS UNKEPT",
    "extraction": """ADD_ENTITIES ADD_MENTIONS ADD_RELATIONS CACHE CACHED CHUNKS COUNT FORGET_MENTIONS FORGET_RELATIONS MARK""",
    "failures": """ADD ADD_CALLS ADD_SECONDS.embed ADD_SECONDS.enrich ADD_SECONDS.extract ADD_SECONDS.parse ADD_SECONDS.publish
        ADD_SECONDS.resolve ALL BEFORE FAIL_CHUNK FAIL_CHUNKS FAIL_WINDOW.enrich FAIL_WINDOW.parse OPEN SET_TIMES.publish
        SET_TIMES.resolve""",
    "generations": """ADD ADD_WINDOW DROP DROP_FAILURES DROP_PLACEMENTS DROP_WINDOWS GENERATION OF_DOCUMENT SAVE_FORMAT
        SAVE_INSPECTION SET_MAKING WINDOWS""",
    "limits": "LIMITS",
    "progress": "ADVANCE HEAD MARKS MEASURED RECENT STANDINGS WORKERS",
    "queries": "COUNTS LAST_RUN OPEN SEARCH SHOWN SUMMARIES",
    "removed": "DUE FORGET POSTPONE THERE",
    "runs": """ALL_FOR_UPDATE BEGIN DOCUMENT FINISH FOR_UPDATE OF_RUN PEEK PEEK_MANY REST_CHUNKS REST_WINDOWS RUN_BEGINS RUN_ENDS
        SETTLE""",
    "usage": "RESERVE SETTLE THIS_MONTH",
    "watched": "BLANK CANCEL CHANGED FORGET GONE NOTE REMOVE UPSERT",
    "windows": """COUNT_PARSED DOCUMENT_OF LIVE MISSING PLANNED RECOUNT REOPEN REOPEN_TASKS REOPEN_WINDOWS RESOLVE SAVE_PARSED
        SIBLING_CHUNKS SIBLING_PARSE START.enrich START.parse UNPARSED WINDOW WINDOWS""",
}
OFF_PATH: Final = {
    "changes": "listens",
    "embeddings.COUNT": "a rebuild of the vectors, which reads the collection",
    "embeddings.SHOWING": "a rebuild of the vectors, which reads the collection",
    "lease_sql": "its tables have a row for each request under way",
    "measures": "a scrape",
    "watched.KNOWN": "asked where a watched bucket seems to be empty",
    "watched.KNOWN_KEYS": "a full listing of the watched bucket, as large as that",
    "watched.VANISHED": "a full listing of the watched bucket, as large as that",
}
OF_ITS_OWN: Final[dict[str, dict[str, Any]]] = {
    "chunks.PLACE": {"headings": ["Title"], "pages": [1], "id": UUID(int=1)},
    "documents.ADD": {"key": "new.md", "id": UUID(int=1)},
    "removed.DUE": {"limit": 100},
    "removed.FORGET": {"id": 7},
    "removed.POSTPONE": {"id": 7},
}
# Written anew by other work just now: to be taken up here with it.
LATER: Final = frozenset({"deciding", "graph_drop", "graph_facts", "graph_view", "launching", "rebuilding", "resolving"})

STATEMENTS: Final = {name: text for name, text in statements() if name.split(".")[0] not in LATER}
PLANNED: Final = [f"{module}.{constant}" for module, constants in ON_PATH.items() for constant in constants.split()]


@pytest.fixture(scope="module")
def populated(database_url: str) -> Iterator[str]:
    """Emptied before and after: other tests of the worker have the same database."""
    _empty(database_url)
    fill(database_url)
    yield database_url
    _empty(database_url)


def _empty(url: str) -> None:
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "SELECT string_agg(relname, ', ') FROM pg_class WHERE relkind = 'r' AND relname LIKE 'aegis\\_%'"
            " AND relname <> 'aegis_transition'"
        ).fetchone()
        assert tables is not None
        connection.execute(f"TRUNCATE {tables[0]} RESTART IDENTITY CASCADE")


@pytest.fixture(scope="module")
def values(populated: str) -> dict[str, Any]:
    return sample(populated)


def test_every_statement_is_on_the_path_of_a_document_or_says_why_not() -> None:
    told = {*PLANNED, *OFF_PATH}
    assert {name for name in STATEMENTS if name not in told and name.split(".")[0] not in told} == set()
    assert {name for name in PLANNED if name not in STATEMENTS} == set(), "these are no more"
    assert set(OF_ITS_OWN) <= set(PLANNED)


@pytest.mark.parametrize("name", PLANNED)
def test_a_statement_on_the_path_of_a_document_reads_no_table_whole(name: str, populated: str, values: dict[str, Any]) -> None:
    statement = STATEMENTS[name]
    wanted = set(re.findall(r"%\((\w+)\)s", statement))
    given = {**values, **OF_ITS_OWN.get(name, {})}
    with psycopg.connect(populated, cursor_factory=psycopg.ClientCursor) as connection:
        large = large_tables(connection)
        assert len(large) > 12
        row = connection.execute(f"EXPLAIN (FORMAT JSON) {statement}", {key: given[key] for key in wanted}).fetchone()
        assert row is not None
        assert whole(row[0][0]["Plan"], large) == [], row[0]


def whole(plan: dict[str, Any], large: set[str], *, limited: bool = False) -> list[str]:
    """Tables that a plan reads whole: row by row, or by an index without a condition, unless it stops after a few."""
    limited = limited or plan["Node Type"] == "Limit"
    table, kind = plan.get("Relation Name", ""), plan["Node Type"]
    unbound = kind == "Seq Scan" or (kind in ("Index Scan", "Index Only Scan") and "Index Cond" not in plan and not limited)
    found = [table] if unbound and table in large else []
    return found + [name for inner in plan.get("Plans", []) for name in whole(inner, large, limited=limited)]


def test_a_statement_that_reads_a_table_whole_is_found(populated: str) -> None:
    with psycopg.connect(populated) as connection:
        large = large_tables(connection)
        for statement in ("SELECT * FROM aegis_chunk WHERE tokens = 7", "SELECT count(*) FROM aegis_document WHERE size > 7"):
            row = connection.execute(f"EXPLAIN (FORMAT JSON) {statement}").fetchone()
            assert row is not None
            assert whole(row[0][0]["Plan"], large) != []
