from __future__ import annotations

from uuid import UUID

import pytest

from aegis_assets.model import ids
from aegis_assets.model.ledger import Extracted
from aegis_assets.pipeline.comparison import Neighbourhood, pairs_of
from aegis_assets.pipeline.decide import BY_PERSON, Pair
from aegis_assets.pipeline.matching import MergeDecision
from aegis_assets.stores.ledger import Ledger, deciding, graph_drop
from aegis_assets.stores.ledger.crowding import close_keys, reopen_keys
from aegis_assets.stores.ledger.evidence import changing
from tests.stores.ledger.build import EXTRACT, RUN, collection, enriched, extraction, planned, running


def entity(name: str, scope: str = "books") -> UUID:
    return ids.entity_id(collection(scope), name)


def mentioning(ledger: Ledger, *names: str, file: str = "a.md", scope: str = "books") -> UUID:
    document = running(ledger, file, file, scope)
    (window,) = ledger.windows(planned(ledger, document, "k1", content=file).id)
    (chunk,) = enriched(ledger, window.id, ["text"])
    found = extraction(*names, kind="organisation")
    ledger.save_extractions(document, RUN, EXTRACT, [Extracted(chunk, found, seconds=0.1)])
    return document


def save(ledger: Ledger, *decisions: MergeDecision) -> None:
    ledger.save_merges(collection(), decisions, Neighbourhood(frozenset(), (), frozenset()), "rules")


def saved(ledger: Ledger) -> list[tuple[UUID, UUID]]:
    with ledger.connection() as connection:
        return [(row["left_id"], row["right_id"]) for row in connection.execute("SELECT left_id, right_id FROM aegis_merge")]


def follow(ledger: Ledger, *entities: UUID) -> set[UUID]:
    with ledger.transaction() as connection, changing(connection, collection()) as change:
        return change.regroup(entities)


def merge(left: str, right: str) -> MergeDecision:
    first, second = sorted([entity(left), entity(right)])
    return MergeDecision(first, second, "fuzzy", 0.95)


def canonical(ledger: Ledger) -> dict[str, UUID]:
    with ledger.connection() as connection:
        return {row["name"]: row["canonical_id"] for row in connection.execute("SELECT name, canonical_id FROM aegis_entity")}


def test_the_names_of_a_document_are_those_its_generation_mentions(ledger: Ledger) -> None:
    document = mentioning(ledger, "Acme Corporation", "Initech")
    mentioning(ledger, "Globex", file="b.md")
    names = ledger.names_of(collection(), [document], "rules")
    assert names == dict.fromkeys((entity("Acme Corporation"), entity("Initech")), False)


def test_a_name_is_compared_with_those_that_share_a_block_and_the_collection_until_that_is_recorded(ledger: Ledger) -> None:
    mentioning(ledger, "Acme Corporation", "Globex", file="b.md")
    mentioning(ledger, "Acme Incorporated", file="c.md", scope="other")
    document = mentioning(ledger, "Acme Corp", "Initech")
    near = ledger.neighbourhood(collection(), ledger.names_of(collection(), [document], "rules"))
    pairs = [{left.name, right.name} for left, right in pairs_of(near.blocks)]
    assert pairs == [{"Acme Corp", "Acme Corporation"}]
    ledger.save_merges(collection(), [], near, "rules")
    again = ledger.names_of(collection(), [document], "rules")
    assert set(again.values()) == {True}
    assert ledger.neighbourhood(collection(), again) == Neighbourhood(frozenset(), (), frozenset())
    assert set(ledger.names_of(collection(), [document], "other rules").values()) == {False}


@pytest.mark.parametrize("end", ["Acme Corp", "Acme Corporation"])
def test_merges_make_one_canonical_entity_and_undoing_takes_it_apart(ledger: Ledger, end: str) -> None:
    document = mentioning(ledger, "Acme Corp", "Acme Corporation", "Globex")
    pair = merge("Acme Corp", "Acme Corporation")
    for _ in range(2):
        save(ledger, pair)
        follow(ledger, pair.left)
    joined = canonical(ledger)
    assert joined["Acme Corp"] == joined["Acme Corporation"] != joined["Globex"]
    assert ledger.counts(document).entities == 2
    with ledger.transaction() as connection:
        connection.execute("UPDATE aegis_merge SET undone = true")
    save(ledger, pair)
    changed = follow(ledger, entity(end))
    assert len(changed) == 1, "who stood for both stays as it is"
    assert canonical(ledger) == {name: entity(name) for name in ("Acme Corp", "Acme Corporation", "Globex")}
    assert follow(ledger, pair.right) == set()


