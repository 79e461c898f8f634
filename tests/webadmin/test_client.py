"""The client against Dagster's real webserver, with definitions of the platform's shape and no daemon: runs stay in the queue."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from aegis_assets.errors import EngineFailed, EngineUnavailable, NotFound
from aegis_assets.model.launch import PARTITION_TAG
from tests.services import free_ports
from webadmin.orchestrator.client import INGEST, RANGE_END_TAG, RANGE_START_TAG, DagsterClient, RunStatus

DEFINITIONS = """
import dagster as dg

documents = dg.DynamicPartitionsDefinition(name="documents")


@dg.asset(partitions_def=documents, backfill_policy=dg.BackfillPolicy.single_run())
def parsed_document() -> None: ...


@dg.configured(dg.in_process_executor, config_schema={"mode": dg.Field(str, is_required=False)})
def executor(config):
    return {}


@dg.op(config_schema={"documents": [str]})
def remove_documents(context) -> None: ...


@dg.job
def remove() -> None:
    remove_documents()


defs = dg.Definitions(
    assets=[parsed_document],
    jobs=[dg.define_asset_job("ingest", partitions_def=documents, executor_def=executor), remove],
)
"""


@pytest.fixture(scope="module")
def webserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("dagster")
    (home / "definitions.py").write_text(DEFINITIONS)
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    (home / "workspace.yaml").write_text("load_from:\n- python_file: {relative_path: definitions.py, location_name: aegis}\n")
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "dagster_webserver", "-h", "127.0.0.1", "-p", str(port), "-w", "workspace.yaml"]
    with (home / "log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=home, env={**os.environ, "DAGSTER_HOME": str(home)}, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            _wait(f"http://127.0.0.1:{port}", home / "log", process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(30)


def _wait(address: str, log: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if not DagsterClient(address).location_problem():
                return
        except EngineUnavailable:
            pass
        time.sleep(0.2)
    raise RuntimeError(f"The webserver did not start: {log.read_text()[-2000:]}")


@pytest.fixture
def client(webserver: str) -> DagsterClient:
    return DagsterClient(webserver)


def test_adding_partitions_twice_is_as_good_as_once(client: DagsterClient) -> None:
    keys = [str(uuid4()) for _ in range(60)]  # more than one batch
    client.add_partitions(keys)
    client.add_partitions(keys)


def test_a_launched_document_waits_in_the_queue_with_its_tags_and_can_be_terminated(client: DagsterClient) -> None:
    document = uuid4()
    client.add_partitions([str(document)])
    run = client.run(client.launch_document(str(document), "claim:x", size=10))
    assert (run.status, run.ended, run.partition) == (RunStatus.QUEUED, False, str(document))
    assert run.tags["aegis/claim"] == "claim:x"
    assert run.tags["aegis/bytes"] == "10"
    client.terminate(run.id)
    assert client.run_status(run.id) == RunStatus.CANCELED
    client.terminate(run.id)  # one that has ended is success
    client.terminate(str(uuid4()))  # and so is one that never was


def test_a_range_of_partitions_is_one_run_for_no_single_document(client: DagsterClient) -> None:
    keys = [str(uuid4()) for _ in range(3)]
    client.add_partitions(keys)
    run = client.run(client.launch("ingest", {RANGE_START_TAG: keys[0], RANGE_END_TAG: keys[-1]}))
    assert run.partition is None
    assert not run.ended


def test_a_removal_is_launched_with_the_documents_in_its_config(client: DagsterClient) -> None:
    assert client.run_status(client.launch_removal([uuid4(), uuid4()])) == RunStatus.QUEUED


def test_a_refused_launch_is_one_sentence(client: DagsterClient) -> None:
    with pytest.raises(EngineFailed) as refused:
        client.launch("no-such-job")
    assert "\n" not in refused.value.message
    with pytest.raises(EngineFailed, match="Dagster refused"):
        client.launch("remove", run_config={"ops": {"remove_documents": {"config": {"wrong": 1}}}})


def test_a_run_that_dagster_does_not_know_is_not_found(client: DagsterClient) -> None:
    with pytest.raises(NotFound):
        client.run_status(str(uuid4()))


def test_dagster_tells_its_version_and_what_does_not_run(client: DagsterClient) -> None:
    assert client.version()
    assert client.location_problem() == ""
    assert "daemon does not run" in client.daemon_problem()


def test_an_address_where_nothing_listens_says_what_to_do() -> None:
    (port,) = free_ports(1)
    with pytest.raises(EngineUnavailable, match=r"not reachable at .*: start it with make up"):
        DagsterClient(f"http://127.0.0.1:{port}").launch(INGEST, {PARTITION_TAG: "x"})
