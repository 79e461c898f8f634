"""What metrics say of the platform, as the ledger knows it. Without documents: a label's values must not grow in number."""

from __future__ import annotations

from aegis_assets.model.document import Stage, State
from aegis_assets.model.parsing import Frozen


class Counter(Frozen):
    """name, labels: as the ledger's totals have them; labels are words with blanks between."""

    name: str
    labels: str
    value: float


class Measures(Frozen):
    """rates: chunks per second through a stage over the last minute. oldest_pending: seconds, 0 when nothing waits."""

    documents: dict[State, int]
    oldest_pending: float
    active: dict[Stage, int]
    rates: dict[Stage, float]
    counters: tuple[Counter, ...]
