"""Documents that were made with other settings, engines or schema than their collection has now, and doing them anew.

A document that is pending is planned by its next run, which does what is missing under the fingerprints of then. So to do stale
documents anew is to make them pending.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from aegis_assets.errors import NotFound
from aegis_assets.model.document import State
from aegis_assets.model.ids import fingerprint
from aegis_assets.model.ledger import CollectionRow
from aegis_assets.model.staleness import Staleness
from aegis_assets.pipeline.flow.fingerprints import current, of_collection
from aegis_assets.pipeline.flow.platform import Platform

PAGE: Final = 500  # documents in one statement
REFRESHED: Final = frozenset({State.SUCCEEDED, State.PARTIAL})  # what failed or was cancelled waits for a person as it is


@dataclass(frozen=True)
class Cost:
    """Give what doing stale documents anew takes. chunks, calls: at most; a chunk whose text stays as it was keeps its results."""

    documents: int
    chunks: int
    calls: int


def staleness_of(platform: Platform, collection: UUID, documents: Sequence[UUID]) -> list[Staleness]:
    """Compare the live generations of documents of the collection with the fingerprints that it has now."""
    prints = of_collection(platform, collection)
    return platform.ledger.staleness(documents, prints.plan, prints.parse, prints.embed, prints.extract, prints.earlier)


def refresh_collection(platform: Platform, name: str, begin: bool, tell: Callable[[str], None]) -> Cost:
    """Say what doing the stale documents of the collection anew costs, and make them pending if it is to begin."""
    collection = _named(platform, name)
    stale = list(_stale(platform, collection.id))
    cost = Cost(len(stale), sum(row.chunks_made for row in stale), sum(row.calls for row in stale))
    tell(
        f"{cost.documents} documents of the collection {name} are stale. Doing them anew makes at most {cost.chunks} chunks, with"
        f" at most {cost.calls} calls of {platform.extractor.named(collection.schema)}."
    )
    if not begin:
        tell("Nothing is begun: this was a dry run.")
        return cost
    ids = [row.document for row in stale]
    begun = [one for at in range(0, len(ids), PAGE) for one in platform.ledger.retry_all(ids[at : at + PAGE], REFRESHED)]
    tell(f"{len(begun)} documents are pending.")
    return cost


def collection_fingerprints(platform: Platform) -> dict[str, str]:
    """Return for each collection what decides every result in it. It changes whenever documents may have become stale."""
    return {row.name: fingerprint(**vars(current(platform, row.schema))) for row in platform.ledger.collections()}


def _named(platform: Platform, name: str) -> CollectionRow:
    for row in platform.ledger.collections():
        if row.name == name:
            return row
    raise NotFound(f"There is no collection named {name!r}.")


def _stale(platform: Platform, collection: UUID) -> Iterator[Staleness]:
    """Costs a look at every chunk of the collection."""
    page = platform.ledger.published_page(collection, None, PAGE)
    while page:
        rows = staleness_of(platform, collection, page)
        yield from (row for row in rows if row.is_stale and row.state in REFRESHED)
        page = platform.ledger.published_page(collection, page[-1], PAGE)
