"""The parts of the stack -> supervisord's configuration.

Nothing secret stands in it: parts inherit their environment, without the secrets that they do not need. Nothing starts by itself:
`stack` starts parts in their order.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable
from pathlib import Path

from aegis_assets.embedded.part_secrets import scrubbed
from aegis_assets.embedded.parts import Part
from aegis_assets.errors import Misconfigured

# A part that ends within its first seconds counts as a failed start: three more are tried after 1, 2 and 3 s, then it is FATAL.
# One that ends later is started again at once.
FIRST_SECONDS = 5
RETRIES = 3
LOG_BYTES = "10MB"
LOG_BACKUPS = 3


def configuration(parts: Iterable[Part], run: Path, logs: Path, socket: Path) -> str:
    """run, logs: relative to supervisord's own directory, for it expands a log's path twice and would stumble over a '%' in it."""
    sections = [
        _section(
            "supervisord",
            logfile=logs / "supervisord.log",
            logfile_maxbytes=LOG_BYTES,
            logfile_backups=LOG_BACKUPS,
            pidfile=run / "supervisord.pid",
            childlogdir=logs,
            nodaemon="true",
            silent="true",
            umask="077",
            **({"user": "root"} if os.geteuid() == 0 else {}),  # said aloud, or it warns that it runs as root
        ),
        _section("unix_http_server", file=socket, chmod="0600"),
        _section(
            "rpcinterface:supervisor", **{"supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"}
        ),
    ]
    sections += [_program(part, priority, logs) for priority, part in enumerate(parts, start=1)]
    return "\n".join(sections)


def _program(part: Part, priority: int, logs: Path) -> str:
    """priority: parts are stopped in the reverse order, so that the ledger outlives who writes into it."""
    return _section(
        f"program:{part.name}",
        command=shlex.join(scrubbed(part)),
        directory=part.directory,
        priority=priority,
        autostart="false",
        autorestart="true",
        startsecs=FIRST_SECONDS,
        startretries=RETRIES,
        stopsignal=part.stop_signal,
        stopwaitsecs=part.stop_seconds,
        stopasgroup="true" if part.stop_group else "false",
        killasgroup="true",
        redirect_stderr="true",
        stdout_logfile=logs / f"{part.name}.log",
        stdout_logfile_maxbytes=LOG_BYTES,
        stdout_logfile_backups=LOG_BACKUPS,
    )


def _section(name: str, **values: object) -> str:
    return f"[{name}]\n" + "".join(f"{key}={_value(str(value))}\n" for key, value in values.items())


def _value(text: str) -> str:
    """supervisord expands '%' and takes ' ;' and ' #' for the beginning of a comment, for which it has no escape."""
    if any(mark in text for mark in (" ;", " #", "\n", "\t;", "\t#")):
        raise Misconfigured(f"AEGIS_HOME or the project lies under a path that supervisord cannot take: {text!r}.")
    return text.replace("%", "%%")
