"""python manage.py retry DOCUMENT ...: what failed or is missing, and nothing else."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from django.core.management.base import CommandParser

from aegis_assets.errors import BadInput
from aegis_assets.model.document import AT_REST, State
from aegis_assets.model.ledger import DocumentRow
from webadmin.documents import console, platform, retrying, steering
from webadmin.documents.models import Document
from webadmin.documents.signals import commanded

NOTICED_SECONDS: Final = 15.0  # within which Dagster sees that a run's process was killed: it looks every 5 s
LINES: Final = 20  # of documents that did not succeed; more are only counted


class Command(console.Command):
    help = "Do again what failed or is missing: of the documents that are named, or of all that failed or are partial."
    interrupted = "Stopped waiting; the runs go on."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("documents", nargs="*", metavar="DOCUMENT", help="its id, or a name that only one document has")
        parser.add_argument("--collection", metavar="NAME", help="all documents of this collection that failed or are partial")
        parser.add_argument(
            "--failed", action="store_true", help="all documents that failed; those that are partial are left alone"
        )
        parser.add_argument("--no-wait", action="store_true", help="return as soon as it is asked for")

    def act(self, *, documents: list[str], collection: str | None, failed: bool, no_wait: bool, **_: Any) -> bool:
        if bool(documents) == (collection is not None or failed):
            raise BadInput("Name documents, or choose them by --collection or --failed.")
        named = [console.find(word) for word in documents]
        asked = self.retry_named(named) if named else self.retry_matching(collection or "", failed)
        if no_wait or not asked:
            return len(asked) >= len(named)
        ended = self.tell(asked, console.settled(asked))
        return ended and len(asked) >= len(named)

    def retry_named(self, rows: Sequence[DocumentRow]) -> list[UUID]:
        """Return the documents that are tried again; the refusals of the others are said."""
        different = {row.id: row for row in rows}
        return [row.id for row in different.values() if self.goes_on(row) or console.steer(self.say, row.id, steering.RETRY)]

    def retry_matching(self, collection: str, failed: bool) -> list[UUID]:
        asked: list[UUID] = []
        for batch in retrying.retry_in_batches(retrying.matching(collection, State.FAILED if failed else "")):
            commanded.send(None, action="document.retry", targets=Document.objects.filter(pk__in=batch))
            asked += batch
        self.out(f"{len(asked)} to be tried again." if asked else "Nothing is to be tried again.")
        return asked

    def tell(self, asked: Sequence[UUID], ended: Mapping[UUID, DocumentRow]) -> bool:
        """Say how the documents ended, and return whether all succeeded."""
        well = [row for row in ended.values() if row.state == State.SUCCEEDED]
        others = [row for row in ended.values() if row.state != State.SUCCEEDED]
        for row in (others if len(asked) > LINES else [*well, *others])[:LINES]:
            self.out(f"{row.name}: {row.state}. {row.message}".rstrip())
        if gone := len(asked) - len(ended):
            self.say(f"{gone} of {len(asked)} documents were removed meanwhile.")
        if len(asked) > 1:
            counts = Counter(row.state.value for row in ended.values())
            self.out(", ".join(f"{number} {state}" for state, number in sorted(counts.items())) + ".")
        return len(well) == len(asked)

    def goes_on(self, row: DocumentRow) -> bool:
        """Wait until Dagster has noticed that a running document's run is dead: whoever retries it knows. Return whether another
        run has taken it up by itself meanwhile."""
        deadline, now = time.monotonic() + NOTICED_SECONDS, row
        while steering.in_hands(now) and now.run_id == row.run_id and time.monotonic() < deadline:
            time.sleep(console.POLL_SECONDS)
            now = platform.ledger().document(row.id)
        return now.run_id != row.run_id and now.state not in AT_REST
