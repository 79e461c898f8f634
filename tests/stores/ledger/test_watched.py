from __future__ import annotations

from uuid import UUID

from aegis_assets.errors import NotAllowed, StoreUnavailable
from aegis_assets.model.document import State
from aegis_assets.model.watched import SeenObject, SyncResult
from aegis_assets.stores.ledger import Ledger, watched
from aegis_assets.stores.watch_listing import KeySet
from tests.stores.ledger.build import RUN, dead, sha

import pytest  # isort: skip

NOTHING = SyncResult(new=(), changed=(), deleted=())
LATER = NOTHING.model_copy(update={"again": True})


def seen(**etags: str) -> list[SeenObject]:
    return [SeenObject(key=f"docs/{key}.md", etag=etag, size=len(etag)) for key, etag in etags.items()]


def sync(ledger: Ledger, complete: bool = True, **etags: str) -> SyncResult:
    return ledger.sync_objects("s3://inbox", "watched", seen(**etags), complete)


def succeeded(ledger: Ledger, document: UUID, run_id: str = RUN, content: str = "one") -> None:
    ledger.begin(document, run_id, dead)
    ledger.set_content(document, run_id, f"blobs/{content}", sha(content), 3)
    ledger.finish(document, run_id, State.SUCCEEDED, "")


def test_new_objects_become_pending_documents_and_twice_is_nothing(ledger: Ledger) -> None:
    result = sync(ledger, a="1", b="1")
    assert len(result.new) == 2
    rows = ledger.documents(result.new)
    assert {(row.name, row.source, row.source_key, row.state, row.blob) for row in rows} == {
        ("a.md", "bucket", "docs/a.md", State.PENDING, ""),
        ("b.md", "bucket", "docs/b.md", State.PENDING, ""),
    }
    assert sync(ledger, a="1", b="1") == NOTHING


def test_a_changed_object_makes_its_document_pending_and_to_be_fetched(ledger: Ledger) -> None:
    (document,) = sync(ledger, a="1").new
    succeeded(ledger, document)
    assert sync(ledger, a="2") == SyncResult(new=(), changed=(document,), deleted=())
    row = ledger.document(document)
    assert (row.state, row.blob, row.sha256) == (State.PENDING, "", "")


def test_newer_bytes_do_not_wait_for_what_the_older_ones_waited_for(ledger: Ledger) -> None:
    (document,) = sync(ledger, a="1").new
    ledger.begin(document, RUN, dead)
    ledger.put_back(document, RUN, StoreUnavailable("The graph server does not answer.", server="the graph server"))
    assert ledger.claim(5) == []
    sync(ledger, a="2")
    row = ledger.document(document)
    assert (row.waiting_for, row.not_before, row.waiting_since, row.waits) == ("", None, None, 0)
    assert ledger.claim(5) == [document]


def test_an_object_that_changes_while_it_is_fetched_is_fetched_again(ledger: Ledger) -> None:
    (document,) = sync(ledger, a="1").new
    ledger.begin(document, RUN, dead)
    sync(ledger, a="2")
    assert ledger.set_content(document, RUN, "blobs/one", sha("one"), 3).blob == "blobs/one"
    ledger.finish(document, RUN, State.SUCCEEDED, "")
    row = ledger.document(document)
    assert (row.state, row.blob) == (State.PENDING, "")


def test_an_object_that_changes_after_it_was_fetched_is_fetched_again(ledger: Ledger) -> None:
    (document,) = sync(ledger, a="1").new
    ledger.begin(document, RUN, dead)
    ledger.set_content(document, RUN, "blobs/one", sha("one"), 3)
    sync(ledger, a="2")
    ledger.finish(document, RUN, State.PARTIAL, "")
    row = ledger.document(document)
    assert (row.state, row.blob) == (State.PENDING, "")


def test_only_a_complete_listing_removes(ledger: Ledger) -> None:
    (document,) = sync(ledger, a="1").new
    succeeded(ledger, document)
    assert sync(ledger, complete=False) == NOTHING
    assert sync(ledger).deleted == (document,)
    assert ledger.to_remove() == [document]
    assert sync(ledger) == NOTHING


