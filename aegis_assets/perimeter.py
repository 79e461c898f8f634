"""Settings -> whether the admin is open to other machines, and whether what it then sends is protected."""

from __future__ import annotations

from ipaddress import ip_address

from aegis_assets.errors import Misconfigured
from aegis_assets.settings import Settings


def require_protected_admin(chosen: Settings) -> None:
    """Raise Misconfigured where passwords would go over a network as they are, and nobody has said that they may."""
    if bool(chosen.tls_cert) != bool(chosen.tls_key):
        raise Misconfigured(
            "AEGIS_TLS_CERT and AEGIS_TLS_KEY go together: a certificate with its chain, and its key, as PEM files."
        )
    protected = chosen.tls_cert or chosen.trusted_proxies.strip() or chosen.plain_http
    if not protected and not is_loopback(chosen.listen):
        raise Misconfigured(
            "AEGIS_LISTEN opens the admin to other machines, and passwords would go there as they are: set AEGIS_TLS_CERT and"
            " AEGIS_TLS_KEY, or name the proxy with https in front in AEGIS_TRUSTED_PROXIES, or set AEGIS_PLAIN_HTTP=true."
        )


def is_loopback(host: str) -> bool:
    """Return whether a host, by name or address, is this machine alone."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
