"""Documents of a run -> those that are resolved and published together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from aegis_assets.errors import AegisError
from aegis_assets.model.ledger import DocumentRow

MOST: Final = 50  # documents: a round trip for each step is then a small part of the work
MOST_BYTES: Final = 2_000_000  # of their contents, so that a large one goes alone and nobody waits long for a turn


def batches(rows: Sequence[DocumentRow]) -> Iterator[list[DocumentRow]]:
    """Of one collection each, in the order of the rows."""
    batch: list[DocumentRow] = []
    for row in rows:
        full = len(batch) >= MOST or sum(one.size for one in batch) + row.size > MOST_BYTES
        if batch and (full or row.collection != batch[0].collection):
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def is_of_one(error: Exception, rows: Sequence[DocumentRow]) -> bool:
    """Whether the failure may be of one document among several. A store or engine that is away has failed them all, and to ask it
    again for each would wait for its time-out each time."""
    return len(rows) > 1 and not (isinstance(error, AegisError) and error.retryable)
