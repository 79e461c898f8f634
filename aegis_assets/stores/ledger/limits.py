"""Numbers of config/parallelization.yml that were changed in the console."""

from __future__ import annotations

from typing import Final

from aegis_assets.stores.ledger.base import Base, Connection, reads, rows

LIMITS: Final = "SELECT name, value FROM aegis_limit"


class Limits(Base):
    @reads
    def limits(self, connection: Connection) -> dict[str, int]:
        """By name. What is not there is as the settings have it."""
        return {row["name"]: row["value"] for row in rows(connection, LIMITS)}
