"""The asset checks as Dagster runs them on a document, and the job that does stale documents anew."""

import io
import logging
import time

import dagster as dg
import pytest
from pypdf import PdfReader, PdfWriter

from aegis_assets import settings as settings_module
from aegis_assets.defs import platform as platform_module
from aegis_assets.defs.assets import DESCRIPTIONS, code_versions, ingested
from aegis_assets.defs.checks import all_checks, check_listing
from aegis_assets.defs.platform import PlatformResource
from aegis_assets.defs.refresh import refresh_changed, refresh_stale
from aegis_assets.defs.sensors import sync_watched
from aegis_assets.model.document import State
from aegis_assets.pipeline.flow.checks import listing_fresh
from aegis_assets.stores.watch import open_watcher
from tests.defs.conftest import COLLECTION, QUIET, Bench
from tests.defs.test_dagster_page import latest
from tests.defs.test_ingest import NOTE, chapters, paged

PARTITIONED = {"stores_agree", "no_text_lost", "grounded", "up_to_date"}


def with_blank_page(pdf: bytes) -> bytes:
    writer, target = PdfWriter(), io.BytesIO()
    writer.append(PdfReader(io.BytesIO(pdf)))
    writer.add_blank_page()
    writer.write(target)
    return target.getvalue()


def shown(bench: Bench, partition: str) -> dict[str, str]:
    """Return what Dagster's page shows of a document: the status of each check that was evaluated."""
    keys = [key for one in all_checks for key in one.check_keys if key.name in PARTITIONED]
    storage = bench.instance.event_log_storage
    rows = {key.name: storage.get_asset_check_execution_history(key, limit=20) for key in keys}
    return {name: row.status.value for name, found in rows.items() for row in found if row.partition == partition}


def check(bench: Bench, partition: str) -> dict[str, dg.AssetCheckEvaluation]:
    """Run the checks of documents as from Dagster's page."""
    wanted = dg.AssetSelection.checks(*(key for one in all_checks for key in one.check_keys if key.name in PARTITIONED))
    job = dg.define_asset_job("look", selection=wanted)
    looking = dg.Definitions(
        assets=[ingested], asset_checks=all_checks, jobs=[job], resources={"platform": PlatformResource()}
    ).resolve_job_def("look")
    done = looking.execute_in_process(QUIET, bench.instance, tags={"dagster/partition": partition})
    return {one.check_name: one for one in done.get_asset_check_evaluations()}


def refresh(bench: Bench, collection: str, dry_run: bool) -> tuple[dg.ExecuteInProcessResult, list[str]]:
    config = {**QUIET, "ops": {"refresh_documents": {"config": {"collection": collection, "dry_run": dry_run}}}}
    done = refresh_stale.execute_in_process(
        config, bench.instance, resources={"platform": PlatformResource()}, raise_on_error=False
    )
    entries = bench.instance.all_logs(done.run_id)
    return done, [entry.user_message for entry in entries if entry.level == logging.INFO and entry.dagster_event is None]


def again(environment: pytest.MonkeyPatch, **values: str) -> None:
    """Read the settings anew, as a stack does that was restarted."""
    for name, value in values.items():
        environment.setenv(name, value)
    settings_module.settings.cache_clear()
    platform_module.build.cache_clear()


