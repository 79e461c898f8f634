from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest

from aegis_assets.errors import BadInput, NotAllowed, NotFound
from aegis_assets.model.document import State
from aegis_assets.stores.ledger import Ledger
from tests.stores.ledger.build import RUN, collection, dead, ingested, register, running, sha


def test_new_bytes_under_a_new_name_make_a_pending_document(ledger: Ledger) -> None:
    made = register(ledger, "dir/a.md")
    row = ledger.document(made.document)
    assert (made.outcome, row.state, row.name, row.source_key) == ("new", State.PENDING, "a.md", "dir/a.md")
    assert ledger.collection(row.collection).name == "books"


def test_the_same_again_changes_nothing(ledger: Ledger) -> None:
    first = register(ledger)
    changed = {"outcome": "unchanged", "made_pending": False, "made_collection": False}
    assert (first.made_collection, register(ledger)) == (True, first.model_copy(update=changed))
    document = ingested(ledger, [["text"]])
    assert document == first.document
    again = register(ledger)
    assert (again.outcome, again.state) == ("unchanged", State.SUCCEEDED)


def test_the_same_bytes_ask_a_failed_document_to_run_again(ledger: Ledger) -> None:
    document = running(ledger)
    ledger.finish(document, RUN, State.FAILED, "It did not work.")
    assert register(ledger).state == State.PENDING
    assert ledger.document(document).message == ""


def test_it_is_said_whether_these_bytes_made_the_document_wait(ledger: Ledger) -> None:
    document = register(ledger).document
    again = [register(ledger), register(ledger, content="two"), register(ledger, "twin.md", "two")]
    ledger.request_cancel(document)
    woken = [register(ledger, content="two")]
    ledger.request_cancel(document)
    woken.append(register(ledger, content="three"))
    assert [(one.outcome, one.state, one.made_pending) for one in (*again, *woken)] == [
        ("unchanged", State.PENDING, False),
        ("revised", State.PENDING, False),
        ("duplicate", State.PENDING, False),
        ("unchanged", State.PENDING, True),
        ("revised", State.PENDING, True),
    ]


def test_the_same_bytes_under_another_name_are_a_duplicate(ledger: Ledger) -> None:
    first = register(ledger, "a.md")
    second = register(ledger, "b.md")
    assert (second.outcome, second.document, second.duplicate_of, second.duplicate_name) == (
        "duplicate",
        first.document,
        first.document,
        "a.md",
    )
    assert register(ledger, "b.md", collection="other").outcome == "new"


def test_two_at_once_with_the_same_bytes_make_one_document(ledger: Ledger) -> None:
    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(lambda number: register(ledger, f"{number}.md"), range(8)))
    assert sorted(one.outcome for one in made) == ["duplicate"] * 7 + ["new"]
    assert len({one.document for one in made}) == 1


def test_new_bytes_under_a_known_name_make_it_pending(ledger: Ledger) -> None:
    document = ingested(ledger, [["text"]])
    revised = register(ledger, content="two")
    assert (revised.document, revised.outcome, revised.state) == (document, "revised", State.PENDING)
    assert ledger.document(document).sha256 == sha("two")


def test_new_bytes_for_a_running_document_wait_for_its_run(ledger: Ledger) -> None:
    document = running(ledger)
    assert register(ledger, content="two").state == State.RUNNING
    ledger.finish(document, RUN, State.SUCCEEDED, "")
    assert ledger.document(document).state == State.PENDING
    assert ledger.begin(document, "run-2", dead).sha256 == sha("two")
    ledger.finish(document, "run-2", State.SUCCEEDED, "")
    assert ledger.document(document).state == State.SUCCEEDED


def test_a_failed_run_whose_bytes_are_the_newest_stays_failed(ledger: Ledger) -> None:
    document = running(ledger)
    register(ledger, content="two")
    ledger.finish(document, RUN, State.FAILED, "No.")
    ledger.begin(document, "run-2", dead)
    ledger.finish(document, "run-2", State.FAILED, "No.")
    assert ledger.document(document).state == State.FAILED


def test_odd_names_are_refused_or_cleaned(ledger: Ledger) -> None:
    with pytest.raises(BadInput):
        register(ledger, collection="a/b")
    row = ledger.document(register(ledger, "../\x00" + "é" * 300 + ".md").document)
    assert len(row.name) == 255
    assert row.name.endswith("é.md")


def test_cancel_acts_at_once_on_what_waits_and_by_a_flag_on_what_runs(ledger: Ledger) -> None:
    waiting, working = register(ledger).document, running(ledger, "b.md", "two")
    assert ledger.request_cancel(waiting) == State.CANCELLED
    assert ledger.request_cancel(working) == State.RUNNING
    assert ledger.document(working).cancel_requested
    with pytest.raises(NotAllowed):
        ledger.request_cancel(waiting)


