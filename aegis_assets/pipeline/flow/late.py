"""Writes of a call that comes back after its document was removed.

Rows of the ledger are fenced: a run that does not hold the document any more writes none. Other stores know no runs, so the step
that finds out right after it has written deletes that again; and where its process has ended before, a sweep does it later, once no
call of that time can still come back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final
from uuid import UUID

from aegis_assets.errors import AegisError, NotFound, StoreUnavailable, Superseded
from aegis_assets.logs import logger
from aegis_assets.pipeline.flow.platform import Platform

log = logger(__name__)
FILES: Final = ("artifacts", "descriptions")
ROWS: Final = 100
SWEEP_SECONDS: Final = 20.0  # the sensor that sweeps has a minute; what is left is for its next tick


@contextmanager
def undone_if_removed(platform: Platform, document: UUID, undo: Callable[[], object]) -> Iterator[None]:
    """Around the ledger's write of what another store holds already.

    Raises Superseded, after `undo`, where the document has gone.
    """
    try:
        yield
    except (Superseded, NotFound) as error:
        if not platform.ledger.is_removed(document):
            raise
        undo()
        raise Superseded("The document was removed.") from error


def delete_files(platform: Platform, document: UUID) -> None:
    """Delete what a removed document has in the bucket, save its bytes, which others may have too."""
    for root in FILES:
        platform.bucket.delete_prefix(f"{root}/{document}")


def sweep_removed(platform: Platform) -> int:
    """Delete late writes for removed documents. Return for how many that was looked after; twice is once.

    A document that has come back under its id is left alone. Should it come back in the very moment in which its points and nodes
    are deleted, all of it is marked to be written again.
    """
    swept, started = 0, time.monotonic()
    while due := platform.ledger.removed_before(platform.numbers.longest_call_seconds, ROWS):
        for row in due:
            if time.monotonic() - started > SWEEP_SECONDS:
                return swept
            try:
                if not row.back and platform.ledger.is_removed(row.document):
                    platform.vectors.delete_document(row.collection, row.document)
                    platform.graph.delete_document(row.collection, row.document)
                    delete_files(platform, row.document)
                    if not platform.ledger.is_removed(row.document):
                        platform.ledger.mark_documents(row.collection, [row.document])
            except StoreUnavailable:
                raise
            except AegisError as error:
                log.warning("not_swept", document=str(row.document), kind=error.kind)
                platform.ledger.postpone_removed(row.id)
            else:
                platform.ledger.forget_removed(row.id)
                swept += 1
    return swept
