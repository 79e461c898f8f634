"""Rows of the ledger about a watched bucket: what a listing shows, and what came of it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from aegis_assets.model.parsing import Frozen


class SeenObject(Frozen):
    """An object of a watched bucket, as a listing shows it. etag: the store's, or size and time of a file."""

    key: str
    etag: str
    size: int


class SyncResult(Frozen):
    """Documents that this call made pending or set to be removed. refused: keys that no ledger can hold. problem: what a person
    should look at, '' normally. again: some objects were left for a later listing, as their documents run or are being removed."""

    new: tuple[UUID, ...]
    changed: tuple[UUID, ...]
    deleted: tuple[UUID, ...]
    refused: tuple[str, ...] = ()
    problem: str = ""
    again: bool = False


class LastListing(Frozen):
    """The last complete listing of a watched bucket. every_seconds: time within which the next one is expected."""

    completed_at: datetime
    every_seconds: float
    age_seconds: float
