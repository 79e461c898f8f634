"""Notes of docling-serve's tasks in the bucket, so that whoever tries a window again, on whatever machine, takes its task up.

They lie beside the artifacts and not among them: publish deletes artifacts that no window names, as a window that
failed does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from aegis_assets.engines.sandbox_files import read_untrusted
from aegis_assets.errors import AegisError
from aegis_assets.logs import logger
from aegis_assets.model.ids import fingerprint
from aegis_assets.pipeline.ports import Bucket

PREFIX: Final = "docling-serve"
BYTES: Final = 1000
LIFE: Final = timedelta(days=1)  # a server keeps a result for four hours at most by default
log = logger(__name__)


class TaskNote:
    """The note of one call. path: where its child reads and writes it."""

    def __init__(self, bucket: Bucket, artifacts: str, path: Path) -> None:
        self.path = path
        self._bucket = bucket
        self._key = f"{PREFIX}/{fingerprint(artifacts=artifacts)}.json"
        self._stored = b""

    @contextmanager
    def carried(self) -> Iterator[None]:
        """Bring an earlier call's note before the call, and leave this one's behind after it, if its task is not fetched."""
        if self._bucket.exists(self._key):
            self._stored = self._bucket.get(self._key)[:BYTES]
            self.path.write_bytes(self._stored)
        try:
            yield
        finally:
            self.save()
            self._sweep()

    def save(self) -> None:
        """Store what has changed. Called while the child works: this process may be killed, too.

        A bucket that is away does not end the conversion.
        """
        try:
            content = read_untrusted(self.path, BYTES)
        except OSError:
            content = b""
        if content == self._stored:
            return
        try:
            if content:
                self._bucket.put(self._key, content)
            else:
                self._bucket.delete(self._key)
            self._stored = content
        except AegisError as error:
            log.warning("task_note_not_stored", key=self._key, error=type(error).__name__)

    def _sweep(self) -> None:
        """Delete notes whose tasks no server knows any more, where this call leaves one behind: few calls do."""
        if self._stored:
            with suppress(AegisError):
                for key in list(self._bucket.keys(PREFIX, before=datetime.now(UTC) - LIFE)):
                    self._bucket.delete(key)
