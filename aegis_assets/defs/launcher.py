"""DefaultRunLauncher that notices a run worker killed under it.

Dagster's own launcher does not: such a run stays STARTED, and its slots taken, until its maximum runtime. Run monitoring asks this
one whether the worker's process, whose pid the run's first engine event carries, still runs. Worker and daemon share one machine
under this launcher, so a pid is enough; executors on other machines bring their own.
"""

from __future__ import annotations

from typing import Any

import psutil
from dagster import DagsterEventType, DagsterInstance, DagsterRun, DefaultRunLauncher
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus


class AegisRunLauncher(DefaultRunLauncher):
    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> AegisRunLauncher:
        return cls(inst_data=inst_data)

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        pid = worker_pid(self._instance, run.run_id)
        if pid is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "the worker has not said its pid yet")
        if is_running(pid):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, f"the run's worker process {pid} is gone")


def worker_pid(instance: DagsterInstance, run_id: str) -> int | None:
    for event in instance.all_logs(run_id, of_type=DagsterEventType.ENGINE_EVENT):
        dagster_event = event.dagster_event
        if dagster_event is None or not (dagster_event.message or "").startswith("Started process for run"):
            continue
        value = dagster_event.engine_event_data.metadata.get("pid")
        if value is not None:
            return int(str(value.value))
    return None


def is_running(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
