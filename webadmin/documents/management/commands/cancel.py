"""python manage.py cancel DOCUMENT: nothing more is done for it; what is done stays, for a later retry."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from aegis_assets.model.document import State
from webadmin.documents import console, steering


class Command(console.Command):
    help = "Stop the work on a document. What is done stays, and a retry goes on from there."
    interrupted = "Stopped waiting; the run still stops before its next chunk."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("document", help="its id, or a name that only one document has")
        parser.add_argument("--no-wait", action="store_true", help="return as soon as it is asked for")

    def act(self, *, document: str, no_wait: bool, **_: Any) -> bool:
        row = console.find(document)
        if not console.steer(self.say, row.id, steering.CANCEL):
            return False
        if no_wait:
            return True
        last = console.settled([row.id]).get(row.id)
        if last is None:
            return True
        self.out(f"{last.name}: {last.state}. {last.message}".rstrip())
        return last.state == State.CANCELLED
