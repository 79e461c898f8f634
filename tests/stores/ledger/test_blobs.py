"""Bytes that documents share: stored and deleted in turns."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from aegis_assets.model.document import State
from aegis_assets.stores.ledger import Ledger
from tests.stores.ledger.build import RUN, dead, ingested, register, sha

ONE, TWO = f"blobs/{sha('one')}", f"blobs/{sha('two')}"


def test_bytes_that_nobody_needs_are_deleted_and_others_stay(ledger: Ledger) -> None:
    deleted: list[str] = []
    register(ledger, content="one")
    assert not ledger.discard(ONE, deleted.append)
    assert ledger.discard(TWO, deleted.append)
    assert deleted == [TWO]


def test_bytes_that_are_being_stored_are_kept_for_the_row_that_comes(ledger: Ledger) -> None:
    deleted: list[str] = []
    with ThreadPoolExecutor(1) as threads:
        with ledger.storing(ONE):
            asked = threads.submit(ledger.discard, ONE, deleted.append)
            with pytest.raises(TimeoutError):
                asked.result(0.3)
            register(ledger, content="one")
        assert asked.result(10) is False
    assert deleted == []


def test_more_callers_than_connections_store_at_once(ledger: Ledger) -> None:
    together = threading.Barrier(8)

    def upload(number: int) -> None:
        content = str(number)
        with ledger.storing(f"blobs/{sha(content)}"):
            together.wait(30)
            register(ledger, f"{number}.md", content)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(upload, range(8)))


def test_former_contents_are_given_up_once_and_the_present_ones_never(ledger: Ledger) -> None:
    deleted: list[str] = []
    document = ingested(ledger, [["text"]])
    register(ledger, content="two")
    ledger.begin(document, "run-2", dead)
    assert not ledger.discard(ONE, deleted.append), "the live generation can be asked for its bytes until the next one is live"
    with ledger.transaction() as connection:
        connection.execute("UPDATE aegis_generation SET state = 'superseded'")
    assert ledger.idle_blobs([document]) == [ONE]
    assert ledger.discard(ONE, deleted.append)
    assert ledger.idle_blobs([document]) == []


def test_two_documents_that_go_at_once_do_not_leave_their_bytes_to_each_other(ledger: Ledger) -> None:
    deleted: list[str] = []
    for collection in ("left", "right"):
        document = register(ledger, content="one", collection=collection).document
        ledger.request_removal(document)
        assert ledger.own_blobs(document) == [ONE]
    assert ledger.discard(ONE, deleted.append)
    assert deleted == [ONE]


def test_new_bytes_of_a_waiting_document_name_those_they_replace(ledger: Ledger) -> None:
    document = register(ledger, content="one").document
    assert register(ledger, content="two").replaced == ONE
    assert register(ledger, content="two").replaced == ""
    ledger.begin(document, RUN, dead)
    revised = register(ledger, content="one")
    assert (revised.state, revised.replaced) == (State.RUNNING, ""), "the run may be reading them just now"
