"""What a file would be to a collection, before its bytes are sent: new, a revision, or known already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from django.db.models import Q
from django.utils.translation import gettext as _
from pydantic import StringConstraints

from aegis_assets.model.parsing import Frozen
from aegis_assets.stores.ledger.naming import upload_key
from webadmin.documents.models import Document


class Announced(Frozen):
    """sha256: '' where the browser cannot tell (it hashes over https and on the machine itself only)."""

    path: Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]
    sha256: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{64})?$")] = ""


class Known(Frozen):
    """As the ledger will say it of the upload: see model.ledger.Registered. unsure: without a hash only the name is known."""

    path: str
    outcome: Literal["new", "unchanged", "revised", "duplicate", "unsure"]
    sentence: str


def known(collection: str, files: Sequence[Announced]) -> list[Known]:
    """One query for all of them. Files of one upload also know each other."""
    keys = {upload_key(file.path) for file in files}
    hashes = {file.sha256 for file in files} - {""}
    rows = Document.objects.filter(collection__name=collection).filter(
        Q(source="upload", source_key__in=keys) | Q(sha256__in=hashes)
    )
    by_key: dict[str, str] = {}
    by_hash: dict[str, str] = {}
    for source, key, sha256, name in rows.values_list("source", "source_key", "sha256", "name"):
        by_hash[sha256] = name
        if source == "upload":
            by_key[key] = sha256
    found = []
    for file in files:
        found.append(_said(file, by_key, by_hash))
        if file.sha256:
            by_hash.setdefault(file.sha256, file.path)
    return found


def _said(file: Announced, by_key: dict[str, str], by_hash: dict[str, str]) -> Known:
    there = by_key.get(upload_key(file.path))
    if not file.sha256:
        if there is None:
            return Known(path=file.path, outcome="new", sentence=_("A new name in this collection."))
        return Known(path=file.path, outcome="unsure", sentence=_("This name is known; other bytes will be a revision."))
    if there == file.sha256:
        return Known(path=file.path, outcome="unchanged", sentence=_("Unchanged: these bytes are known under this name."))
    if there is not None:
        return Known(path=file.path, outcome="revised", sentence=_("A revision: the bytes differ from the last ones."))
    twin = by_hash.get(file.sha256)
    if twin is not None:
        return Known(path=file.path, outcome="duplicate", sentence=_("Duplicate of {}.").format(twin))
    return Known(path=file.path, outcome="new", sentence=_("New document."))
