"""Which parser the settings choose, and its fingerprint: all that decides what comes out of a parse."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib import metadata, util
from threading import Lock
from typing import Final

from aegis_assets.engines.parsing.docling_serve.options import ServeOptions
from aegis_assets.engines.parsing.docling_serve.server import Server
from aegis_assets.errors import AegisError, Misconfigured
from aegis_assets.model.ids import fingerprint
from aegis_assets.settings import Settings

VERSION: Final = 2  # of our own part of parsing: raise it when a window's items change, and every document is parsed anew
SERVED_VERSION: Final = 1  # of our own part where docling-serve parses
PACKAGES: Final = ("docling-slim", "docling-core", "docling-parse", "pypdfium2", "rapidocr")
KNOWN_SECONDS: Final = 60.0  # for which a server's version is believed
FAILED_SECONDS: Final = 5.0  # for which a server is not asked again: every client asks what the engine server is


def chosen_parser(chosen: Settings) -> str:
    """Return what 'auto' means here: docling's own models only where they were installed and a GPU runs them."""
    if chosen.parser == "docling-serve" and not chosen.docling_serve_url:
        raise Misconfigured("AEGIS_PARSER is 'docling-serve' and AEGIS_DOCLING_SERVE_URL is empty: set it, or AEGIS_PARSER=auto.")
    if chosen.parser != "auto":
        return chosen.parser
    if chosen.docling_serve_url:
        return "docling-serve"
    on_gpu = chosen.embedder_device.startswith("cuda") and util.find_spec("torchvision") is not None
    return "docling" if on_gpu else "rules"


def package_version(name: str) -> str:
    """Return the version of an installed package, '' where it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


class ParserFingerprint:
    """The parser's fingerprint as it is now. A docling-serve may be exchanged while this process runs; where it stands does not
    count. Thread-safe."""

    def __init__(self, chosen: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        """Raises Misconfigured where the settings contradict each other."""
        self._chosen = chosen
        self._parser = chosen_parser(chosen)
        self._clock = clock
        self._lock = Lock()
        self._known: dict[str, str] | AegisError | None = None
        self._until = 0.0

    def current(self) -> str:
        """Raises EngineUnavailable, EngineFailed or Misconfigured where a docling-serve parses and does not name its version."""
        parts: dict[str, object] = {
            "parser": self._parser,
            "serve": "",  # was an address: without this, what was parsed before would count as missing work
            "packages": [(name, package_version(name)) for name in PACKAGES],
            "pictures": self._chosen.picture_min_pixels,
            "version": VERSION,
        }
        if self._parser == "docling-serve":
            parts["served"] = SERVED_VERSION
            parts["versions"] = self.versions()
            parts["options"] = ServeOptions.from_settings(self._chosen).decisive()
        return fingerprint(**parts)

    def versions(self) -> dict[str, str]:
        """Return what the docling-serve is, asked at most once a minute."""
        with self._lock:
            if self._known is None or self._clock() >= self._until:
                self._known, seconds = self._ask()
                self._until = self._clock() + seconds
            if isinstance(self._known, AegisError):
                raise self._known
            return self._known

    def _ask(self) -> tuple[dict[str, str] | AegisError, float]:
        try:
            return Server.from_settings(self._chosen).versions(), KNOWN_SECONDS
        except AegisError as error:
            return error, FAILED_SECONDS
