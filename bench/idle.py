"""When chunks were ready and when the model server worked on them -> slot-seconds that were idle while a chunk waited.

A chunk waits from the moment its row is in the ledger until a slot of the model server takes it up. Whatever lies between counts
as waiting: the step that has to start, the lease, the connection. A slot is idle when no request holds it. At a moment with three
idle slots and two waiting chunks, two slots are idle while work waits: the third could not have been helped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Span = tuple[float, float]  # seconds of one clock


@dataclass(frozen=True)
class Idle:
    """slot_seconds: idle while work waited. extracting: from the first chunk's readiness to the last answer. waiting: seconds in
    which at least one chunk waited. busy: slot-seconds at work."""

    slots: int
    slot_seconds: float
    extracting: float
    waiting: float
    busy: float

    @property
    def share(self) -> float:
        """Of all slot-seconds of the extraction, first chunk to last answer."""
        return self.slot_seconds / (self.slots * self.extracting) if self.extracting else 0.0

    @property
    def share_of_waiting(self) -> float:
        """The stricter one: of the slot-seconds in which a chunk waited."""
        return self.slot_seconds / (self.slots * self.waiting) if self.waiting else 0.0


def idle(slots: int, ready: Sequence[Span], work: Sequence[Span]) -> Idle:
    """ready: (ready, taken up) per chunk. work: (taken up, answered) per request, those of pictures included."""
    events = [(start, 1, 0) for start, end in ready if end > start] + [(end, -1, 0) for start, end in ready if end > start]
    events += [(start, 0, 1) for start, _ in work] + [(end, 0, -1) for _, end in work]
    events.sort()
    waiting = at_work = 0
    lost = queued = busy = 0.0
    before = events[0][0] if events else 0.0
    for now, more_waiting, more_work in events:
        passed = now - before
        busy += at_work * passed
        if waiting > 0:
            queued += passed
            lost += min(max(0, slots - at_work), waiting) * passed
        waiting, at_work, before = waiting + more_waiting, at_work + more_work, now
    first = min((start for start, _ in ready), default=0.0)
    last = max((end for _, end in work), default=first)
    return Idle(slots, lost, last - first, queued, busy)
