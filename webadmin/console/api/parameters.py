"""A query string -> values. Each function raises BadInput with a sentence that names the parameter."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from django.http import HttpRequest

from aegis_assets.errors import BadInput

WRONG_PLACE: Final = "`after` takes what `next` of the page before said."


def number_of(request: HttpRequest, name: str, default: int, most: int) -> int:
    text = request.GET.get(name, str(default))
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    if not 1 <= number <= most:
        raise BadInput(f"`{name}` is a number from 1 to {most}.")
    return number


def flag_of(request: HttpRequest, name: str, default: bool) -> bool:
    """Return a parameter that is `true` or `false`."""
    text = request.GET.get(name, str(default)).lower()
    if text not in ("true", "false"):
        raise BadInput(f"`{name}` is true or false.")
    return text == "true"


def ids_of(request: HttpRequest, most: int) -> list[UUID]:
    texts = request.GET.getlist("id")
    if not 0 < len(texts) <= most:
        raise BadInput(f"Name 1 to {most} documents by `id`.")
    try:
        return [UUID(text) for text in texts]
    except ValueError as error:
        raise BadInput("An id is not a UUID.") from error