def test_a_merge_that_a_person_made_is_followed_whatever_its_reason(ledger: Ledger) -> None:
    mentioning(ledger, "Acme", "Initrode Limited")
    left, right = sorted([entity("Acme"), entity("Initrode Limited")])
    with ledger.transaction() as connection:
        connection.execute(
            "INSERT INTO aegis_merge (collection_id, left_id, right_id, reason) VALUES (%s, %s, %s, 'by hand')",
            (collection(), left, right),
        )
    follow(ledger, left)
    assert len(set(canonical(ledger).values())) == 1


def test_a_merge_with_an_entity_that_is_gone_or_elsewhere_is_left_out(ledger: Ledger) -> None:
    mentioning(ledger, "Acme Corp")
    mentioning(ledger, "Acme Corporation", file="b.md", scope="other")
    elsewhere = sorted([entity("Acme Corp"), entity("Acme Corporation", "other")])
    save(ledger, merge("Acme Corp", "Never Seen"), MergeDecision(*elsewhere, "exact", 1.0))
    assert saved(ledger) == []


def test_a_merge_of_names_that_share_no_usable_key_is_refused(ledger: Ledger) -> None:
    mentioning(ledger, "Acme Corp", "Globex", "Initech Rome", "Globex Rome")
    save(ledger, merge("Acme Corp", "Globex"))
    assert saved(ledger) == []
    shared = merge("Initech Rome", "Globex Rome")
    with ledger.transaction() as connection:
        assert close_keys(connection, collection(), {"t:rome"}) == set()
    save(ledger, shared)
    assert saved(ledger) == []
    with ledger.transaction() as connection:
        reopen_keys(connection, collection(), {"t:rome"}, bound=2)
    save(ledger, shared)
    assert saved(ledger) == [(shared.left, shared.right)]


def test_a_key_that_is_closed_dissolves_what_was_merged_by_it_alone_and_no_decision_of_a_person(ledger: Ledger) -> None:
    mentioning(ledger, "Initech Rome", "Globex Rome", "Globex Rome Bank", "Umbrella Rome", "Hooli Rome")
    alone, elsewise = merge("Initech Rome", "Globex Rome"), merge("Globex Rome", "Globex Rome Bank")
    by_person, apart = merge("Umbrella Rome", "Hooli Rome"), merge("Umbrella Rome", "Globex Rome")
    save(ledger, alone, elsewise, by_person, apart)
    with ledger.transaction() as connection:
        deciding._save(connection, collection(), [Pair(left=by_person.left, right=by_person.right, reason=BY_PERSON)])
        connection.execute("UPDATE aegis_merge SET undone = true WHERE left_id = %s AND right_id = %s", (apart.left, apart.right))
        assert close_keys(connection, collection(), {"t:rome"}) == {alone.left, alone.right}
        assert close_keys(connection, collection(), {"t:rome"}) == set(), "once"
    assert set(saved(ledger)) == {(pair.left, pair.right) for pair in (elsewise, by_person, apart)}
    with ledger.transaction() as connection:
        assert close_keys(connection, collection(), {"t:globex"}) == {elsewise.left, elsewise.right}, "it was kept for this key"


def test_a_closed_key_goes_with_its_last_name(ledger: Ledger) -> None:
    mentioning(ledger, "Initech Rome", "Globex Rome")
    with ledger.transaction() as connection:
        close_keys(connection, collection(), {"t:rome", "t:nobody"})
    left = []
    for name in ("Initech Rome", "Globex Rome"):
        with ledger.transaction() as connection:
            connection.execute("DELETE FROM aegis_mention WHERE entity_id = %s", (entity(name),))
            for statement in graph_drop.DROP_ENTITIES:
                connection.execute(statement, {"ids": [entity(name)]})
            left.append([row["key"] for row in connection.execute("SELECT key FROM aegis_crowded_block")])
    assert left == [["t:rome"], []]
    with ledger.connection() as connection:
        assert connection.execute("SELECT count(*) AS number FROM aegis_entity_block").fetchone() == {"number": 0}
