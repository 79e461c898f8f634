from __future__ import annotations

from uuid import UUID

import pytest

from aegis_assets.model import ids
from aegis_assets.model.ledger import Extracted
from aegis_assets.pipeline.resolve import MergeDecision
from aegis_assets.stores.ledger import Ledger
from aegis_assets.stores.ledger.evidence import changing
from tests.stores.ledger.build import EXTRACT, RUN, collection, enriched, extraction, planned, running


def entity(name: str, scope: str = "books", kind: str = "organisation") -> UUID:
    return ids.entity_id(collection(scope), kind, name)


def mentioning(ledger: Ledger, *names: str, file: str = "a.md", scope: str = "books") -> UUID:
    document = running(ledger, file, file, scope)
    (window,) = ledger.windows(planned(ledger, document, "k1", content=file).id)
    (chunk,) = enriched(ledger, window.id, ["text"])
    found = extraction(*names, kind="organisation")
    ledger.save_extractions(document, RUN, EXTRACT, [Extracted(chunk, found, seconds=0.1)])
    return document


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
    assert sorted(name.name for name in ledger.new_names(collection(), [document])) == ["Acme Corporation", "Initech"]


def test_candidates_share_a_block_and_the_collection(ledger: Ledger) -> None:
    mentioning(ledger, "Acme Corporation", "Globex", file="b.md")
    mentioning(ledger, "Acme Incorporated", file="c.md", scope="other")
    document = mentioning(ledger, "Acme Corp", "Acme Corporation")
    names = ledger.new_names(collection(), [document])
    only = [name for name in names if name.name == "Acme Corp"]
    assert [name.name for name in ledger.candidates(collection(), only)] == ["Acme Corporation"]
    assert ledger.candidates(collection(), names) == []
    assert ledger.candidates(collection(), []) == []


@pytest.mark.parametrize("end", ["Acme Corp", "Acme Corporation"])
def test_merges_make_one_canonical_entity_and_undoing_takes_it_apart(ledger: Ledger, end: str) -> None:
    document = mentioning(ledger, "Acme Corp", "Acme Corporation", "Globex")
    pair = merge("Acme Corp", "Acme Corporation")
    for _ in range(2):
        ledger.save_merges(collection(), [pair])
        follow(ledger, pair.left)
    joined = canonical(ledger)
    assert joined["Acme Corp"] == joined["Acme Corporation"] != joined["Globex"]
    assert ledger.counts(document).entities == 2
    with ledger.transaction() as connection:
        connection.execute("UPDATE aegis_merge SET undone = true")
    ledger.save_merges(collection(), [pair])
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
    ledger.save_merges(collection(), [merge("Acme Corp", "Never Seen"), MergeDecision(*elsewhere, "exact", 1.0)])
    with ledger.connection() as connection:
        assert connection.execute("SELECT count(*) AS number FROM aegis_merge").fetchone() == {"number": 0}
