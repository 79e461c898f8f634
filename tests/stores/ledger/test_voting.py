"""The type of an entity is what its live mentions vote for, kept by difference, and groups of names follow it."""

from __future__ import annotations

import random
from uuid import UUID

import pytest
from psycopg.types.json import Jsonb

from aegis_assets.pipeline.comparison import Neighbourhood
from aegis_assets.pipeline.entity_types import GENERIC
from aegis_assets.pipeline.matching import MergeDecision
from aegis_assets.stores.ledger import Ledger, voting
from tests.stores.ledger.build import collection
from tests.stores.ledger.marked_documents import held, ingest, prepare, remove

COUNTED = """
SELECT m.entity_id, CASE WHEN m.joined_from IS NULL THEN '' ELSE m.name END AS name, m.type, count(*) AS mentions
FROM aegis_document d JOIN aegis_placement p ON p.generation_id = d.live_id JOIN aegis_mention m ON m.chunk_id = p.chunk_id
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"""
KEPT = "SELECT entity_id, name, type, mentions FROM aegis_surface_form ORDER BY 1, 2, 3"


def types(ledger: Ledger) -> dict[str, str]:
    return {name: entity_type for name, (entity_type, _, _) in held(ledger).items()}


def require_mirror(ledger: Ledger) -> None:
    """Require that what is kept by difference is what a count over all live mentions gives."""
    with ledger.connection() as connection:
        assert connection.execute(KEPT).fetchall() == connection.execute(COUNTED).fetchall()


def test_one_name_is_one_entity_with_the_type_that_most_mentions_give_it(ledger: Ledger) -> None:
    first = ingest(ledger, "a.md", ["{ORG|Engine} beat {PRODUCT|engine}.", "An {PRODUCT|Engine}."], "run-1")
    assert types(ledger) == {"Engine": "PRODUCT"}
    second = ingest(ledger, "b.md", ["{ORG|ENGINE} and {ORG|Engine}."], "run-2")
    assert types(ledger) == {"ENGINE": "ORG"}
    remove(ledger, second)
    assert set(types(ledger).values()) == {"PRODUCT"}
    require_mirror(ledger)
    remove(ledger, first)
    assert types(ledger) == {}
    require_mirror(ledger)


def test_votes_have_the_weight_of_their_sources_confidence(ledger: Ledger) -> None:
    ingest(ledger, "a.md", ["{ORG|Engine|0.4} or {ORG|Engine|0.5}.", "The {PRODUCT|Engine}."], "run-1")
    assert types(ledger) == {"Engine": "PRODUCT"}


def test_a_type_that_says_little_wins_only_where_nothing_says_more(ledger: Ledger) -> None:
    ingest(ledger, "a.md", ["{TERM|Engine}, {TERM|Engine}, {CONCEPT|Engine}."], "run-1")
    assert types(ledger) == {"Engine": "TERM"}
    ingest(ledger, "b.md", ["{PRODUCT|Engine}"], "run-2")
    assert types(ledger) == {"Engine": "PRODUCT"}


def test_equal_votes_are_decided_by_the_characters_and_not_by_the_order(ledger: Ledger) -> None:
    for number, texts in enumerate((["{PRODUCT|Engine}", "{ORG|Engine}"], ["{ORG|Engine}", "{PRODUCT|Engine} again"])):
        document = ingest(ledger, "a.md", texts, f"run-{number}")
        assert types(ledger) == {"Engine": "ORG"}
        remove(ledger, document)


def test_short_forms_say_less_of_the_type_than_the_name(ledger: Ledger) -> None:
    texts = ["{PERSON|Charles Babbage} and {TERM|Babbage}.", *(f"{{TERM|Babbage}} {number}" for number in range(4))]
    ingest(ledger, "a.md", texts, "run-1")
    assert held(ledger) == {"Charles Babbage": ("PERSON", ("Babbage",), 5)}
    require_mirror(ledger)


