"""Keep what a run's process prints in files that Dagster's page shows, and that are deleted with the run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.storage.compute_log_manager import CapturedLogContext
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager

from aegis_assets.settings import settings


class RunOutput(LocalComputeLogManager):
    """The output of a run's process, which all its steps share, for they are threads of it.

    Dagster's own manager mirrors the output by two child processes a step, which cost 60 ms of CPU, and cannot tell threads apart.
    Steps that workers on other machines execute print into the output of these workers.
    """

    @classmethod
    def config_type(cls) -> Any:
        return {"base_dir": dg.Field(str, is_required=False)}

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> RunOutput:
        return cls(config_value.get("base_dir") or str(settings().home / "dagster" / "storage"), inst_data=inst_data)

    def build_log_key_for_run(self, run_id: str, step_key: str) -> Sequence[str]:
        return [run_id, "compute_logs", "run"]

    @contextmanager
    def capture_logs(self, log_key: Sequence[str]) -> Iterator[CapturedLogContext]:
        yield CapturedLogContext(log_key)


@contextmanager
def written_down(instance: dg.DagsterInstance, run_id: str) -> Iterator[None]:
    """Let what this process prints go into its run's files, if the instance keeps such. Says at the end that they are complete."""
    manager = instance.compute_log_manager
    if not isinstance(manager, RunOutput):
        yield
        return
    key = manager.build_log_key_for_run(run_id, "")
    for descriptor, extension in ((1, "out"), (2, "err")):
        path = Path(manager.get_captured_local_path(key, extension))
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            os.dup2(file.fileno(), descriptor)
    try:
        yield
    finally:
        Path(manager.get_captured_local_path(key, "complete")).touch()


def captured(job_context: Any, steps: Sequence[str]) -> dg.DagsterEvent:
    """Return the event by which Dagster's page finds the output of these steps."""
    key = job_context.instance.compute_log_manager.build_log_key_for_run(job_context.run_id, "run")
    event: dg.DagsterEvent = dg.DagsterEvent.capture_logs(job_context, steps, key, CapturedLogContext(key))
    return event
