"""Write the stores anew from the ledger and the bucket."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RebuildProgress:
    """Documents of a collection that are written, and all of them."""

    done: int
    total: int
