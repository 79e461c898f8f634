"""`python -m aegis_assets.dagster_ext.daemon run ...`: Dagster's daemon, with two things of our own.

The process that run workers are forked from is made at once: made by the first run, it would let that one wait for its imports.
In a cluster, where runs are pods, none is made. And sensors are looked at every second, where Dagster's five would be most of a
small file's way.
"""

from importlib import import_module
from importlib.metadata import entry_points
from multiprocessing import forkserver

import yaml
from dagster._daemon import sensor

from aegis_assets.dagster_ext.launcher import ForkingRunLauncher
from aegis_assets.settings import settings

SENSOR_SECONDS = 1


def start_fork_server() -> None:
    """Start it where dagster.yaml names a launcher of ours: of one for pods no object can be made outside its cluster."""
    named = yaml.safe_load((settings().home / "dagster" / "dagster.yaml").read_text()).get("run_launcher", {})
    launcher = getattr(import_module(named["module"]), named["class"]) if named else None
    if isinstance(launcher, type) and issubclass(launcher, ForkingRunLauncher):
        launcher.fork_context()
        forkserver.ensure_running()


def main() -> None:
    start_fork_server()
    assert hasattr(sensor, "MIN_INTERVAL_LOOP_TIME"), "the sensors' loop has its interval elsewhere now"
    sensor.MIN_INTERVAL_LOOP_TIME = SENSOR_SECONDS
    (daemon,) = entry_points(group="console_scripts", name="dagster-daemon")
    daemon.load()()


if __name__ == "__main__":
    main()
