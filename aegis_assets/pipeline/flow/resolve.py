"""resolve: the names of documents -> short forms joined within each, and merges: which names are one in the collection.

publish follows the merges. Documents are resolved together: which names are one does not depend on whose they are, and small
documents of one run share most of theirs. A name is compared once; a retry finds what an earlier attempt has saved.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import Final
from uuid import UUID

from aegis_assets.errors import NotFound, Superseded
from aegis_assets.model.document import Stage
from aegis_assets.model.ledger import DocumentRow
from aegis_assets.pipeline.comparison import pairs_of
from aegis_assets.pipeline.flow.platform import Platform, record
from aegis_assets.pipeline.flow.together import batches, is_of_one
from aegis_assets.pipeline.resolve import find_merges, rules_fingerprint

NAMES_PER_PASS: Final = 128  # of a dozen tokens each: together fewer than 16 chunks have
NAMES_AT_ONCE: Final = 500  # each with up to MAX_BLOCKS keys of up to MAX_BLOCK names in memory


def resolve_documents(platform: Platform, documents: Sequence[UUID], run_id: str) -> None:
    """Resolve. A failure is recorded; the documents are published with the entities as they are, and a retry resolves them."""
    for batch in batches(platform.ledger.documents(documents)):
        ours = platform.ledger.check_many([row.id for row in batch], run_id)
        if rows := [row for row in batch if row.id in ours]:
            _attempt(platform, rows, run_id)


def _attempt(platform: Platform, rows: Sequence[DocumentRow], run_id: str) -> None:
    """Resolve together; where that fails by one of them, each alone."""
    try:
        _resolve(platform, rows, run_id)
    except Exception as error:  # noqa: BLE001  a task ends here: the failure becomes data
        if is_of_one(error, rows):
            for row in rows:
                _attempt(platform, [row], run_id)
            return
        for row in rows:
            record(platform, error, document=row.id, run_id=run_id, stage=Stage.RESOLVE)


def _resolve(platform: Platform, rows: Sequence[DocumentRow], run_id: str) -> None:
    started = time.monotonic()
    collection, documents = rows[0].collection, [row.id for row in rows]
    for document in documents:
        with suppress(Superseded, NotFound):  # taken over meanwhile, or gone: publish passes it over
            platform.ledger.join_names(document, run_id)
    rules = rules_fingerprint(platform.embedder.info().fingerprint)
    compare_names(platform, collection, platform.ledger.names_of(collection, documents, rules), rules)
    platform.ledger.add_seconds(run_id, documents, Stage.RESOLVE, time.monotonic() - started)


def compare_names(platform: Platform, collection: UUID, names: Mapping[UUID, bool], rules: str) -> None:
    """Compare the names that were not compared yet, a bounded number of them at a time. names: as from `names_of`."""
    compared: set[UUID] = set()
    ids = iter(names)
    while part := {id: names[id] for id in islice(ids, NAMES_AT_ONCE)}:
        near = platform.ledger.neighbourhood(collection, part)
        if near.fresh or near.reopened:
            decisions = find_merges(pairs_of(near.blocks, compared), lambda pairs: similarities(platform, pairs))
            platform.ledger.save_merges(collection, decisions, near, rules)
            compared |= near.fresh


def similarities(platform: Platform, pairs: Sequence[tuple[str, str]]) -> list[float]:
    """Return the cosine of the dense vectors of each pair of names; the vectors are of unit length."""
    names = sorted({name for pair in pairs for name in pair})
    if not names:
        return []
    found = platform.embedder.embed(names, "passage", NAMES_PER_PASS)
    vectors = {name: embedding.dense for name, embedding in zip(names, found, strict=True)}
    return [sum(a * b for a, b in zip(vectors[left], vectors[right], strict=True)) for left, right in pairs]