def test_what_the_checks_say_of_a_document_and_what_a_change_of_settings_costs(
    bench: Bench, environment: pytest.MonkeyPatch
) -> None:
    document, note = bench.register("engines.pdf", with_blank_page(paged(chapters(2)))), bench.register("unix.md", NOTE)
    bench.materialize(document)
    bench.materialize(note)
    assert shown(bench, bench.partition(document)) == dict.fromkeys(PARTITIONED, "SUCCEEDED") | {"no_text_lost": "FAILED"}
    assert shown(bench, bench.partition(note)) == dict.fromkeys(PARTITIONED, "SUCCEEDED")
    found = check(bench, bench.partition(document))
    assert {name: one.passed for name, one in found.items()} == dict.fromkeys(PARTITIONED, True) | {"no_text_lost": False}
    lost = found["no_text_lost"]
    assert lost.severity == dg.AssetCheckSeverity.WARN
    assert {name: lost.metadata[name].value for name in ("pages", "without_text", "which")} == {
        "pages": 3,
        "without_text": 1,
        "which": "3",
    }
    assert {name: one.passed for name, one in check(bench, bench.partition(note)).items()} == dict.fromkeys(PARTITIONED, True)
    for asset in DESCRIPTIONS:
        wanted = dg.AssetRecordsFilter(dg.AssetKey(asset), asset_partitions=[bench.partition(document)])
        [record] = bench.instance.fetch_materializations(wanted, limit=1).records
        version = latest(bench, asset, bench.partition(document))["fingerprint"]
        assert record.asset_materialization is not None
        assert (record.asset_materialization.tags or {})["dagster/data_version"] == version

    done, said = refresh(bench, COLLECTION, dry_run=False)
    assert done.success
    assert said[0].startswith(f"0 documents of the collection {COLLECTION} are stale.")

    again(environment, AEGIS_WINDOW_PAGES="2")
    found = check(bench, bench.partition(document))
    assert not found["up_to_date"].passed
    assert found["up_to_date"].metadata["cut_anew"].value == 1
    chunks = bench.result(document)["chunks"] + bench.result(note)["chunks"]  # type: ignore[operator]
    done, said = refresh(bench, COLLECTION, dry_run=True)
    assert said[0].startswith(f"2 documents of the collection {COLLECTION} are stale. ")
    assert f" at most {chunks} chunks, with at most {chunks} calls of spacy" in said[0]
    assert bench.platform.ledger.document(document).state == State.SUCCEEDED
    done, said = refresh(bench, COLLECTION, dry_run=False)
    assert said[-1] == "2 documents are pending."
    assert {row.state for row in bench.platform.ledger.documents([document, note])} == {State.PENDING}
    bench.materialize(document)
    assert check(bench, bench.partition(document))["up_to_date"].passed


def test_refreshing_what_is_no_collection_says_so(bench: Bench) -> None:
    done, _ = refresh(bench, "nowhere", dry_run=True)
    [event] = [event for event in done.all_events if event.is_step_failure]
    failure = event.step_failure_data.error
    assert failure is not None
    assert "There is no collection named 'nowhere'." in failure.message


def test_the_sensor_asks_for_collections_whose_settings_changed_and_is_off(bench: Bench, environment: pytest.MonkeyPatch) -> None:
    def tick(cursor: str | None) -> dg.SensorResult:
        found = refresh_changed(dg.build_sensor_context(instance=bench.instance, cursor=cursor), platform=PlatformResource())
        assert isinstance(found, dg.SensorResult)
        return found

    assert refresh_changed.default_status == dg.DefaultSensorStatus.STOPPED
    bench.register("unix.md", NOTE)
    first = tick(None)
    config = {"collection": COLLECTION, "dry_run": False}
    assert [one.run_config for one in first.run_requests or []] == [{"ops": {"refresh_documents": {"config": config}}}]
    assert not tick(first.cursor).run_requests
    again(environment, AEGIS_WINDOW_PAGES="2")
    assert len(tick(first.cursor).run_requests or []) == 1


def test_the_watched_bucket_is_fresh_for_three_intervals(bench: Bench) -> None:
    inbox = bench.home / "inbox"
    address, ledger = settings_module.settings().watch_address, bench.platform.ledger
    assert listing_fresh(ledger, address, False).sentence == "Nothing is watched."
    assert not listing_fresh(ledger, address, True).passed
    inbox.mkdir(exist_ok=True)
    watching = open_watcher(address, settings_module.settings())
    sync_watched(ledger, watching)
    fresh = listing_fresh(ledger, address, True)
    assert fresh.passed
    assert float(fresh.facts["limit_seconds"]) > 3 * watching.every_seconds
    ledger.note_listing(address, 0.01)
    time.sleep(0.1)
    old = listing_fresh(ledger, address, True)
    assert not old.passed
    sync_watched(ledger, watching)
    assert listing_fresh(ledger, address, True).facts["last"] == old.facts["last"], "a look at what changed lists nothing"
    tick = check_listing(
        dg.build_sensor_context(instance=bench.instance, cursor=f"True in hour {time.time() // 3600:.0f}"),
        platform=PlatformResource(),
    )
    assert isinstance(tick, dg.SensorResult)
    [event] = tick.asset_events
    assert isinstance(event, dg.AssetCheckEvaluation)
    assert (event.check_name, event.passed) == ("listing_fresh", False)
    tick = check_listing(dg.build_sensor_context(instance=bench.instance, cursor=tick.cursor), platform=PlatformResource())
    assert isinstance(tick, dg.SkipReason)
    [listing] = [one for one in all_checks if one.check_key.name == "listing_fresh"]
    looked = listing(platform=PlatformResource())
    assert isinstance(looked, dg.AssetCheckResult)
    assert not looked.passed


def test_each_asset_says_which_version_of_our_code_made_it() -> None:
    assert {key.to_user_string(): version for key, version in ingested.code_versions_by_key.items()} == code_versions()
    assert all(code_versions().values())
