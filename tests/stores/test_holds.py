"""Who is doing a named piece of work: one at a time, and nobody once the process is gone."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg

from aegis_assets.settings import ROOT
from aegis_assets.stores.holds import Holds
from tests.waiting import until

OURS = "FROM pg_stat_activity WHERE application_name = 'aegis holds' AND datname = current_database()"  # tests run side by side
HOLDER = """
import sys, time
from aegis_assets.stores.holds import Holds
with Holds(sys.argv[1]).hold("step") as mine:
    print(mine, flush=True)
    time.sleep(600)
"""


def test_a_piece_of_work_is_held_once_and_free_when_its_holder_is_killed(ledger_url: str) -> None:
    holds = Holds(ledger_url)
    assert holds.held(["step", "other"]) == set()
    with subprocess.Popen([sys.executable, "-c", HOLDER, ledger_url], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "True"
        assert holds.held(["step", "other"]) == {"step"}
        with holds.hold("step") as mine, holds.hold("other") as another:
            assert (mine, another) == (False, True)
            assert holds.held(["step", "other"]) == {"step", "other"}
        process.kill()
    deadline = time.monotonic() + 30
    while holds.held(["step"]) and time.monotonic() < deadline:
        time.sleep(0.02)
    with holds.hold("step") as mine:
        assert mine
    assert holds.held(["step"]) == set()


def test_a_hold_is_taken_again_also_where_the_server_gives_it_up_late(ledger_url: str) -> None:
    """Another session has it for a while, as the holder's own old one has where only the client's side of its connection broke."""
    holds, name = Holds(ledger_url), {"name": "step"}
    with holds.hold("step"), psycopg.connect(ledger_url, autocommit=True) as connection, ThreadPoolExecutor(1) as other:
        with psycopg.connect(ledger_url, autocommit=True, application_name="the old session") as late:
            taking = other.submit(late.execute, "SELECT pg_advisory_lock(hashtextextended(%(name)s, 3))", name)
            waits = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'the old session' AND wait_event_type = 'Lock'"
            until(lambda: connection.execute(waits).fetchone() == (1,), 30)
            connection.execute(f"SELECT pg_terminate_backend(pid) {OURS}")
            taking.result(30)
            until(lambda: connection.execute(f"SELECT count(*) {OURS}").fetchone() == (1,), 30)
            time.sleep(2.5)  # looks that find it taken
        until(lambda: holds.held(["step"]) == {"step"}, 30)


def test_what_is_held_is_held_again_after_postgresql_cut_the_connection(ledger_url: str) -> None:
    holds = Holds(ledger_url)
    with holds.hold("step"), psycopg.connect(ledger_url, autocommit=True) as connection:
        assert connection.execute(f"SELECT count(pg_terminate_backend(pid)) {OURS}").fetchone() == (1,)
        deadline = time.monotonic() + 30
        while not holds.held(["step"]) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert holds.held(["step"])
    deadline = time.monotonic() + 30
    while holds.held(["step"]) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not holds.held(["step"])
