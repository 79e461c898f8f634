"""Rows of leases and of the limits that are found out."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from aegis_assets.model.frozen import Frozen


class LeaseRow(Frozen):
    """A slot held (granted_at set) or waited for. owner: the document. holder: host and process."""

    id: UUID
    resource: str
    weight: int
    owner: UUID
    held: bool
    holder: str
    requested_at: datetime
    granted_at: datetime | None


class FoundLimitRow(Frozen):
    """Requests to a language-model server. limit: how many there may be now; auto: found out, between 1 and ceiling.
    answered: in the last minute. server: its model and address."""

    server: str
    auto: bool
    limit: int
    ceiling: int
    answered: int
