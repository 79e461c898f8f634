"""Which documents of a run go together."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from aegis_assets.errors import BadInput, StoreUnavailable
from aegis_assets.model.document import State
from aegis_assets.model.ledger import DocumentRow
from aegis_assets.pipeline.flow.together import MOST, MOST_BYTES, batches, is_of_one

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def row(number: int, size: int = 1000, collection: int = 1) -> DocumentRow:
    return DocumentRow(
        id=UUID(int=number),
        collection=UUID(int=collection),
        name=f"{number}.md",
        source="upload",
        source_key=f"{number}.md",
        state=State.RUNNING,
        message="",
        blob="",
        sha256="",
        size=size,
        format="",
        media_type="",
        parser="",
        extractor="",
        embedder="",
        live=None,
        making=None,
        run_id="run",
        cancel_requested=False,
        fraction=0.0,
        created_at=NOW,
        updated_at=NOW,
    )


def numbers(rows: list[DocumentRow]) -> list[list[int]]:
    return [[one.id.int for one in batch] for batch in batches(rows)]


def test_many_small_documents_make_few_batches_in_their_order() -> None:
    found = numbers([row(n) for n in range(2 * MOST + 1)])
    assert [len(batch) for batch in found] == [MOST, MOST, 1]
    assert [number for batch in found for number in batch] == list(range(2 * MOST + 1))
    assert numbers([]) == []


def test_a_large_document_goes_alone() -> None:
    assert numbers([row(1), row(2, size=MOST_BYTES), row(3), row(4)]) == [[1], [2], [3, 4]]


def test_collections_do_not_mix() -> None:
    assert numbers([row(1), row(2, collection=2), row(3, collection=2), row(4)]) == [[1], [2, 3], [4]]


def test_a_store_that_is_away_is_no_single_documents_failure() -> None:
    several = [row(1), row(2)]
    assert is_of_one(BadInput("No."), several)
    assert is_of_one(ValueError("No."), several)
    assert not is_of_one(StoreUnavailable("Away."), several)
    assert not is_of_one(BadInput("No."), several[:1])
