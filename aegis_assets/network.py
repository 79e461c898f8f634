"""Which servers are near, and how a connection to any of them is secured.

Documents go to engines and stores, and a proxy is somebody else's machine: a server on this machine or in a private network is
spoken to directly, whatever HTTP_PROXY says and NO_PROXY forgets, and it alone may be spoken to without https.

Design note: a name of two words (minio.minio, a service and its namespace in a cluster) looks like a public one (gpu.example), and
asking the DNS would make the answer depend on whoever answers it. So such names are near only where AEGIS_NEAR_HOSTS says so;
minio.minio.svc and minio.minio.svc.cluster.local always are, for nobody can register those endings.
"""

from __future__ import annotations

import ipaddress
import ssl
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx

from aegis_assets.errors import Misconfigured
from aegis_assets.settings import settings

PRIVATE_ENDINGS: Final = (".local", ".lan", ".internal", ".home.arpa", ".localhost", ".svc")


def is_near(url: str) -> bool:
    """Return whether the server at this address is on this machine, in a private network, or named by AEGIS_NEAR_HOSTS.

    url: with or without a scheme.
    """
    host = (urlsplit(url if "//" in url else f"//{url}").hostname or "").rstrip(".")
    return is_near_host(host, settings().near_hosts)


def is_near_host(host: str, near_hosts: str) -> bool:
    """Return whether a host is near. near_hosts: names, endings of names ("ollama" for ollama.ollama) and networks, by commas."""
    entries = [entry for word in near_hosts.split(",") if (entry := word.strip().lower().strip("."))]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        named = any(host == entry or host.endswith(f".{entry}") for entry in entries)
        return named or "." not in host or host.endswith(PRIVATE_ENDINGS)
    if address.is_loopback or address.is_private or address.is_link_local or address.is_unspecified:
        return True
    return any(address in network for entry in entries if (network := _network(entry)) is not None)


def _network(entry: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return None


def may_use_proxy(url: str) -> bool:
    """Return whether requests to this address may go through the proxy that the environment names."""
    return not is_near(url)


def tls_context(ca_file: str) -> ssl.SSLContext:
    """Return a client's TLS context that trusts the usual authorities and those in `ca_file` (AEGIS_CA_FILE; empty: none more).

    It takes 20 ms: make one per client, not one per request. Raises Misconfigured if the file is no PEM file with certificates.
    """
    context = httpx.create_ssl_context()
    if ca_file:
        try:
            context.load_verify_locations(cafile=str(Path(ca_file)))
        except (OSError, ValueError, ssl.SSLError) as error:
            raise Misconfigured("AEGIS_CA_FILE cannot be read as a PEM file of certificates: correct its path.") from error
    return context
