"""python manage.py retry DOCUMENT: what failed or is missing, and nothing else."""

from __future__ import annotations

import time
from typing import Any, Final

from django.core.management.base import CommandParser

from aegis_assets.model.document import State
from aegis_assets.model.ledger import DocumentRow
from webadmin.documents import console, platform, steering

NOTICED_SECONDS: Final = 15.0  # within which Dagster sees that a run's process was killed: it looks every 5 s


class Command(console.Command):
    help = "Do again what failed or is missing of a document."
    interrupted = "Stopped waiting; the run goes on."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("document", help="its id, or a name that only one document has")
        parser.add_argument("--no-wait", action="store_true", help="return as soon as it is asked for")

    def act(self, *, document: str, no_wait: bool, **_: Any) -> bool:
        row = console.find(document)
        self.await_death(row)
        if not console.steer(self.say, row.id, steering.RETRY):
            return False
        if no_wait:
            return True
        last = console.settled([row.id]).get(row.id)
        if last is None:
            self.say(f"{row.name} was removed meanwhile.")
            return False
        self.out(f"{last.name}: {last.state}. {last.message}".rstrip())
        return last.state == State.SUCCEEDED

    def await_death(self, row: DocumentRow) -> None:
        """Whoever retries a running document knows that its run is dead; Dagster may learn it some seconds later."""
        deadline = time.monotonic() + NOTICED_SECONDS
        while steering.in_hands(row) and time.monotonic() < deadline:
            time.sleep(console.POLL_SECONDS)
            row = platform.ledger().document(row.id)
