"""What a key costs that a hundred thousand names share: the bound, and no scan of a table that grows with the collection."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final
from uuid import UUID

import pytest
from psycopg import Connection

from aegis_assets.pipeline.blocking import MAX_BLOCK
from aegis_assets.stores.ledger import Ledger, crowding, graph_drop, resolving
from tests.stores.ledger.build import collection
from tests.stores.ledger.test_resolving import mentioning

NAMES: Final = 100_000
CROWDED: Final = "t:common"
POPULATE: Final = (
    "SET LOCAL session_replication_role = replica",  # no checks of foreign keys, which take most of the time
    """INSERT INTO aegis_entity (id, collection_id, canonical_id, type, name, normalised)
    SELECT id, %(collection)s, id, 'organisation', 'common ' || id, 'common ' || id
    FROM (SELECT md5(n::text)::uuid AS id FROM generate_series(1, %(names)s) AS n) AS fresh""",
    """INSERT INTO aegis_entity_block (collection_id, key, entity_id)
    SELECT collection_id, key, id FROM aegis_entity, LATERAL (VALUES (%(crowded)s), ('=:' || normalised)) AS k(key)""",
    """INSERT INTO aegis_merge (collection_id, left_id, right_id, reason, score, block)
    SELECT collection_id, id, lead(id) OVER (ORDER BY id), 'fuzzy', 1, 't:' || name FROM aegis_entity ORDER BY id LIMIT 20000""",
    "ANALYZE aegis_entity",
    "ANALYZE aegis_entity_block",
    "ANALYZE aegis_merge",
)
LARGE: Final = {"aegis_entity", "aegis_entity_block", "aegis_merge"}


@pytest.fixture
def crowd(ledger_url: str) -> Iterator[tuple[Ledger, UUID]]:
    """A ledger, and a document of two names that share a token with each other and all names there are."""
    ledger = Ledger(ledger_url)
    document = mentioning(ledger, "Common Systems", "Common Company Systems")
    with ledger.transaction() as connection:
        connection.execute("DELETE FROM aegis_entity_block")
        for statement in POPULATE:
            connection.execute(statement, {"collection": collection(), "names": NAMES, "crowded": CROWDED})
    yield ledger, document
    ledger.close()


def scans(plan: Mapping[str, Any]) -> Iterator[tuple[str, str, int]]:
    """Yield how a table is read, which one, and how many rows that gives."""
    if table := plan.get("Relation Name"):
        yield plan["Node Type"], table, plan["Actual Rows"] * plan["Actual Loops"]
    for part in plan.get("Plans", ()):
        yield from scans(part)


def explain(connection: Connection[Any], statement: str, **values: object) -> list[tuple[str, str, int]]:
    row = connection.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", values).fetchone()
    return list(scans(next(iter(row.values()))[0]["Plan"]))


def test_of_a_key_that_a_hundred_thousand_names_share_no_more_than_the_bound_is_read(crowd: tuple[Ledger, UUID]) -> None:
    """Populating takes most of the time, so the statements that write are looked at here as well."""
    ledger, document = crowd
    names = ledger.names_of(collection(), [document], "rules")
    near = ledger.neighbourhood(collection(), names)
    assert (near.crowded, near.blocks) == ({CROWDED}, ())
    mine = sorted(names)
    statements: list[tuple[str, dict[str, object]]] = [
        (resolving.NAMES, {"documents": [document], "rules": "rules"}),
        (resolving.NEIGHBOURS, {"ids": mine, "compared": [False, True], "bound": MAX_BLOCK}),
        (resolving.ENTITIES, {"ids": mine}),
        (resolving.SAVE_MERGES, {"lefts": mine[:1], "rights": mine[1:], "reasons": ["fuzzy"], "scores": [1.0]}),
        (resolving.SET_RESOLVED, {"ids": mine, "rules": "rules"}),
        (crowding.CLOSE, {"keys": [CROWDED]}),
        (crowding.DISSOLVE, {"keys": [CROWDED]}),
        (crowding.REOPEN, {"keys": [CROWDED], "bound": MAX_BLOCK}),
        (crowding.DROP_BLOCKS, {"ids": mine}),
    ]
    assert crowding.DROP_BLOCKS in graph_drop.DROP_ENTITIES
    with ledger.connection() as connection:
        for statement, values in statements:
            read = explain(connection, statement, collection=collection(), **values)
            large = [(node, table, rows) for node, table, rows in read if table in LARGE and node != "ModifyTable"]
            assert all("Seq Scan" not in node for node, _, _ in large), (statement, large)
            assert sum(rows for _, _, rows in large) <= 2 * MAX_BLOCK, (statement, large)
