"""python manage.py remove DOCUMENT: out of the vectors, the graph, the ledger and the bucket."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from webadmin.documents import console, steering


class Command(console.Command):
    help = "Remove a document from every store."
    interrupted = "Stopped waiting; the removal goes on."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("document", help="its id, or a name that only one document has")
        parser.add_argument("--no-wait", action="store_true", help="return as soon as it is asked for")

    def act(self, *, document: str, no_wait: bool, **_: Any) -> bool:
        row = console.find(document)
        if not console.steer(self.say, row.id, steering.REMOVE):
            return False
        if not no_wait:
            console.settled([row.id])
            self.out(f"{row.name} is removed.")
        return True
