"""Questions of a page to the ledger that may take long -> an answer in time, or a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from django.db import OperationalError, connection, transaction
from django.utils.translation import gettext as _

from aegis_assets.errors import StoreUnavailable

SECONDS: Final = 5  # of a statement


@contextmanager
def limited() -> Iterator[None]:
    """Raises StoreUnavailable when the ledger does not answer, or not in time."""
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL statement_timeout = '{SECONDS}s'")
            yield
    except OperationalError as error:
        slow = getattr(error.__cause__, "sqlstate", "") == "57014"
        sentence = _("This question takes too long: ask about a smaller part.") if slow else _("The ledger does not answer.")
        raise StoreUnavailable(sentence) from error
