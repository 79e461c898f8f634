"""How long a log-in must wait, counted from the failed ones in the audit trail: it holds over all processes and restarts.

Three counts: one name from one address, one address, one name from anywhere. The last is high, because whoever knows a name could
otherwise lock its owner out. A package (django-axes) would bring tables, a middleware and a backend for these few lines.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.db import connection
from django.db.models import Count, Min, Q
from django.utils import timezone

from webadmin.console.audit.signals import FAILED
from webadmin.console.models import AuditEntry

PERIOD: Final = timedelta(minutes=15)
OF_NAME_AT_ADDRESS: Final = 5
OF_ADDRESS: Final = 30
OF_NAME: Final = 200
# One attempt at a time from one address: of many at once each would be counted before any had failed.
ONE_AT_A_TIME: Final = "SELECT pg_advisory_xact_lock(hashtextextended('aegis log-in ' || %s, 0))"


def take_turn(address: str) -> None:
    """Until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(ONE_AT_A_TIME, [address])


def wait(name: str, address: str) -> timedelta | None:
    """Until when nothing is tried; None if a log-in may be tried now."""
    since = timezone.now() - PERIOD
    pair, here, named = Q(actor=name, address=address), Q(address=address), Q(actor=name)
    counted = AuditEntry.objects.filter(here | named, action=FAILED, at__gt=since).aggregate(
        pair=Count("id", filter=pair),
        here=Count("id", filter=here),
        named=Count("id", filter=named),
        first=Min("at"),
    )
    if counted["pair"] >= OF_NAME_AT_ADDRESS or counted["here"] >= OF_ADDRESS or counted["named"] >= OF_NAME:
        first: datetime = counted["first"]
        return first + PERIOD - timezone.now()
    return None
