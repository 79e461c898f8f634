"""Where a docling-serve is, how a connection to it is secured, and which version it has. Imports nothing of docling."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import httpx

from aegis_assets.engines.parsing.docling_serve.faults import refusal, unreachable
from aegis_assets.errors import EngineFailed, Misconfigured
from aegis_assets.network import may_use_proxy, tls_context
from aegis_assets.settings import Settings

CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 60.0
VERSION_SECONDS: Final = 10.0
# What decides a conversion's result, of what /version names. Its Python and platform do not.
PARTS: Final = ("docling-serve", "docling-jobkit", "docling", "docling-core", "docling-ibm-models", "docling-parse")
HIDDEN: Final = "hidden"  # a server with DOCLING_SERVE_SHOW_VERSION_INFO=false
_LONGEST: Final = 64


@dataclass(frozen=True)
class Server:
    """Raises Misconfigured, naming the setting, where no request could be sent. ca_file: see `network.tls_context`.
    answer_seconds: for an answer of the server itself, which converts other documents beside it."""

    url: str
    api_key: str = field(default="", repr=False)
    ca_file: str = ""
    answer_seconds: float = ANSWER_SECONDS

    def __post_init__(self) -> None:
        _check_url(self.url)
        _check_key(self.api_key)

    @classmethod
    def from_settings(cls, chosen: Settings) -> Server:
        return cls(chosen.docling_serve_url, chosen.docling_serve_api_key.get_secret_value(), chosen.ca_file)

    @property
    def shown(self) -> str:
        """The address as sentences name it."""
        return without_password(self.url)

    def open(self) -> httpx.Client:
        """Return a client of this server. No redirect is followed: it would carry the key to another address."""
        # Without TLS an empty context does: loading the authorities takes 20 ms.
        tls = tls_context(self.ca_file) if urlsplit(self.url).scheme == "https" else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        return httpx.Client(
            base_url=self.url.rstrip("/"),
            headers={"X-Api-Key": self.api_key} if self.api_key else {},
            timeout=httpx.Timeout(self.answer_seconds, connect=CONNECT_SECONDS),
            trust_env=may_use_proxy(self.url),
            verify=tls,
        )

    def versions(self) -> dict[str, str]:
        """Return the versions of the server's packages that decide its results, by name. Raises AegisError."""
        try:
            with self.open() as client:
                answer = client.get("/version", timeout=httpx.Timeout(VERSION_SECONDS, connect=CONNECT_SECONDS))
        except httpx.HTTPError as error:
            raise unreachable(error, self.shown) from error
        if answer.status_code == httpx.codes.FORBIDDEN and b"version details" in answer.content[:1000]:
            return {PARTS[0]: HIDDEN}
        if answer.status_code != httpx.codes.OK:
            raise refusal(answer, answer.content, self.shown)
        return _known(answer, self.shown)


def without_password(url: str) -> str:
    """Return an address that may be shown, also of one that is none."""
    scheme, mark, rest = url.partition("//")
    host, slash, path = rest.partition("/")
    return f"{scheme}{mark}{host.rpartition('@')[2]}{slash}{path}".rstrip("/")


def _known(answer: httpx.Response, shown: str) -> dict[str, str]:
    try:
        table = answer.json()
    except (ValueError, RecursionError):
        table = None
    if not isinstance(table, dict) or not isinstance(table.get(PARTS[0]), str):
        raise EngineFailed(
            f"What answers at {shown} is no docling-serve: it does not name its version. Check AEGIS_DOCLING_SERVE_URL."
        )
    return {name: str(table[name])[:_LONGEST] for name in PARTS if name in table}


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or any(letter.isspace() or not letter.isprintable() for letter in url):
        raise Misconfigured("AEGIS_DOCLING_SERVE_URL is no complete address: write it with its scheme, as http://host:5001.")


def _check_key(key: str) -> None:
    if key != key.strip() or not key.isprintable():
        raise Misconfigured(
            "AEGIS_DOCLING_SERVE_API_KEY begins or ends with a blank or holds a line break, which no header can carry: remove it."
        )
    if not key.isascii():
        raise Misconfigured(
            "AEGIS_DOCLING_SERVE_API_KEY holds a letter that is not ASCII, which no header can carry: choose a key without it."
        )
