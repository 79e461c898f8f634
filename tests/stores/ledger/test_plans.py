"""What PostgreSQL does for each statement on the path of one document: no table that grows with the collection is read whole.

A constant that is new needs a word here: its name under the module in ON_PATH, with a value in OF_ITS_OWN where the sample's, by
the parameter's name, does not do; or in OFF_PATH, with the reason. The planner's settings are PostgreSQL's own.

Among the values are a name that 1 % of the chunks have, a relation of two such, and a key that is crowded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final
from uuid import UUID

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.stores.ledger.populated import fill, id_of, large_tables, sample
from tests.stores.ledger.test_contract import statements

ON_PATH: Final = {
    "blobs": "DELETE FORGET KEEP NEEDED",
    "canonical": "CLOSURE MERGES",
    "checking": "PARTS STALENESS UNLIKE WITHOUT_TEXT",
    "chunks": """ADD_CHUNK ADD_TASKS COUNT_EMBEDDED COUNT_ENRICHED EMBEDDED ENRICHED LEAVE OF_WINDOW PLACE PLACED RECOUNT RESOLVE
        START TAKEN TO_DO VISIBLE""",
    "collections": "ADD_COLLECTION COLLECTION COLLECTIONS",
    "crowding": "CLOSE DISSOLVE DROP_BLOCKS REOPEN",
    "deciding": "DECISION FORGET GROUPS KNOWN REMEMBER SAVE THERE UNDONE",
    "describing": "DROP FORGET LOST NAMED SAVE TEXTS WANTED",
    "documents": """ADD ALL_FOR_UPDATE ALL_TO_PENDING CANCEL_NOW CANCEL_SOON DOCUMENT DOCUMENTS FOR_UPDATE PARTITIONED
        PARTITION_KEYS POSTPONE_REMOVAL REMOVE REVISE SAME_BYTES SET_CONTENT SET_ENGINES TO_PENDING TO_REMOVE""",
    "embeddings": "COLLECTION EMBEDDINGS KEEP LANGUAGES SET_EMBEDDER SHOWING_OF STALE TEXTS UNKEPT",
    "evidence": """ADD_ENTITIES ADD_RELATIONS ALL_ENTITIES ALL_RELATIONS DROP_ENTITIES DROP_RELATIONS LIVE MARK MENTIONING
        NAMED_ENTITIES NAMED_RELATIONS PLACED SET_CANONICAL""",
    "extraction": """ADD_ENTITIES ADD_MENTIONS ADD_RELATIONS CACHE CACHED CHUNKS COUNT FORGET_MENTIONS FORGET_RELATIONS GROUPS LIVE
        MARK MENTIONED RESPELL STATED""",
    "failures": "ADD ADD_CALLS ADD_SECONDS ALL BEFORE FAIL_CHUNK FAIL_CHUNKS FAIL_WINDOW OPEN SET_TIMES",
    "fence": "FENCE LOCK LOCK_ALL LOCK_NAMED LOCK_SHARED OURS",
    "generations": """ADD ADD_WINDOW DROP DROP_FAILURES DROP_PLACEMENTS DROP_WINDOWS GENERATION OF_DOCUMENT PARSE_SOURCE SAVE_FORMAT
        SAVE_INSPECTION SET_MAKING WINDOWS""",
    "graph_drop": "DROP_BLOCKS DROP_CACHE DROP_CHUNKS DROP_ENTITIES GROUP HOLD NAMED PARTNERS UNNAMED",
    "graph_facts": """CHUNKS COUNT_ENTITIES COUNT_RELATIONS EMBEDDED EMBEDDERS ENTITIES EVIDENCE MOVING PLACED RELATIONS STATED""",
    "graph_view": """ALL_CHUNKS COUNTED DROP_WINDOWS ERASE GO_DARK GO_LIVE IDLE_BLOBS IN_USE KNOWN LIVE LOCK_ALL NAMES NEW_CHUNKS
        OLD_CHUNKS OLD_WINDOWS OWN_BLOBS STANDINGS STATE STEP_DOWN SWITCH TARGETS UNCHANGED""",
    "homes": "ADD DROP HOMES LIVE_HEADINGS",
    "joining": "ADD_ENTITIES COLLECTION DECIDED GROUPS LIVE LOCAL_NAMES MOVE_MENTIONS MOVE_SOURCES MOVE_TARGETS TITLES",
    "launching": "CLAIM HELD LAUNCHED UNCLAIM WAITING",
    "limits": "LIMITS",
    "outbox": """CLAIM CLAIMED CONTENTS EVIDENCE INCIDENT LEFTOVERS LEFT_BY LET_GO LIVE_CHUNKS NAMED RELEASE STATED STILL
        TAKE_OUT""",
    "progress": "ADVANCE HEAD MARKS MEASURED RECENT STANDINGS WORKERS",
    "queries": "COUNTS LAST_RUN OPEN SEARCH SHOWN SUMMARIES WINDOW_WORK",
    "removed": "DUE FORGET POSTPONE THERE",
    "resolving": "ENTITIES NAMES NEIGHBOURS SAVE_MERGES SET_RESOLVED",
    "runs": """ALL_FOR_UPDATE BEGIN DOCUMENT FINISH FOR_UPDATE OF_RUN PEEK PEEK_MANY REST_CHUNKS REST_WINDOWS RUN_BEGINS RUN_ENDS
        SETTLE""",
    "summaries": "ADD_SOURCES DROP_SOURCES NOTE_ASKED SET_TEXT STILL_LIVE UNDESCRIBED",
    "usage": "RESERVE SETTLE THIS_MONTH",
    "voting": "ADD_FORMS ALL_VOTES DROP_FORMS NAMED_VOTES OWN_TYPES SET_TYPES",
    "waiting": "FOR_UPDATE RUN_ENDS TRY_NOW WAIT WAITED",
    "walking": "ABOUT ALIASES HOMES MENTIONED NAMED NAMING SHORT TEXTS TITLED TITLES",
    "watched": "BLANK CANCEL CHANGED FORGET GONE LAST_LISTING NOTE NOTE_LISTING REMOVE UPSERT",
    "windows": """COUNT_PARSED DOCUMENT_OF HEADINGS LIVE MISSING PLANNED RECOUNT REOPEN REOPEN_TASKS REOPEN_WINDOWS RESOLVE
        SAVE_PARSED SIBLING_CHUNKS SIBLING_PARSE START UNPARSED WHOLE WINDOW WINDOWS""",
}
OFF_PATH: Final = {
    "changes": "listens",
    "extraction.REOPEN": "a reindex of a collection that a person starts",
    "embeddings.COUNT": "a rebuild of the vectors, which reads the collection",
    "embeddings.SHOWING": "a rebuild of the vectors, which reads the collection",
    "lease_sql": "its tables have a row for each request under way",
    "measures": "a scrape",
    "outbox.RELEASE_RUN": "reads a partial index, of what is claimed just now, whole",
    "rebuilding": "pages of a rebuild of the graph, which reads the collection",
    "waiting.OVERDUE": "reads a partial index, of the documents that wait, whole",
    "waiting.WAITED_FOR": "reads a partial index, of the documents that wait, whole",
    "watched.KNOWN": "asked where a watched bucket seems to be empty",
    "watched.KNOWN_KEYS": "a full listing of the watched bucket, as large as that",
    "watched.VANISHED": "a full listing of the watched bucket, as large as that",
}
NAMES: Final = [id_of("e1"), id_of("e777")]
HUB_RELATION: Final = id_of(f"{id_of('e1')}knows{id_of('e2')}")
GRAPH_ROWS: Final[dict[str, Any]] = {
    "collection": id_of("collection"),
    "entities": NAMES,
    "names": NAMES,
    "ids": NAMES,
    "canonicals": NAMES,
    "keys": NAMES,
    "lefts": NAMES,
    "rights": [id_of("e2"), id_of("e778")],
    "sources": NAMES,
    "targets": [id_of("e2"), id_of("e1")],
    "kinds": ["entity", "relation"],
    "kind": "entity",
    "types": ["knows", "knows"],
    "owner": id_of("d77"),
    "claimer": "run",
    "seconds": 120,
    "limit": 500,
}
MERGES: Final = GRAPH_ROWS | {"reasons": ["fuzzy", "exact"], "scores": [0.5, 1.0], "undones": [False, True]}
BLOCKS: Final = GRAPH_ROWS | {"keys": ["t:crowded", "t:token 7", "=:name 7"], "bound": 200, "compared": [True, False]}
# By module or by statement.
OF_ITS_OWN: Final[dict[str, dict[str, Any]]] = {
    "canonical": GRAPH_ROWS,
    "checking": {"newest": "print", "plan": "print"},
    "chunks.PLACE": {"headings": ["Title"], "pages": [1], "id": UUID(int=1)},
    "crowding": BLOCKS,
    "deciding": MERGES | {"decision": 7, "by": "ada", "kind": "merge", "before": Jsonb([]), "after": Jsonb([])},
    "describing": GRAPH_ROWS | {"few": 24, "names": 8, "read": 200, "mentions": 24, "homes": 5},
    "describing.SAVE": {"documents": [id_of("d77")] * 2, "chunks": [UUID(int=1), UUID(int=2)], "starts": [0, 0], "ends": [4, 4]},
    "documents.ADD": {"key": "new.md", "id": UUID(int=1)},
    "documents.ALL_TO_PENDING": {"states": ["failed", "cancelled"]},
    "documents.PARTITIONED": {"firsts": [id_of("d77")], "lasts": [id_of("d77")]},
    "documents.POSTPONE_REMOVAL": {"first": 60, "most": 3600},
    "evidence": GRAPH_ROWS | {"chunks": [1, 1]},
    "evidence.ADD_ENTITIES": {"documents": [1, 1]},
    "evidence.ADD_RELATIONS": {"documents": [1, 1]},
    "extraction.GROUPS": {"names": NAMES},
    "extraction.RESPELL": {"names": NAMES, "rows": Jsonb([{"id": str(one), "name": "A"} for one in NAMES])},
    "graph_drop": {"ids": NAMES, "forget": False},
    "graph_facts": {
        "entities": NAMES,
        "relations": [HUB_RELATION],
        "batch": 500,
        "window": 0,
        "place": 3,
        "length": 1000,
        "sentences": 5,
    },
    "graph_view": {"claimer": "run", "lives": [77]},
    "graph_view.UNCHANGED": {"ids": [7], "versions": [0]},
    "homes.ADD": {"collections": [id_of("collection")] * 2, "documents": [id_of("d77")] * 2, "leads": ["name 1", "name 777"]},
    "homes.DROP": {"chunks": [UUID(int=1), UUID(int=2)]},
    "joining": {"names": NAMES, "owns": NAMES, "currents": NAMES, "targets": [id_of("e2"), id_of("e1")]},
    "launching": {"seconds": 60, "small": 1000, "small_runs": 4, "large_runs": 2, "together": 50, "limit": 2000, "most": 600},
    "launching.CLAIM": {"ids": None, "bytes_per_second": 1000, "alone": 2},
    "outbox": GRAPH_ROWS | {"ids": [7, 8], "age": 60, "without": []},
    "removed.DUE": {"limit": 100},
    "removed.FORGET": {"id": 7},
    "removed.POSTPONE": {"id": 7},
    "resolving": MERGES | {"rules": "print", "bound": 200, "compared": [True, False]},
    "summaries": {"entity": NAMES[0], "evidence": 2, "starts": [0], "ends": [4]},
    "voting": GRAPH_ROWS | {"forms": ["", "Name"], "normalised": ["", "name"], "mentions": [1, 1], "weights": [1000, 100]},
    "watched.NOTE_LISTING": {"every": 30.0},
    "walking": {"names": ["name 1", "name 777"], "leads": ["name 1", "name 777"], "ids": NAMES, "limit": 21, "mentions": 300},
    "waiting": {
        "servers": ["the graph server"],
        "server": "the graph server",
        "reason": "It is away.",
        "waits": 1,
        "seconds": 30.0,
    },
}

STATEMENTS: Final = dict(statements())
PLANNED: Final = {f"{module}.{constant}" for module, constants in ON_PATH.items() for constant in constants.split()}

BY_INDEX: Final = ("Index Scan", "Index Only Scan", "Bitmap Heap Scan")
READ_TO_THE_END: Final = ("Aggregate", "Hash", "Sort", "WindowAgg")  # before they give a row
COMPARED: Final = re.compile(r"(\w+)\)*(?:::\w+)? [=<>~]")  # columns of a condition


NO_INDEX: Final = """
SELECT c.conrelid::regclass::text, a.attname FROM pg_constraint c
JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
WHERE c.contype = 'f' AND c.conrelid::regclass::text LIKE 'aegis\\_%' AND NOT EXISTS (
    SELECT 1 FROM pg_index i WHERE i.indrelid = c.conrelid AND i.indkey[0] = c.conkey[1] AND i.indpred IS NULL)"""


def constant_of(name: str) -> str:
    """Return `module.CONSTANT` of `module.CONSTANT.key`."""
    return ".".join(name.split(".")[:2])


@pytest.fixture(scope="module")
def populated(database_url: str) -> Iterator[str]:
    """Yield the URL of a filled ledger, emptied before and after: other tests of the worker have the same database."""
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
    constants, told = {constant_of(name) for name in STATEMENTS}, PLANNED | OFF_PATH.keys()
    assert {name for name in constants if name not in told and name.split(".")[0] not in told} == set()
    assert {name for name in told if "." in name and name not in constants} == set(), "these are no more"
    assert {name for name in OF_ITS_OWN if "." in name} <= PLANNED


@pytest.mark.parametrize("name", [name for name in STATEMENTS if constant_of(name) in PLANNED])
def test_a_statement_on_the_path_of_a_document_reads_no_table_whole(name: str, populated: str, values: dict[str, Any]) -> None:
    statement = STATEMENTS[name]
    given = {**values, **OF_ITS_OWN.get(name.split(".")[0], {}), **OF_ITS_OWN.get(constant_of(name), {})}
    with psycopg.connect(populated, cursor_factory=psycopg.ClientCursor) as connection:
        large = large_tables(connection)
        assert len(large) > 18
        wanted = set(re.findall(r"%\((\w+)\)s", statement))
        row = connection.execute(f"EXPLAIN (FORMAT JSON) {statement}", {key: given[key] for key in wanted}).fetchone()
        assert row is not None
        assert whole(row[0][0]["Plan"], large) == [], row[0]


def whole(plan: dict[str, Any], large: set[str], *, limited: bool = False) -> list[str]:
    """Return the tables that a plan reads whole, row by row or by an index without more of a condition than the collection.

    limited: it stops after a few rows, so an index without a condition is one in the wanted order.
    """
    kind, condition = plan["Node Type"], plan.get("Index Cond") or plan.get("Recheck Cond", "")
    limited = kind == "Limit" or (limited and kind not in READ_TO_THE_END)
    narrow = set(COMPARED.findall(condition)) - {"collection_id", "kind"}
    unbound = kind == "Seq Scan" or (kind in BY_INDEX and not narrow and not limited)
    found = [plan["Relation Name"]] if unbound and plan["Relation Name"] in large else []
    return found + [name for inner in plan.get("Plans", []) for name in whole(inner, large, limited=limited)]


def test_every_reference_is_looked_up_by_an_index_when_a_row_goes(populated: str) -> None:
    """EXPLAIN does not show what a foreign key checks."""
    with psycopg.connect(populated) as connection:
        assert connection.execute(NO_INDEX).fetchall() == []
        connection.execute("DROP INDEX aegis_mention_entity")
        assert connection.execute(NO_INDEX).fetchall() == [("aegis_mention", "entity_id")]
        connection.rollback()


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM aegis_chunk WHERE tokens = 7",
        "SELECT count(*) FROM aegis_document WHERE size > 7",
        "SELECT id FROM aegis_graph_entity WHERE collection_id = md5('collection')::uuid ORDER BY id",
        "SELECT id FROM aegis_entity ORDER BY name LIMIT 10",
    ],
)
def test_a_statement_that_reads_a_table_whole_is_found(statement: str, populated: str) -> None:
    with psycopg.connect(populated) as connection:
        connection.execute("SET enable_seqscan = off")  # by the index on the collection, where there is one
        row = connection.execute(f"EXPLAIN (FORMAT JSON) {statement}").fetchone()
        assert row is not None
        assert whole(row[0][0]["Plan"], large_tables(connection)) != [], row[0]
