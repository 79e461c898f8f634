"""`python -m aegis_assets.defs.daemon run ...`: Dagster's daemon, with three things of our own.

The process that run workers are forked from is made at once: made by the first run, it would let that one wait for its imports.
In a cluster, where runs are pods, none is made. The queue is told of its runs, and keeps to the console's number of them. And
sensors are looked at every second, where Dagster's five would be most of a small file's way.
"""

from multiprocessing import forkserver

from dagster._core.instance import InstanceRef

from aegis_assets.defs.launcher import AegisRunLauncher, fork_context
from aegis_assets.settings import settings

QUEUE = "QueuedRunCoordinatorDaemon"
SENSORS = "MIN_INTERVAL_LOOP_TIME"
SENSOR_SECONDS = 1


def forks_workers() -> bool:
    """By dagster.yaml: of a launcher for pods no object can be made outside its cluster."""
    launcher = InstanceRef.from_dir(str(settings().home / "dagster")).run_launcher_data
    return launcher is not None and launcher.class_name == AegisRunLauncher.__name__


def main() -> None:
    if forks_workers():
        fork_context()
        forkserver.ensure_running()
    from dagster._daemon import controller, sensor
    from dagster._daemon.cli import main as daemon

    from aegis_assets.defs.coordinator import PromptQueueDaemon

    assert hasattr(controller, QUEUE), "the controller makes its daemons of other classes now: look again how to choose one"
    setattr(controller, QUEUE, PromptQueueDaemon)
    assert hasattr(sensor, SENSORS), "the sensors' loop has its interval elsewhere now"
    setattr(sensor, SENSORS, SENSOR_SECONDS)
    daemon()


if __name__ == "__main__":
    main()
