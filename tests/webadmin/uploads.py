"""A document as an upload leaves it, for tests of what comes after."""

from __future__ import annotations

import io
from uuid import UUID

from webadmin.documents import services


def put(name: str, content: bytes = b"", collection: str = "default") -> UUID:
    """Upload a file, by default with its name as content. Return the document's id."""
    outcome = services.upload(io.BytesIO(content or name.encode()), name, collection)
    assert outcome.document is not None
    return outcome.document