def test_retry_is_for_documents_at_rest(ledger: Ledger) -> None:
    document = running(ledger)
    with pytest.raises(NotAllowed):
        ledger.request_retry(document)
    ledger.finish(document, RUN, State.PARTIAL, "Two chunks failed.")
    assert ledger.request_retry(document) == State.PENDING
    assert ledger.request_retry(document) == State.PENDING
    assert ledger.document(document).message == ""


def test_removal_waits_until_a_run_is_over_and_nothing_leaves_it(ledger: Ledger) -> None:
    document = running(ledger)
    with pytest.raises(NotAllowed, match="cancel"):
        ledger.request_removal(document)
    ledger.finish(document, RUN, State.SUCCEEDED, "")
    assert ledger.request_removal(document) == State.REMOVING
    assert ledger.to_remove() == [document]
    for refused in (ledger.request_retry, ledger.request_cancel):
        with pytest.raises(NotAllowed):
            refused(document)
    with pytest.raises(NotAllowed):
        register(ledger, content="two")
    with pytest.raises(NotAllowed):
        ledger.begin(document, "run-2", dead)


def test_a_removal_that_fails_is_set_aside_and_tried_after_all_others(ledger: Ledger) -> None:
    failing, waiting, last = (register(ledger, f"{number}.md", str(number)).document for number in range(3))
    for document in (failing, waiting, last):
        ledger.request_removal(document)
    assert ledger.to_remove(2) == [failing, waiting]
    ledger.postpone_removal(failing, "The graph server does not answer.")
    row = ledger.document(failing)
    assert row.state == State.REMOVING
    assert row.message == "It could not be removed yet: The graph server does not answer. This is tried again by itself."
    assert ledger.to_remove() == [waiting, last]
    pauses = [removal_pause(ledger, failing)]
    for _ in range(40):
        ledger.postpone_removal(failing, "Still not.")
        pauses.append(removal_pause(ledger, failing))
    assert pauses[:4] == [30.0, 60.0, 120.0, 240.0]
    assert max(pauses) == pauses[-1] == 600.0
    with ledger.connection() as connection:
        connection.execute("UPDATE aegis_document SET removal_due_at = now() WHERE id = %s", (failing,))
    assert ledger.to_remove() == [waiting, last, failing]


def removal_pause(ledger: Ledger, document: UUID) -> float:
    with ledger.connection() as connection:
        query = "SELECT extract(epoch FROM removal_due_at - updated_at)::float AS pause FROM aegis_document WHERE id = %s"
        row = connection.execute(query, (document,)).fetchone()
    assert row is not None
    return float(row["pause"])


def test_many_documents_are_retried_in_one_statement(ledger: Ledger) -> None:
    endings = [State.FAILED, State.PARTIAL, State.CANCELLED, State.SUCCEEDED]
    documents = [running(ledger, f"{number}.md", str(number)) for number in range(len(endings))]
    for document, ending in zip(documents, endings, strict=True):
        ledger.finish(document, RUN, ending, "No.")
    working = running(ledger, "working.md", "working")
    asked = [*documents, working, uuid4()]
    assert sorted(ledger.retry_all(asked, [State.FAILED, State.PARTIAL, State.RUNNING])) == sorted(documents[:2])
    assert [row.state for row in ledger.documents([*documents, working])] == [
        State.PENDING, State.PENDING, State.CANCELLED, State.SUCCEEDED, State.RUNNING,
    ]  # fmt: skip
    assert ledger.document(documents[0]).message == ""


def test_what_is_not_there_is_said(ledger: Ledger) -> None:
    for ask in (ledger.document, ledger.collection, ledger.request_retry, ledger.progress, ledger.counts, ledger.result):
        with pytest.raises(NotFound):
            ask(uuid4())
    assert ledger.documents([uuid4()]) == []


def test_documents_come_in_the_order_asked_for(ledger: Ledger) -> None:
    ids = [register(ledger, f"{number}.md", str(number)).document for number in range(3)]
    assert [row.id for row in ledger.documents(ids[::-1])] == ids[::-1]


def test_a_collections_schema_is_what_people_set(ledger: Ledger) -> None:
    register(ledger)
    with ledger.transaction() as connection:
        connection.execute("UPDATE aegis_collection SET entity_types = '{person}', prompt = 'Find {braces}.'")
    row = ledger.collection(collection())
    assert row.schema.entity_types == ("person",)
    assert row.schema.prompt == "Find {braces}."
