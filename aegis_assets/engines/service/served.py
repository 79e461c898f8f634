"""Calls that a docling-serve does: in a child that knows the server's key, outlives the request's limit, and remembers its task."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import Final

from aegis_assets.engines.parsing.docling_serve.options import ServeOptions
from aegis_assets.engines.parsing.docling_serve.server import Server
from aegis_assets.engines.sandbox import Limits, Outcome, Sandbox
from aegis_assets.engines.sandbox_files import read_untrusted
from aegis_assets.engines.service.tasks import BYTES, TaskNote
from aegis_assets.pipeline.ports import Bucket
from aegis_assets.settings import Settings

JOBS: Final = "aegis_assets.engines.service.jobs"
GRACE: Final = 60.0  # seconds for what is not waiting: cutting, sending, reading the answer
CHECK_SECONDS: Final = 30.0
CHECK_PATIENCE: Final = 1.0  # somebody waits
CHECKED_SECONDS: Final = 60.0  # the dashboard asks every 15 s while somebody looks at it


class Served:
    """Thread-safe."""

    def __init__(self, chosen: Settings, bucket: Bucket, sandbox: Sandbox) -> None:
        self._chosen = chosen
        self._bucket = bucket
        self._sandbox = sandbox
        self._checked: tuple[float, str] | None = None
        self._trial = b""  # the note of a check that was given up: a server that hangs must not get one more page with each check

    def run(self, job: str, payload: Mapping[str, object], folder: Path, subject: str, cancelled: Event, artifacts: str) -> Outcome:
        """artifacts: names the work; whoever does the same work again finds the task of an attempt before."""
        # Were the child's limit the request's own, a slow server would look like a document that can never be parsed.
        limits = Limits(self._chosen.parse_timeout + GRACE, self._chosen.parse_memory_mb)
        note = TaskNote(self._bucket, artifacts, folder / "task.json")
        serve = self._serve(note.path, self._chosen.parse_timeout, self._chosen.outage_seconds, "AEGIS_PARSE_TIMEOUT")
        with note.carried(), self._sandbox.child() as child:
            child.observe = note.save
            return child.call(f"{JOBS}:{job}", {**payload, "serve": serve}, folder, limits, subject, cancelled)

    def check(self, folder: Path, cancelled: Event) -> str:
        """Convert one page. Return the server's version and the seconds it took. A good result is believed for a minute."""
        if self._checked is not None and time.monotonic() < self._checked[0]:
            return self._checked[1]
        versions = Server.from_settings(self._chosen).versions()
        limits = Limits(CHECK_SECONDS + GRACE, self._chosen.parse_memory_mb, seconds_setting="a fixed limit")
        note = folder / "task.json"
        note.write_bytes(self._trial)
        payload = {"serve": self._serve(note, CHECK_SECONDS, CHECK_PATIENCE, limits.seconds_setting)}
        try:
            outcome = self._sandbox.run(f"{JOBS}:check", payload, folder, limits, "Converting a page by docling-serve", cancelled)
        finally:
            with suppress(OSError):
                self._trial = read_untrusted(note, BYTES) if note.exists() else b""
        seconds = float(outcome.result["seconds"])
        text = f"{versions['docling-serve']}, docling {versions.get('docling', '?')}, one page in {seconds:.1f} s"
        self._checked = (time.monotonic() + CHECKED_SECONDS, text)
        return text

    def _serve(self, note: Path, seconds: float, patience: float, setting: str) -> dict[str, object]:
        server = Server.from_settings(self._chosen)
        return {
            "server": {"url": server.url, "api_key": server.api_key, "ca_file": server.ca_file},
            "options": ServeOptions.from_settings(self._chosen).model_dump(mode="json"),
            "seconds": seconds,
            "note": str(note),
            "patience": patience,
            "setting": setting,
        }
