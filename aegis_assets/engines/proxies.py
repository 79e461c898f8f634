"""An engine's address -> whether requests to it may go through the proxy that the environment names.

Documents go to engines, and a proxy is somebody else's machine: an engine on this machine or in a private network is spoken to
directly, whatever HTTP_PROXY says and NO_PROXY forgets. What has a public name is reached as everything else here is.
"""

from __future__ import annotations

import ipaddress
from typing import Final
from urllib.parse import urlsplit

PRIVATE_ENDINGS: Final = (".local", ".lan", ".internal", ".home.arpa", ".localhost")


def may_use_proxy(url: str) -> bool:
    """url: with or without a scheme."""
    host = (urlsplit(url if "//" in url else f"//{url}").hostname or "").rstrip(".")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "." in host and not host.endswith(PRIVATE_ENDINGS)
    return not (address.is_loopback or address.is_private or address.is_link_local or address.is_unspecified)
