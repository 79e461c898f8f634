"""The parameters of every connection to PostgreSQL, whoever opens it: tests/architecture/test_postgres_options.py holds that.

A machine that vanished, or a network that drops every packet, is noticed within five seconds at both ends: here a call that waits
for an answer fails, and is repeated; at the server the locks of a session that is gone, which leases lean on, are free again.

Trade-off: a network that is gone for longer than that breaks connections that would have come back; all of ours are made anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

CONNECT_SECONDS: Final = 5  # PostgreSQL behind a dead address
# 2 s idle, then 3 probes of 1 s; and no longer than that for data that nobody confirms.
IDLE_SECONDS: Final = 2
PROBE_SECONDS: Final = 1
PROBES: Final = 3
UNCONFIRMED_MS: Final = 5000


def connection_options(name: str, given: Mapping[str, Any] | None = None, **session: object) -> dict[str, Any]:
    """Return parameters of libpq, as psycopg, psycopg2 and Django take them.

    name: as pg_stat_activity shows it. given: parameters of an address, which go before ours. session: settings of the session.
    """
    there = {
        "tcp_keepalives_idle": IDLE_SECONDS,
        "tcp_keepalives_interval": PROBE_SECONDS,
        "tcp_keepalives_count": PROBES,
        "tcp_user_timeout": UNCONFIRMED_MS,
    }
    options = [f"-c {setting}={value}" for setting, value in {**there, **session}.items()]
    return {
        "connect_timeout": CONNECT_SECONDS,
        "keepalives_idle": IDLE_SECONDS,
        "keepalives_interval": PROBE_SECONDS,
        "keepalives_count": PROBES,
        "tcp_user_timeout": UNCONFIRMED_MS,
        "application_name": name,
        **(given or {}),
        "options": " ".join(filter(None, (*options, (given or {}).get("options")))),
    }
