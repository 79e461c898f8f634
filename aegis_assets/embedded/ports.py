"""Ports that the stack needs -> for each that is taken, one line that says by whom and which setting changes it."""

from __future__ import annotations

import errno
import shlex
import socket
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class Port:
    """setting: the environment variable that changes it. part: who wants it."""

    part: str
    setting: str
    number: int
    host: str = "127.0.0.1"


def complaints(wanted: Iterable[Port]) -> list[str]:
    """One sentence per port that cannot be had. Two parts with one port count too."""
    found: list[str] = []
    by_number: dict[int, Port] = {}
    for port in wanted:
        if other := by_number.get(port.number):
            found.append(f"{port.part} and {other.part} both want port {port.number}: change {port.setting} or {other.setting}.")
        elif (trouble := _trouble(port)) is not None:
            found.append(f"Port {port.number}, wanted by {port.part}, {trouble}: set {port.setting} to another one.")
        by_number[port.number] = port
    return found


def _trouble(port: Port) -> str | None:
    """Found by binding, as the part itself will; the table of connections only names the owner."""
    try:
        with socket.socket() as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a closed server's last connections do not count
            one.bind((port.host, port.number))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return f"is taken by {owner(port.number)}"
        return f"cannot be bound on {port.host} ({error.strerror})"
    return None


def owner(number: int) -> str:
    """pid and command of who listens there, as far as this account may know."""
    with suppress(psutil.Error):
        for connection in psutil.net_connections(kind="tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == number and connection.pid:
                process = psutil.Process(connection.pid)
                return f"process {process.pid} ({shlex.join(process.cmdline())[:120] or process.name()})"
    return "a process of another user"
