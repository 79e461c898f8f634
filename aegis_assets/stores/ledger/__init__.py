"""The ledger: what is done, for which text, by which engine. The only memory of progress, in PostgreSQL."""

from __future__ import annotations

from aegis_assets.stores.ledger.base import Base


class Ledger(Base):
    """url: postgresql://..."""


__all__ = ["Ledger"]
