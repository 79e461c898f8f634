"""Every address of the site that answers with a page, found by walking the URLs: a page that is added later is among them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

from django.db import connections
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from tests.webadmin.console.stuffed import Stuffed

PLACE = re.compile(r"<(?:\w+:)?(\w+)>")
# Not pages of ours: Django's lists of an application's models.
NOT_OURS = ("/admin/<app_label>", "/admin/logout/", "/admin/login/")


def addresses(client: Client, there: Stuffed) -> list[str]:
    """Those that answer this person's GET with a whole page, the most general first. Parts of pages and JSON are left out.

    In a thread: an async view cannot be asked where a browser's driver runs its event loop.
    """
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(_answering, client, there).result()


def _answering(client: Client, there: Stuffed) -> list[str]:
    found = []
    for address in sorted(set(_filled(there)), key=lambda one: (one.count("/"), one)):
        answer = client.get(address)
        kind = answer.headers.get("Content-Type", "")
        if answer.status_code == 200 and kind.startswith("text/html") and b"<html" in answer.content:
            found.append(address)
        answer.close()
    connections.close_all()
    return found


def _filled(there: Stuffed) -> Iterator[str]:
    for pattern in _patterns(get_resolver().url_patterns):
        if pattern.startswith(NOT_OURS) or any(sign in pattern for sign in "^("):
            continue
        yield _with_values(pattern, there)


def _with_values(pattern: str, there: Stuffed) -> str:
    return PLACE.sub(lambda place: str(_value(place[1], pattern, there)), pattern)


def _value(name: str, pattern: str, there: Stuffed) -> UUID | int | str:
    """What stands for this place of an address. Whoever adds a page with another kind of argument says here what to put there."""
    if name in ("object_id", "id"):
        return _objects(there)[pattern.split("/")[3]]
    values: dict[str, Any] = {
        **vars(there),
        "number": 1,
        "page": 1,
        "ordinal": 0,
        "content": "0" * 16,
        "decision": 1,
        "rest": "nothing",
        "source": there.entity,
        "target": there.entity,
        "run_id": "run-1",
        "run": "run-1",
        "pk": there.document,
        "name": "nobody",
    }
    assert name in values, f"{pattern}: tests/webadmin/console/every.py does not know what to put for <{name}>"
    value: UUID | int | str = values[name]
    return value


def _objects(there: Stuffed) -> dict[str, UUID | int | str]:
    return {
        "document": there.document,
        "collection": there.collection,
        "merge": there.merge,
        "limit": "ollama_max_concurrent",
        "user": there.user,
        "apitoken": there.token,
        "auditentry": there.audit,
        "entity": there.entity,
    }


def _patterns(found: list[URLPattern | URLResolver], before: str = "/") -> Iterator[str]:
    for one in found:
        address = before + str(one.pattern)
        if isinstance(one, URLResolver):
            yield from _patterns(one.url_patterns, address)
        else:
            yield address
