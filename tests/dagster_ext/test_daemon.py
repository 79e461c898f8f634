"""The daemon's command looks at sensors every second, and makes a fork server where runs are forked."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from aegis_assets.settings import ROOT

COMMAND = """
import sys
from multiprocessing import forkserver
from aegis_assets.dagster_ext import daemon
sys.argv = ["dagster-daemon", "--help"]  # Dagster's own command, which says what it can and ends
try:
    daemon.main()
except SystemExit:
    pass
import inspect
from dagster._daemon import sensor
waits = "MIN_INTERVAL_LOOP_TIME - loop_duration" in inspect.getsource(sensor.execute_sensor_iteration_loop)
print(sensor.MIN_INTERVAL_LOOP_TIME, waits, forkserver._forkserver._forkserver_pid is not None)
"""


@pytest.mark.parametrize(("folder", "forks"), [("", True), ("deploy/kubernetes", False)])
def test_the_daemon_command_hurries_sensors_and_makes_a_fork_server_where_runs_are_forked(
    tmp_path: Path, folder: str, forks: bool
) -> None:
    (tmp_path / "dagster").mkdir()
    shutil.copy(ROOT / folder / "dagster.yaml", tmp_path / "dagster")
    environment = {**os.environ, "AEGIS_HOME": str(tmp_path), "DAGSTER_HOME": str(tmp_path / "dagster")}
    done = subprocess.run(
        [sys.executable, "-c", COMMAND], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.splitlines()[-1:] == [f"1 True {forks}"], (
        "Dagster's loop over sensors has its interval elsewhere than in dagster._daemon.sensor.MIN_INTERVAL_LOOP_TIME, or"
        " dagster-daemon is no console script any more: see dagster_ext/daemon.py. " + done.stderr[-2000:]
    )
    assert "Usage:" in done.stdout, "Dagster's own command was reached"
