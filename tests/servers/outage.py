"""A server that a test takes away in the middle of its work and brings back at the same address."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field

OUTAGE_SECONDS = 20.0


@dataclass
class KillableServer:
    """start: starts the server, always at the same address and with the same data, and returns when it answers."""

    start: Callable[[], subprocess.Popen[bytes]]
    process: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.process = self.start()

    def take_away(self, seconds: float = OUTAGE_SECONDS) -> None:
        self.kill()
        time.sleep(seconds)
        self.process = self.start()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(30)
