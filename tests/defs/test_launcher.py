"""A run's worker that cannot begin says why."""

from __future__ import annotations

from multiprocessing import get_context
from pathlib import Path

import dagster as dg
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin

from aegis_assets.defs.launcher import launch
from tests.waiting import until


@dg.job
def nothing() -> None:
    """Only its name is asked for."""


def test_the_reason_is_in_the_runs_log_where_the_code_cannot_be_imported(tmp_path: Path) -> None:
    log = tmp_path / "runs.log"
    pointer = ModuleCodePointer("no_such_module", "defs", str(tmp_path))
    origin = JobPythonOrigin("ingest", RepositoryPythonOrigin("python", pointer))
    with dg.DagsterInstance.local_temp(str(tmp_path), {"telemetry": {"enabled": False}}) as instance:
        run = instance.create_run_for_job(nothing)
        daemon = get_context("spawn").Process(target=launch, args=(run.run_id, instance.get_ref(), origin, log))
        daemon.start()
        daemon.join(60)
    until(lambda: log.exists() and "no_such_module" in log.read_text(), 30)