def test_a_changed_type_is_marked_to_be_written_and_nothing_else_of_other_documents(ledger: Ledger) -> None:
    ingest(ledger, "a.md", ["{ORG|Engine}", "{ORG|Engine} of {PERSON|Ada}."], "run-1")
    with ledger.connection() as connection:
        connection.execute("DELETE FROM aegis_outbox")
    document = prepare(ledger, "b.md", [f"{{PRODUCT|Engine}} {number}" for number in range(3)], "run-2")
    ledger.switch([document], "run-2")
    assert types(ledger) == {"Engine": "PRODUCT", "Ada": "PERSON"}
    with ledger.connection() as connection:
        marked = connection.execute("SELECT count(*) AS n FROM aegis_outbox WHERE kind = 'entity'").fetchone()
    assert marked == {"n": 1}


def merge(ledger: Ledger, *names: str) -> None:
    """Record that the names may be one, as resolve does."""
    with ledger.connection() as connection:
        found = connection.execute("SELECT id FROM aegis_entity WHERE name = ANY(%s) ORDER BY id", (list(names),)).fetchall()
    left, right = (row["id"] for row in found)
    near = Neighbourhood(frozenset(), (), frozenset())
    ledger.save_merges(collection(), [MergeDecision(left, right, "fuzzy", 0.9)], near, "rules")


def grouped(ledger: Ledger) -> set[UUID]:
    with ledger.connection() as connection:
        return {row["canonical_id"] for row in connection.execute("SELECT canonical_id FROM aegis_entity")}


def test_a_vote_that_changes_a_type_joins_names_and_another_one_takes_them_apart(ledger: Ledger) -> None:
    ingest(ledger, "a.md", ["{ORG|A. Lovelace} met {PERSON|Ada Lovelace}."], "run-1")
    merge(ledger, "A. Lovelace", "Ada Lovelace")
    second = ingest(ledger, "b.md", ["{PERSON|A. Lovelace}", "{PERSON|A. Lovelace} again"], "run-2")
    assert held(ledger) == {"Ada Lovelace": ("PERSON", ("A. Lovelace",), 3)}
    remove(ledger, second)
    assert held(ledger) == {"Ada Lovelace": ("PERSON", (), 1), "A. Lovelace": ("ORG", (), 1)}
    require_mirror(ledger)


@pytest.mark.parametrize("seed", range(5))
def test_documents_in_any_order_and_with_detours_end_with_the_same_types_and_groups(ledger: Ledger, seed: int) -> None:
    documents = {
        "a.md": ["{ORG|A. Lovelace} met {PERSON|Ada Lovelace}."],
        "b.md": ["{PERSON|A. Lovelace} and {PERSON|A. Lovelace}."],
        "c.md": ["{TERM|A. Lovelace}, {ORG|Engine}", "{PRODUCT|Engines}"],
        "d.md": ["{PRODUCT|Engine} {PRODUCT|Engine}", "{PLACE|Ada Lovelace}"],
    }
    draw = random.Random(seed)
    names = draw.sample(sorted(documents), len(documents))
    for number, name in enumerate(names):
        document = ingest(ledger, name, documents[name], f"run-{number}")
        if draw.random() < 0.5:
            remove(ledger, document)
            names.append(name)
    for pair in (("A. Lovelace", "Ada Lovelace"), ("Engine", "Engines")):
        merge(ledger, *pair)
    document = ingest(ledger, "e.md", ["{PRODUCT|Engine} {PERSON|A. Lovelace}"], "run-last")
    assert {name: row[:2] for name, row in held(ledger).items()} == {
        "Ada Lovelace": ("PERSON", ("A. Lovelace",)),
        "Engines": ("PRODUCT", ("Engine",)),
    }
    require_mirror(ledger)


def test_the_types_that_say_little_are_the_same_in_python_and_in_sql(ledger: Ledger) -> None:
    with ledger.connection() as connection:
        query = f"SELECT f.type FROM jsonb_array_elements_text(%s) AS f(type) WHERE {voting.SAYS_LITTLE}"
        words = Jsonb([*GENERIC, "Term", "person", "MISC"])
        found = {row["type"].casefold() for row in connection.execute(query, (words,))}  # type: ignore[arg-type]
    assert found == GENERIC
