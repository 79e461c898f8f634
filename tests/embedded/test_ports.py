from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from aegis_assets.embedded.ports import Port, complaints


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        yield int(one.getsockname()[1])


def test_a_taken_port_is_reported_with_its_owner_and_the_setting_to_change(taken: int) -> None:
    (line,) = complaints([Port("the admin", "AEGIS_ADMIN_PORT", taken)])
    assert f"Port {taken}, wanted by the admin" in line
    assert f"process {os.getpid()} (" in line
    assert "set AEGIS_ADMIN_PORT to another one" in line


def test_two_parts_that_want_one_port_are_both_named(taken: int) -> None:
    lines = complaints([Port("the admin", "AEGIS_ADMIN_PORT", 1), Port("Dagster's page", "AEGIS_DAGSTER_PORT", 1)])
    assert any("the admin" in line and "AEGIS_ADMIN_PORT or" not in line and "AEGIS_DAGSTER_PORT" in line for line in lines)


def test_a_free_port_is_not_complained_about(taken: int) -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        free = int(one.getsockname()[1])
    assert complaints([Port("the admin", "AEGIS_ADMIN_PORT", free)]) == []


def test_an_address_that_is_not_this_machine_s_is_reported_without_an_owner() -> None:
    (line,) = complaints([Port("the admin", "AEGIS_ADMIN_PORT", 8000, "192.0.2.1")])
    assert "cannot be bound on 192.0.2.1" in line
