"""python manage.py retry DOCUMENT: what failed or is missing, and nothing else."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from aegis_assets.model.document import State
from webadmin.documents import console, steering


class Command(console.Command):
    help = "Do again what failed or is missing of a document."
    interrupted = "Stopped waiting; the run goes on."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("document", help="its id, or a name that only one document has")
        parser.add_argument("--no-wait", action="store_true", help="return as soon as it is asked for")

    def act(self, *, document: str, no_wait: bool, **_: Any) -> bool:
        row = console.find(document)
        if not console.steer(self.say, row.id, steering.RETRY):
            return False
        if no_wait:
            return True
        rows = list(console.watch([row.id]))[-1]
        if not rows:
            self.say(f"{row.name} was removed meanwhile.")
            return False
        self.out(f"{rows[0].name}: {rows[0].state}. {rows[0].message}".rstrip())
        return rows[0].state == State.SUCCEEDED
