"""What commands do to documents and collections, told to whoever keeps a trail. Pages and the API know their person and write
themselves."""

from __future__ import annotations

from typing import Final

from django.dispatch import Signal

commanded: Final = Signal()
"""action: "kind.verb", as in the audit trail. targets: an iterable of Document or Collection."""
