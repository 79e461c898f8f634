"""Who writes what is marked: claims, what is marked again meanwhile, and claims that are lost."""

from __future__ import annotations

from uuid import UUID

import pytest

from aegis_assets.model.document import State
from aegis_assets.model.outbox import Dirty, Kind
from aegis_assets.stores.ledger import Ledger, outbox
from tests.stores.ledger.build import RUN, collection, extraction
from tests.stores.ledger.test_evidence import dirty, prepared, written


def keys(ledger: Ledger, kind: Kind) -> list[UUID]:
    return sorted(key.id for key in ledger.leftovers(100, [])[collection()] if key.kind is kind)


@pytest.fixture
def marked(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> UUID:
    """A document of one chunk that is live, and nothing of it written."""
    monkeypatch.setattr(outbox, "SWEPT_AFTER", 0)
    document, _ = prepared(ledger, extraction("Ada", "Grace", relation="met"), texts=1)
    ledger.switch([document], RUN)
    return document


def claim(ledger: Ledger, kind: Kind, ids: list[UUID], claimer: str = "me") -> list[Dirty]:
    return ledger.claim_dirty(collection(), kind, ids, claimer)


def test_one_claims_what_another_one_cannot_then_and_what_is_written_is_gone(ledger: Ledger, marked: UUID) -> None:
    entities = keys(ledger, Kind.ENTITY)
    mine = claim(ledger, Kind.ENTITY, entities)
    assert sorted(one.key.id for one in mine) == entities
    assert claim(ledger, Kind.ENTITY, entities, "another") == []
    assert ledger.still_dirty(collection(), Kind.ENTITY, entities) == set(entities)

    ledger.settle_dirty(collection(), mine[:1], "me")
    ledger.release_dirty("me", Kind.CHUNK)
    assert claim(ledger, Kind.ENTITY, entities, "another") == []
    ledger.release_dirty("me")
    assert [one.key for one in claim(ledger, Kind.ENTITY, entities, "another")] == [mine[1].key]


@pytest.mark.parametrize("end", ["lose", "cancel", "fail", "take over"])
def test_what_a_run_claimed_is_free_when_the_run_is_over(ledger: Ledger, marked: UUID, end: str) -> None:
    entities = keys(ledger, Kind.ENTITY)
    ledger.finish(marked, RUN, State.SUCCEEDED, "")
    ledger.begin(marked, "run-12", lambda _: False)
    claim(ledger, Kind.ENTITY, entities[:1], "run-12:abc")
    claim(ledger, Kind.ENTITY, entities[1:], "run-1:abc")

    match end:
        case "lose":
            ledger.lose_run("run-12", "The machine is gone.")
        case "cancel":
            ledger.cancel_run("run-12")
        case "fail":
            ledger.fail_run("run-12", "Nobody knows this machine.")
        case _:
            ledger.begin(marked, "run-13", lambda _: False)

    assert [one.key.id for one in claim(ledger, Kind.ENTITY, entities, "another")] == entities[:1]


def test_what_is_marked_again_while_it_is_written_stays_and_is_free(ledger: Ledger, marked: UUID) -> None:
    (mine,) = claim(ledger, Kind.DOCUMENT, [marked])
    ledger.switch([marked], RUN)
    assert claim(ledger, Kind.DOCUMENT, [marked], "another") == []
    ledger.settle_dirty(collection(), [mine], "me")
    (theirs,) = claim(ledger, Kind.DOCUMENT, [marked], "another")
    assert theirs.version == mine.version + 1


def test_a_chunk_is_written_after_the_nodes_of_its_document(ledger: Ledger, marked: UUID) -> None:
    chunks = keys(ledger, Kind.CHUNK)
    assert claim(ledger, Kind.CHUNK, chunks) == []
    assert ledger.dirty_contents(collection(), chunks) == {marked}
    ledger.settle_dirty(collection(), claim(ledger, Kind.CONTENT, [marked]), "me")
    assert ledger.dirty_contents(collection(), chunks) == set()
    assert len(claim(ledger, Kind.CHUNK, chunks)) == 1


def test_who_lost_a_claim_marks_what_a_late_write_may_have_harmed(
    ledger: Ledger, marked: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    entity = keys(ledger, Kind.ENTITY)[0]
    late = claim(ledger, Kind.ENTITY, [entity])
    monkeypatch.setattr(outbox, "CLAIM_SECONDS", 0)
    ledger.settle_dirty(collection(), claim(ledger, Kind.ENTITY, [entity], "another"), "another")
    written(ledger)

    ledger.settle_dirty(collection(), late, "me")

    assert dirty(ledger) == {"entity": 1, "chunk": 1, "relation": 1}
    written(ledger)
    ledger.switch([marked], RUN)
    late = claim(ledger, Kind.DOCUMENT, [marked])
    written(ledger)
    ledger.settle_dirty(collection(), late, "me")
    assert dirty(ledger) == {"content": 1, "document": 1, "chunk": 1, "entity": 2, "relation": 1}


def test_only_what_is_old_and_free_is_left_over(ledger: Ledger, marked: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(ledger.leftovers(100, [])[collection()]) == 6
    assert len(ledger.leftovers(2, [])[collection()]) == 2
    assert ledger.leftovers(100, [collection()]) == {}
    claim(ledger, Kind.ENTITY, keys(ledger, Kind.ENTITY))
    assert len(ledger.leftovers(100, [])[collection()]) == 4
    monkeypatch.setattr(outbox, "SWEPT_AFTER", 60)
    assert ledger.leftovers(100, []) == {}


def test_a_document_that_went_on_is_not_cleared_of_what_is_old(ledger: Ledger, marked: UUID) -> None:
    late = claim(ledger, Kind.DOCUMENT, [marked])
    ledger.switch([marked], RUN)
    with ledger.transaction() as connection:
        connection.execute("UPDATE aegis_document SET live_id = NULL")
    assert ledger.drop_old(collection(), late, "me") == set()
    with ledger.connection() as connection:
        assert connection.execute("SELECT count(*) AS n FROM aegis_chunk").fetchone() == {"n": 1}