def test_a_bucket_that_is_empty_all_at_once_removes_nothing_and_says_why(ledger: Ledger) -> None:
    """A disk that is not mounted is an empty directory."""
    many = {f"k{number}": "1" for number in range(12)}
    documents = sync(ledger, **many).new
    emptied = sync(ledger)
    assert emptied.deleted == ()
    assert "12 documents" in emptied.problem
    assert ledger.to_remove() == []
    assert sync(ledger, **many) == NOTHING, "it is mounted again"
    assert len(sync(ledger, k0="1").deleted) == 11, "one object is enough to believe the listing"
    assert len(documents) == 12


def test_a_running_document_whose_object_vanishes_is_cancelled_and_then_removed(ledger: Ledger) -> None:
    (document,) = sync(ledger, a="1").new
    ledger.begin(document, RUN, dead)
    assert sync(ledger) == LATER
    assert ledger.document(document).cancel_requested
    ledger.finish(document, RUN, State.SUCCEEDED, "")
    assert ledger.document(document).state == State.CANCELLED
    assert sync(ledger).deleted == (document,)


def test_an_object_that_comes_back_before_that_is_ingested_again(ledger: Ledger) -> None:
    (document,) = sync(ledger, a="1").new
    ledger.begin(document, RUN, dead)
    sync(ledger)
    ledger.finish(document, RUN, State.SUCCEEDED, "")
    assert sync(ledger, a="1").changed == (document,)
    assert ledger.document(document).state == State.PENDING


def test_an_object_that_comes_back_during_removal_waits_for_its_end(ledger: Ledger) -> None:
    (document,) = sync(ledger, a="1").new
    sync(ledger)
    assert sync(ledger, a="1") == LATER
    with ledger.transaction() as connection:
        connection.execute("DELETE FROM aegis_document WHERE id = %s", (document,))
    assert sync(ledger, a="1").new == (document,)


def test_a_document_that_a_person_removed_comes_back_only_when_it_changes(ledger: Ledger) -> None:
    (document,) = sync(ledger, a="1").new
    with ledger.transaction() as connection:
        connection.execute("UPDATE aegis_bucket_object SET document_id = NULL")
        connection.execute("DELETE FROM aegis_document WHERE id = %s", (document,))
    assert sync(ledger, a="1") == NOTHING
    assert sync(ledger, a="2").new == (document,)


def test_keys_that_cannot_be_held_are_told_apart(ledger: Ledger) -> None:
    objects = [SeenObject(key="bad\udcff.md", etag="1", size=1), SeenObject(key="good.md", etag="1", size=1)]
    result = ledger.sync_objects("s3://inbox", "watched", objects, True)
    assert len(result.new) == 1
    assert result.refused == ("bad?.md",)


def test_thousands_of_objects_are_a_few_statements(ledger: Ledger) -> None:
    many = {f"k{number}": "1" for number in range(5000)}
    assert len(sync(ledger, **many).new) == 5000
    many["k7"] = "2"
    del many["k8"]
    result = sync(ledger, **many)
    assert (len(result.new), len(result.changed), len(result.deleted)) == (0, 1, 1)


def test_two_buckets_do_not_remove_each_others_documents(ledger: Ledger) -> None:
    sync(ledger, a="1")
    assert ledger.sync_objects("s3://other", "elsewhere", [], True) == NOTHING
    assert ledger.to_remove() == []


def test_a_removed_object_frees_a_queued_document_for_removal(ledger: Ledger) -> None:
    (document,) = sync(ledger, a="1").new
    assert ledger.claim(5) == [document]
    assert sync(ledger).deleted == (document,)
    with pytest.raises(NotAllowed):
        ledger.begin(document, RUN, dead)


def test_known_keys_that_no_part_of_a_listing_has_are_found(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched, "KNOWN_AT_ONCE", 2)
    sync(ledger, **{f"k{number}": "1" for number in range(7)})
    ledger.sync_objects("s3://other", "elsewhere", seen(x="1"), True)
    keys = KeySet()
    for number in (0, 1, 3, 4, 6):
        keys.add(f"docs/k{number}.md")
    assert ledger.unlisted("s3://inbox", keys) == ["docs/k2.md", "docs/k5.md"]


def test_keys_that_are_known_to_be_gone_are_removed_and_no_other(ledger: Ledger) -> None:
    (first, _) = sync(ledger, a="1", b="1").new
    assert ledger.sync_objects("s3://inbox", "watched", [], False, gone=["docs/a.md", "docs/x.md", "bad\udcff"]).deleted == (first,)
    assert ledger.to_remove() == [first]
