"""The number of calls of each kind that the engine server does at once: by the machine, unless AEGIS_ENGINE_SLOTS says so."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from aegis_assets.engines.forward import cores
from aegis_assets.settings import Settings

LEAST: Final = 2  # one child waits for the bucket while another computes
MEMORY_SHARE: Final = 0.5  # of the machine's, for children that parse; the rest is for models, stores and runs
MEMORY_MAX: Final = Path("/sys/fs/cgroup/memory.max")  # cgroup v2, of the container that this process is in
MB: Final = 2**20


@dataclass(frozen=True)
class Slots:
    """documents: parses at once, and as many texts that are cut into chunks. pictures: that are read by OCR."""

    documents: int
    pictures: int


def choose_slots(chosen: Settings, cores_here: float | None = None, memory_mb: float | None = None) -> Slots:
    """Return a slot for each core, as far as the memory reaches, where the setting is 0; half as many for pictures."""
    documents = chosen.engine_slots
    if not documents:
        fitting = MEMORY_SHARE * (memory_mb or _memory_mb()) / chosen.parse_memory_mb
        documents = max(LEAST, int(min(cores_here or cores(), fitting)))
    return Slots(documents, max(1, documents // 2))


def _memory_mb(limit_file: Path = MEMORY_MAX) -> float:
    """Return the bytes of memory that this process may use: the machine's, or less where a container has a limit."""
    found = psutil.virtual_memory().total
    with suppress(OSError, ValueError):
        found = min(found, int(limit_file.read_text()))  # ValueError: "max", no limit
    return found / MB
