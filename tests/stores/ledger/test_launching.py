"""Which pending documents are claimed, in which order, and what is left of claims and runs that came to nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from aegis_assets.model.document import State
from aegis_assets.model.launch import ALONE_AFTER, DOCUMENTS_PER_RUN, SMALL_BYTES
from aegis_assets.model.ledger import WaitingRuns
from aegis_assets.stores.ledger import Ledger
from tests.stores.ledger.build import RUN, collection, dead, register

PENDING = """
INSERT INTO aegis_document (id, collection_id, name, source, source_key, state, size, created_at)
SELECT md5(%(prefix)s || n)::uuid, %(collection)s, %(prefix)s || n, 'upload', %(prefix)s || n, 'pending', %(size)s,
    now() + make_interval(secs => n * 0.001)
FROM generate_series(1, %(number)s) AS n"""


def pend(ledger: Ledger, prefix: str, number: int, size: int = 10) -> None:
    """Register documents that wait, the first of them first."""
    register(ledger)
    with ledger.connection() as connection:
        connection.execute("DELETE FROM aegis_document WHERE name = 'a.md'")
        connection.execute(PENDING, {"prefix": prefix, "number": number, "size": size, "collection": collection()})


def names(ledger: Ledger, documents: list[UUID]) -> list[str]:
    return [row.name for row in ledger.documents(documents)]


def test_each_pending_document_is_claimed_once_oldest_first(ledger: Ledger) -> None:
    ids = [register(ledger, f"{number}.md", str(number)).document for number in range(20)]
    with ThreadPoolExecutor(4) as threads:
        claimed = list(threads.map(lambda _: ledger.claim(5), range(6)))
    assert sorted(document for part in claimed for document in part) == sorted(ids)
    assert ledger.claim(5) == []
    ledger.unclaim(ids, "")
    assert ledger.claim(3) == ids[:3]
    assert ledger.claim(5, ids=[ids[7]]) == [ids[7]]


def test_a_claim_that_led_to_no_run_is_seen_and_given_back(ledger: Ledger) -> None:
    lost, waiting = register(ledger, "a.md", "1").document, register(ledger, "b.md", "2").document
    ledger.claim(2)
    ledger.launched([waiting], "claim:1")
    assert ledger.held(60) == {}
    assert ledger.held(-1) == {"": [lost], "claim:1": [waiting]}
    ledger.unclaim([lost], "")
    ledger.unclaim([waiting], "The launch failed.")
    assert (ledger.document(lost).state, ledger.document(waiting).message) == (State.PENDING, "The launch failed.")


def test_a_page_is_claimed_before_the_books_that_came_earlier(ledger: Ledger) -> None:
    pend(ledger, "book", 3, size=20_000_000)
    pend(ledger, "page", 2)
    assert names(ledger, ledger.claim(4)) == ["page1", "page2", "book1", "book2"]


def test_no_more_is_claimed_than_makes_that_many_runs(ledger: Ledger) -> None:
    pend(ledger, "page", 3 * DOCUMENTS_PER_RUN)
    pend(ledger, "book", 4, size=SMALL_BYTES)

    def claim(small: int, large: int) -> list[str]:
        return names(ledger, ledger.claim(10_000, runs=WaitingRuns(small=small, large=large)))

    assert claim(0, 0) == []
    assert claim(2, 0) == [f"page{number + 1}" for number in range(2 * DOCUMENTS_PER_RUN)]
    assert claim(0, 3) == ["book1", "book2", "book3"]
    assert claim(5, 5)[DOCUMENTS_PER_RUN:] == ["book4"]


def test_a_page_is_claimed_although_enough_books_wait(ledger: Ledger) -> None:
    pend(ledger, "book", 3, size=SMALL_BYTES)
    ledger.claim(2)
    pend(ledger, "page", 1)
    assert names(ledger, ledger.claim(10, runs=WaitingRuns(small=1, large=0))) == ["page1"]


def test_waiting_runs_are_counted_until_all_their_documents_have_begun(ledger: Ledger) -> None:
    pend(ledger, "page", 4)
    pend(ledger, "book", 1, size=SMALL_BYTES)
    claimed = ledger.claim(5)
    for number, documents in enumerate((claimed[:2], claimed[2:4], claimed[4:])):
        ledger.launched(documents, f"claim:{number}")
    assert ledger.waiting_runs() == WaitingRuns(small=2, large=1)
    for document in claimed[:2]:
        ledger.begin(document, RUN, dead)
    assert ledger.waiting_runs() == WaitingRuns(small=1, large=1)


def test_a_document_whose_runs_keep_ending_counts_as_a_run_of_its_own(ledger: Ledger) -> None:
    pend(ledger, "page", 3)
    with ledger.connection() as connection:
        connection.execute("UPDATE aegis_document SET waits = %s", (ALONE_AFTER,))
    assert names(ledger, ledger.claim(10, runs=WaitingRuns(small=2, large=0))) == ["page1", "page2"]
