"""What the commands share: one clear sentence on standard error instead of a traceback, the right exit code, and waiting.

An unexpected error is told by its class alone; `--traceback`, which every Django command has, shows where it was.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Callable, Collection, Iterator
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

from django.core.management.base import BaseCommand
from django.db import InterfaceError, OperationalError
from django.db.models import Q

from aegis_assets.errors import BadInput, NotFound, StoreUnavailable, public
from aegis_assets.logs import configure
from aegis_assets.model.document import AT_REST
from aegis_assets.model.ledger import DocumentRow
from aegis_assets.settings import settings
from webadmin.documents import platform, steering
from webadmin.documents.models import Document

INTERRUPTED: Final = 130
POLL_SECONDS: Final = 0.5
OUTAGE_SECONDS: Final = 120.0  # how long a wait bears a ledger that is being restarted


class Command(BaseCommand):
    """Subclasses write `act`, which returns whether all went well."""

    requires_system_checks: list[str] = []
    requires_migrations_checks = False
    needs_stack = True
    interrupted = "Interrupted."

    def act(self, *args: Any, **options: Any) -> bool:
        raise NotImplementedError

    def handle(self, *args: Any, **options: Any) -> None:
        configure("ERROR")  # a log line between the lines of a progress bar would help nobody
        try:
            if self.needs_stack:
                require_stack()
            if self.act(**options):
                return
        except KeyboardInterrupt:
            self.say(self.interrupted)
            raise SystemExit(INTERRUPTED) from None
        except BrokenPipeError:
            sys.stderr.close()  # whoever read our output has left; there is nobody to tell
        except (OperationalError, InterfaceError):
            self.say("The ledger (PostgreSQL) does not answer.")
        except Exception as error:
            if options.get("traceback"):
                raise
            self.say(public(error).message)
        raise SystemExit(1)

    def say(self, sentence: str) -> None:
        """To people: standard output is for results."""
        self.stderr.write(printable(sentence))

    def out(self, line: str) -> None:
        self.stdout.write(printable(line))

    def out_json(self, value: object) -> None:
        self.stdout.write(json.dumps(value, ensure_ascii=False, default=str))


def printable(text: str) -> str:
    """Without control characters: a document's name or text must not steer a terminal."""
    return "".join(char if char.isprintable() or char in "\n\t" else "\N{REPLACEMENT CHARACTER}" for char in text)


def require_stack() -> None:
    """Raises StoreUnavailable at once where waiting for the ledger's pool would take seconds."""
    url = urlsplit(settings().postgres_url.get_secret_value())
    if not url.hostname:
        place = f"{settings().listen}:{settings().postgres_port}"
        raise StoreUnavailable(f"The stack is not running (no PostgreSQL at {place}). Start it with make up.")
    place = f"{url.hostname}:{url.port or 5432}"
    try:
        socket.create_connection((url.hostname, url.port or 5432), timeout=5).close()
    except OSError as error:
        raise StoreUnavailable(f"The stack is not running (no PostgreSQL at {place}). Start it with make up.") from error


def find(word: str) -> DocumentRow:
    """A document by id, or by a name that only one has. Raises NotFound, BadInput."""
    try:
        return platform.ledger().document(UUID(word))
    except ValueError:
        pass
    found = list(Document.objects.filter(Q(name=word) | Q(source_key=word)).values_list("id", "collection__name")[:10])
    if not found:
        raise NotFound(f"There is no document named {word!r}.")
    if len(found) > 1:
        ids = ", ".join(f"{identity} ({collection})" for identity, collection in found)
        raise BadInput(f"More than one document is named {word!r}; say which by its id: {ids}.")
    return platform.ledger().document(found[0][0])


def watch(documents: Collection[UUID]) -> Iterator[list[DocumentRow]]:
    """The rows again and again until every document is at rest or gone. Bears a ledger that is restarted meanwhile."""
    broken_since: float | None = None
    while True:
        try:
            rows = platform.ledger().documents(list(documents))
        except StoreUnavailable:
            broken_since = broken_since or time.monotonic()
            if time.monotonic() - broken_since > OUTAGE_SECONDS:
                raise
        else:
            broken_since = None
            yield rows
            if all(row.state in AT_REST for row in rows):
                return
        time.sleep(POLL_SECONDS)


def steer(say: Callable[[str], None], document: UUID, action: steering.Action) -> bool:
    """One action on one document, its refusal and notice said. Returns whether it was done."""
    result = action.steer([document])
    for refusal in result.refused:
        say(f"{refusal.name}: {refusal.sentence}")
    if result.notice:
        say(result.notice)
    return bool(result.done)
