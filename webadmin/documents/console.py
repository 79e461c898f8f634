"""What the commands share: one clear sentence on standard error instead of a traceback, the right exit code, and waiting.

An unexpected error is told by its class alone; `--traceback`, which every Django command has, shows where it was.
"""

from __future__ import annotations

import json
import socket
import sys
import time
import unicodedata
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.core.management.base import BaseCommand
from django.db import InterfaceError, OperationalError, ProgrammingError
from django.db.models import Q
from psycopg.conninfo import conninfo_to_dict

from aegis_assets.errors import AegisError, BadInput, EngineUnavailable, NotFound, StoreUnavailable
from aegis_assets.logs import configure
from aegis_assets.model.document import AT_REST
from aegis_assets.model.ledger import DocumentRow
from aegis_assets.settings import settings
from aegis_assets.stores.ledger.base import clean
from webadmin.documents import platform, steering
from webadmin.documents.models import Document
from webadmin.documents.signals import commanded

INTERRUPTED: Final = 130
POLL_SECONDS: Final = 0.5
ASK_SECONDS: Final = 15.0  # without any change, after which Dagster is asked whether it lives
AWAY_SECONDS: Final = 120.0  # how long a wait bears a Dagster that is being restarted
ASKED_FOR: Final = "What was asked for is kept and happens as soon as Dagster runs; type the same command again to watch it."


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
        except ProgrammingError:
            self.say("The ledger's tables are missing, or of another version: run `python manage.py migrate`.")
        except AegisError as error:
            self.say(error.message)
        except Exception as error:
            if options.get("traceback"):
                raise
            self.say(f"An unexpected error stopped the command ({type(error).__name__}). With --traceback it shows where.")
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
    address = settings().postgres_url.get_secret_value()
    if not address:
        place = f"{settings().listen}:{settings().postgres_port}"
        raise StoreUnavailable(f"The stack is not running (no PostgreSQL at {place}). Start it with make up.")
    said = conninfo_to_dict(address)
    host, port = str(said.get("host") or ""), str(said.get("port") or 5432)
    if not host or host.startswith("/") or not port.isdecimal():
        return  # a socket of this machine, or several servers: the first question to the ledger will tell
    place = f"{host}:{port}"
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except OSError as error:
        raise StoreUnavailable(f"The stack is not running (no PostgreSQL at {place}). Start it with make up.") from error


def find(word: str) -> DocumentRow:
    """A document by id, or by a name that only one has. Raises NotFound, BadInput."""
    try:
        return platform.ledger().document(UUID(word))
    except ValueError:
        pass
    said = clean(word)
    composed = unicodedata.normalize("NFC", said)  # as uploads keep names; a bucket's keys stay as they are
    named = Q(name=composed) | Q(source_key__in=[said, composed])
    found = list(Document.objects.filter(named).values_list("id", "collection__name")[:10])
    if not found:
        raise NotFound(f"There is no document named {word!r}.")
    if len(found) > 1:
        ids = ", ".join(f"{identity} ({collection})" for identity, collection in found)
        raise BadInput(f"More than one document is named {word!r}; say which by its id: {ids}.")
    return platform.ledger().document(found[0][0])


def settled(
    documents: Collection[UUID],
    show: Callable[[list[DocumentRow]], None] = lambda _: None,
    say: Callable[[str], None] = lambda _: None,
) -> dict[UUID, DocumentRow]:
    """Wait until every document is at rest or gone; return those that are still there. show: gets those that were not, each time.
    say: gets why nothing can be seen.

    Bears a ledger that is away as long as documents would (AEGIS_OUTAGE_HOURS), and a Dagster that is being restarted. Raises
    StoreUnavailable and EngineUnavailable when one stays away.
    """
    last: dict[UUID, DocumentRow] = {}
    left = list(dict.fromkeys(documents))
    ledger, dagster = _Outage(settings().outage_hours * 3600, say), _Outage(AWAY_SECONDS)
    moved, before = time.monotonic(), set[tuple[UUID, datetime]]()
    while left:
        try:
            rows = platform.ledger().documents(left)
        except StoreUnavailable as error:
            ledger.goes_on(error)
            time.sleep(POLL_SECONDS)
            continue
        ledger.ends()
        show(rows)
        last.update((row.id, row) for row in rows if row.state in AT_REST)
        left = [row.id for row in rows if row.state not in AT_REST]
        now = {(row.id, row.updated_at) for row in rows}
        if now != before:
            moved, before = time.monotonic(), now
            dagster.ends()
        elif time.monotonic() - moved > ASK_SECONDS:  # long steps move nothing either, so Dagster itself is asked
            moved = time.monotonic()
            if problem := _dagster_problem():
                dagster.goes_on(EngineUnavailable(f"{problem} {ASKED_FOR}"))
            else:
                dagster.ends()
        if left:
            time.sleep(POLL_SECONDS + len(left) / 2000)  # ten thousand rows twice a second would cost what the work needs
    return last


class _Outage:
    """How long something has been away."""

    def __init__(self, seconds: float, say: Callable[[str], None] = lambda _: None) -> None:
        self._seconds, self._say = seconds, say
        self._since: float | None = None

    def goes_on(self, error: AegisError) -> None:
        """Say it the first time, and raise it when it has gone on for too long."""
        if self._since is None:
            self._since = time.monotonic()
            self._say(f"{error.message} Waiting for it.")
        if time.monotonic() - self._since > self._seconds:
            raise error

    def ends(self) -> None:
        self._since = None


def _dagster_problem() -> str:
    """Why nothing can begin, '' when it could."""
    dagster = platform.dagster()
    try:
        return dagster.location_problem() or dagster.daemon_problem()
    except AegisError as error:
        return error.message


def steer(say: Callable[[str], None], document: UUID, action: steering.Action) -> bool:
    """One action on one document, its refusal and notice said. Returns whether it was done."""
    targets = list(Document.objects.filter(pk=document))  # before it is gone
    result = action.steer([document])
    if result.done:
        commanded.send(None, action=f"document.{action.name}", targets=targets)
    for refusal in result.refused:
        say(f"{refusal.name}: {refusal.sentence}")
    if result.notice:
        say(result.notice)
    return bool(result.done)
