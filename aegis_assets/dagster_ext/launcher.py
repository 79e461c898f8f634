"""A run's worker: forked from a process that has everything imported, and watched by pid.

Dagster's default launcher has the code server spawn each worker anew, which imports for 3 s, and does not notice a killed one: such
a run stays STARTED, and its slots taken, until its maximum runtime. Worker and daemon share one machine under this launcher, so a
pid is enough; the executors for several machines send steps away, not runs. Dagster's page, which asks a run to stop, may be in
another container, where that pid is nobody's or somebody else's: so a worker also says its host, and looks itself whether it is to
stop.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import socket
import sys
import threading
import traceback
from contextlib import suppress
from multiprocessing.context import ForkServerContext
from typing import Any, Final, NamedTuple

import dagster as dg
import psutil
from dagster._cli.api import _execute_run_command_body
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._utils.interrupts import capture_interrupts

from aegis_assets.dagster_ext.output import written_down
from aegis_assets.errors import Internal
from aegis_assets.settings import settings

STARTED: Final = "Started process for run (pid: {pid}) on {host}."
PLACE: Final = re.compile(r"Started process for run \(pid: (\d+)\)(?: on (.+))?\.")  # earlier releases said no host here
LAUNCH_SECONDS: Final = 60.0  # of forking a worker, which takes milliseconds
CANCEL_SECONDS: Final = 5.0  # between two looks of a worker at whether its run is to stop
CLOCK_SECONDS: Final = 5.0  # a pid whose process is younger than the event that names it by more than this is another's


class WorkerPlace(NamedTuple):
    """The place of a run's worker, and the time at which it reported that."""

    pid: int
    host: str
    when: float


class ForkingRunLauncher(dg.DefaultRunLauncher):
    """Its workers are nobody's children: they outlive the daemon that launched them, and the next one watches them all the same."""

    preloaded: tuple[str, ...] = ()  # modules that the process which workers are forked from imports

    @property
    def instance(self) -> dg.DagsterInstance:
        return self._instance

    @classmethod
    def fork_context(cls) -> ForkServerContext:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(list(cls.preloaded))
        return context

    def launch_run(self, context: Any) -> None:
        arguments = (context.dagster_run.run_id, self.instance.get_ref())
        launcher = self.fork_context().Process(target=launch, args=arguments)
        launcher.start()
        launcher.join(LAUNCH_SECONDS)
        if launcher.exitcode != 0:
            launcher.kill()
            raise Internal("The run's worker process could not be started.")

    def terminate(self, run_id: str) -> bool:
        run = self.instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        self.instance.report_run_canceling(run)
        place = reported_place(self.instance, run_id)
        if place is not None and place.host != socket.gethostname():
            return True  # it looks itself: `stop_when_canceling`
        worker = worker_of(self.instance, run_id)
        if worker is None:
            return False
        with suppress(psutil.NoSuchProcess):
            worker.send_signal(signal.SIGINT)
        return True

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        if reported_place(self.instance, run.run_id) is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "the worker has not said its pid yet")
        if worker_of(self.instance, run.run_id) is not None:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, "the run's worker process is gone")


def launch(run_id: str, instance_ref: Any) -> None:
    """In a child of the daemon, for which the daemon would wait at its end: so the worker is a child of that child, which ends."""
    if os.fork() == 0:
        try:
            os.setsid()
            execute_run(run_id, instance_ref)
        except BaseException:  # noqa: BLE001  the end of a process: whoever looks for the reason finds it in the run's output
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(0)  # threads may still wait for an engine; the ledger refuses what they would write


def execute_run(run_id: str, instance_ref: Any) -> None:
    """Execute the run as `dagster api execute_run` does. Its output goes into files of its own: the daemon's pipe ends with it."""
    with dg.DagsterInstance.from_ref(instance_ref) as instance, written_down(instance, run_id), capture_interrupts():
        run = instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return
        instance.report_engine_event(STARTED.format(pid=os.getpid(), host=socket.gethostname()), run)
        if settings().dagster_url:
            threading.Thread(target=stop_when_canceling, args=(instance, run_id), daemon=True).start()
        _execute_run_command_body(run_id, instance, write_stream_fn=lambda _: None, set_exit_code_on_failure=False)


def stop_when_canceling(instance: dg.DagsterInstance, run_id: str) -> None:
    """Interrupt this process once its run is to stop, as a signal from Dagster's page would. Costs a query every five seconds."""
    over = threading.Event()
    while not over.wait(CANCEL_SECONDS):
        with suppress(Exception):  # the database is away: the next look may find it
            run = instance.get_run_by_id(run_id)
            if run is None or run.is_finished:
                return
            if run.status == dg.DagsterRunStatus.CANCELING:
                os.kill(os.getpid(), signal.SIGINT)
                return


def worker_of(instance: dg.DagsterInstance, run_id: str) -> psutil.Process | None:
    """Return the worker's process; None when it is gone, even where its pid is another's by now."""
    place = reported_place(instance, run_id)
    if place is None or place.host != socket.gethostname():
        return None
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(place.pid)
        if process.status() != psutil.STATUS_ZOMBIE and process.create_time() <= place.when + CLOCK_SECONDS:
            return process
    return None


def reported_place(instance: dg.DagsterInstance, run_id: str) -> WorkerPlace | None:
    """Return what the worker has reported of itself, None before it has."""
    for event in instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
        if found := PLACE.fullmatch(event.message):
            return WorkerPlace(int(found[1]), found[2] or socket.gethostname(), event.timestamp)
    return None
