"""Which runs of Dagster are deleted, and which stay because an asset's page shows what they made."""

from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest

from aegis_assets import settings as settings_module
from aegis_assets.defs import retention
from aegis_assets.defs.assets import DESCRIPTIONS
from aegis_assets.defs.retention import prune_daily, prune_runs
from tests.defs.conftest import QUIET
from tests.defs.light import Light, dagster_url, light

__all__ = ["dagster_url", "light"]
SUCCESS = dg.DagsterRunStatus.SUCCESS


def run(light: Light, *partitions: str, status: dg.DagsterRunStatus = SUCCESS, days: int = 100) -> str:
    """Make a run of so many days ago that materialized its partitions."""

    @dg.op(out=dg.Out(dg.Nothing))
    def make(context: dg.OpExecutionContext) -> None:
        for partition in partitions:
            for asset in DESCRIPTIONS:
                context.log_event(dg.AssetMaterialization(asset, partition=partition))

    @dg.job(name="ingest", config=QUIET)
    def ingest() -> None:
        make()

    made = ingest.execute_in_process(instance=light.instance).run_id
    ago = f"- interval '{days} days'"
    changes = f"create_timestamp = create_timestamp {ago}, status = :status"
    light.execute(f"UPDATE runs SET {changes} WHERE run_id = :run", run=made, status=status.value)
    light.execute(f"UPDATE event_logs SET timestamp = timestamp {ago} WHERE run_id = :run", run=made)
    return made


def prune(light: Light) -> dict[str, object]:
    done = prune_runs.execute_in_process(QUIET, light.instance)
    [output] = [event for event in done.all_events if event.is_successful_output]
    return {name: value.value for name, value in output.step_output_data.metadata.items()}


def there(light: Light, *runs: str) -> list[bool]:
    return [light.instance.has_run(one) for one in runs]


def test_old_runs_go_with_their_events_and_the_last_materialization_of_each_partition_stays(light: Light) -> None:
    light.instance.add_dynamic_partitions("documents", ["a", "b", "again"])
    first = run(light, "a", "again")
    second = run(light, "again", "removed since")
    third = run(light, "again", days=95)
    failed, young = run(light, status=dg.DagsterRunStatus.FAILURE), run(light, days=80)
    working = run(light, status=dg.DagsterRunStatus.STARTED)
    last_of_b = run(light, "b", days=80)
    assert prune(light) == {"deleted": 2, "left": 0, "kept": 2}
    assert there(light, first, second, third, failed, young, working, last_of_b) == [True, False, True, False, True, True, True]
    assert light.instance.all_logs(second) == []
    assert light.instance.get_materialized_partitions(dg.AssetKey("chunks")) >= {"a", "b", "again"}
    assert prune(light)["deleted"] == 0, "twice is once"
    run(light, "a", days=1)
    assert prune(light)["deleted"] == 1
    assert there(light, first, third) == [False, True]


def test_a_day_deletes_a_bounded_number_of_runs_the_oldest_first(light: Light, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "PAGE", 2)
    monkeypatch.setattr(retention, "DELETED_AT_ONCE", 3)
    runs = [run(light, days=100 - number) for number in range(5)]
    assert prune(light) == {"deleted": 3, "left": 2, "kept": 0}
    assert there(light, *runs) == [False, False, False, True, True]
    assert prune(light)["deleted"] == 2


def test_more_partitions_that_are_shown_cost_no_more_statements(light: Light) -> None:
    light.instance.add_dynamic_partitions("documents", ["a", "b", "c", "d"])
    prune(light)  # notes what the job is, once
    counts = []
    for partitions in (["a"], ["b", "c", "d"]):
        for partition in partitions:
            run(light, partition)
        with light.counted() as statements:
            assert prune(light)["deleted"] == 0
        counts.append(len(statements.dagster))
    assert counts[0] == counts[1]


def test_the_time_is_a_setting(light: Light, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AEGIS_DAGSTER_RUN_DAYS", "7")
    settings_module.settings.cache_clear()
    old, young = run(light, days=8), run(light, days=6)
    assert prune(light)["deleted"] == 1
    assert there(light, old, young) == [False, True]


def test_what_the_steps_of_a_run_printed_goes_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @dg.op
    def talk() -> None:
        print("Good morning.")  # noqa: T201

    @dg.job
    def talking() -> None:
        talk()

    monkeypatch.setattr(retention, "settings", lambda: SimpleNamespace(dagster_run_days=-1))
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        made = talking.execute_in_process(instance=instance).run_id
        assert list(tmp_path.rglob(f"{made}/compute_logs/*.out"))
        prune_runs.execute_in_process(QUIET, instance)
        assert list(tmp_path.rglob(f"{made}/**/*")) == []


def test_the_schedule_runs_unless_somebody_stops_it() -> None:
    assert prune_daily.default_status == dg.DefaultScheduleStatus.RUNNING
    assert prune_daily.job_name == prune_runs.name
