"""resolve: the names of a document -> canonical entities, within the document and against the collection."""

from __future__ import annotations

import time
from collections.abc import Sequence
from uuid import UUID

from aegis_assets.errors import Superseded
from aegis_assets.model.document import Stage
from aegis_assets.pipeline.flow.platform import Platform, record
from aegis_assets.pipeline.resolve import find_merges


def resolve_document(platform: Platform, document: UUID, run_id: str) -> None:
    """A failure is recorded; the document is published with the entities as they are, and a retry resolves them."""
    try:
        platform.ledger.check(document, run_id)
        _resolve(platform, document, run_id)
    except Superseded:
        return
    except Exception as error:  # noqa: BLE001  a task ends here: the failure becomes data
        record(platform, error, document=document, run_id=run_id, stage=Stage.RESOLVE)


def _resolve(platform: Platform, document: UUID, run_id: str) -> None:
    started = time.monotonic()
    collection = platform.ledger.document(document).collection
    names = platform.ledger.new_names(collection, document)
    if names:
        known = platform.ledger.candidates(collection, names)
        decisions = find_merges(names, known, lambda pairs: similarities(platform, pairs))
        platform.ledger.save_merges(collection, decisions)
        platform.ledger.recompute_canonical(collection, [name.id for name in names])
    platform.ledger.add_seconds(run_id, document, Stage.RESOLVE, time.monotonic() - started)


def similarities(platform: Platform, pairs: Sequence[tuple[str, str]]) -> list[float]:
    """Cosine of the dense vectors of each pair of names; the vectors are of unit length."""
    names = sorted({name for pair in pairs for name in pair})
    if not names:
        return []
    vectors = {name: found.dense for name, found in zip(names, platform.embedder.embed(names, "passage"), strict=True)}
    return [sum(a * b for a, b in zip(vectors[left], vectors[right], strict=True)) for left, right in pairs]
