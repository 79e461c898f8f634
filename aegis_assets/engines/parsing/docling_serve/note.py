"""Which task of the server converts what: so that a conversion is taken up again instead of being done twice.

The server goes on when its caller is gone. A note outlives the caller that wrote it: it lies in the folder of the sandboxed call,
and `service/tasks.py` carries it to the bucket and back.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from aegis_assets.engines.parsing.docling_serve.options import Form
from aegis_assets.engines.parsing.docling_serve.pages import Span

_LONGEST = 200  # letters of a task's id


class Note:
    """path: None where nothing is to be remembered."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def task(self, request: str) -> str | None:
        """Return the task that was submitted for this request and has not been fetched."""
        if self._path is None or not self._path.is_file():
            return None
        try:
            known = json.loads(self._path.read_text(encoding="utf-8"))
            task, asked = known["task"], known["request"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return task if asked == request and is_id(task) else None

    def write(self, task: str, request: str) -> None:
        if self._path is not None:
            self._path.with_suffix(".part").write_text(json.dumps({"task": task, "request": request}), encoding="utf-8")
            self._path.with_suffix(".part").rename(self._path)

    def clear(self) -> None:
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def is_id(task: object) -> bool:
    """Return whether this may be a part of an address."""
    return isinstance(task, str) and 0 < len(task) <= _LONGEST and all(letter.isalnum() or letter in "-_" for letter in task)


def request_hash(form: Form, pages: Span | None) -> str:
    """Return what two requests for the same conversion have in common. The document is not in it: a note is one window's."""
    return hashlib.sha256(json.dumps([form, pages]).encode()).hexdigest()
