"""What Dagster's page shows of a document: edges, named partitions, each asset's numbers and each step's work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import dagster as dg
import pytest

from aegis_assets.definitions import defs
from aegis_assets.defs import ops
from aegis_assets.defs.assets import DESCRIPTIONS, ingested
from aegis_assets.defs.partitions import rename_partitions
from aegis_assets.errors import StoreUnavailable
from aegis_assets.model.document import State
from aegis_assets.pipeline.flow import publish as flow_publish
from aegis_assets.pipeline.publish import PublishResult
from tests.defs.conftest import COLLECTION, QUIET, Bench
from tests.defs.test_ingest import NOTE


def test_each_asset_says_what_it_holds_and_each_step_what_it_did(bench: Bench) -> None:
    document = bench.register("unix.md", NOTE)
    run = bench.materialize(document)
    result, key = bench.result(document), bench.partition(document)
    assert key == f"{COLLECTION}/unix.md#{document.hex[:8]}"
    said = {asset: latest(bench, asset, key) for asset in ("source_file", *DESCRIPTIONS)}
    assert {metadata["name"] for metadata in said.values()} == {"unix.md"}
    assert all(str(metadata["page"]).endswith(f"/admin/documents/document/{document}/change/") for metadata in said.values())
    assert said["source_file"]["bytes"] == len(NOTE)
    assert (said["parsed_document"]["windows"], said["parsed_document"]["failed"]) == (1, 0)
    assert said["chunks"]["chunks"] == said["vector_index"]["vectors"] == result["chunks"]
    assert said["knowledge_graph"]["entities"] == result["entities"]
    steps = {event.step_key: event.step_output_data.metadata for event in run.all_events if event.is_successful_output}
    [extracted] = [metadata for step, metadata in steps.items() if step and "extract_window[d00_s0001_" in step]
    assert (extracted["document"].value, extracted["chunks"].value, extracted["failed"].value) == ("unix.md", result["chunks"], 0)
    assert extracted["seconds"].value > 0


def latest(bench: Bench, asset: str, key: str) -> dict[str, object]:
    wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[key])
    [record] = bench.instance.fetch_materializations(wanted, limit=5).records
    assert record.asset_materialization is not None
    return {name: value.value for name, value in record.asset_materialization.metadata.items()}


def test_a_ledger_that_cannot_say_what_a_step_did_fails_no_step(bench: Bench, environment: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> Any:
        raise StoreUnavailable("The ledger is away.")

    document = bench.register("unix.md", NOTE)
    environment.setattr(bench.platform.ledger, "window_work", away)
    environment.setattr(ops, "of_stage", away)
    run = bench.materialize(document)
    assert "What was done is not shown here: The ledger is away." in {
        entry.user_message for entry in bench.instance.all_logs(run.run_id)
    }
    assert run.success
    assert bench.result(document)["state"] == State.SUCCEEDED


def test_the_lineage_says_what_is_made_from_what() -> None:
    graph = defs.resolve_asset_graph()
    parents = {
        key.to_user_string(): {one.to_user_string() for one in graph.get(key).parent_keys} for key in graph.get_all_asset_keys()
    }
    assert parents == {
        "source_file": set(),
        "parsed_document": {"source_file"},
        "chunks": {"parsed_document"},
        "vector_index": {"chunks"},
        "knowledge_graph": {"chunks"},
    }


def test_partitions_of_an_older_release_get_names_and_keep_their_last_materializations(bench: Bench) -> None:
    document, pending = bench.register("unix.md", NOTE), bench.register("pending.md", b"# Pending\n\nNobody.\n")
    bench.materialize(document)
    key, removed = bench.partition(document), str(UUID(int=7))
    before = latest(bench, "knowledge_graph", key)
    old = str(document)  # as the release before left it
    for asset in DESCRIPTIONS:
        bench.instance.report_runless_asset_event(dg.AssetMaterialization(asset, partition=old, metadata={"entities": 3}))
    bench.instance.delete_dynamic_partition("documents", key)
    bench.instance.add_dynamic_partitions("documents", [old, str(pending), removed, "made by hand"])
    assert rename_partitions(bench.instance, bench.platform.ledger, ingested.keys) == 0
    assert sorted(bench.instance.get_dynamic_partitions("documents")) == sorted([key, bench.partition(pending), "made by hand"])
    assert latest(bench, "knowledge_graph", key) == before, "what there is under the new key stays"
    assert rename_partitions(bench.instance, bench.platform.ledger, ingested.keys) == 0, "twice is once"


def test_a_run_of_an_older_releases_partition_still_finds_its_document(bench: Bench) -> None:
    document = bench.register("unix.md", NOTE)
    bench.instance.add_dynamic_partitions("documents", [str(document)])
    run = defs.resolve_job_def("ingest").execute_in_process(QUIET, bench.instance, str(document), raise_on_error=False)
    assert run.success
    assert latest(bench, "knowledge_graph", bench.partition(document))


def test_a_document_whose_publishing_failed_shows_what_was_made_before(bench: Bench, environment: pytest.MonkeyPatch) -> None:
    document = bench.register("unix.md", NOTE)

    def publish(documents: Sequence[UUID], *stores: Any) -> dict[UUID, PublishResult]:
        raise StoreUnavailable("The graph server refused a statement.", retryable=False)

    environment.setattr(flow_publish, "publish", publish)
    assert not bench.materialize(document).success
    shown = {
        asset
        for asset in DESCRIPTIONS
        if bench.partition(document) in bench.instance.get_materialized_partitions(dg.AssetKey(asset))
    }
    assert shown == {"parsed_document", "chunks", "vector_index"}


def test_a_partition_that_is_no_document_fails_with_a_sentence(bench: Bench) -> None:
    unknown = "letters/never there.md#00000000"
    bench.instance.add_dynamic_partitions("documents", [unknown])
    run = defs.resolve_job_def("ingest").execute_in_process(QUIET, bench.instance, unknown, raise_on_error=False)
    assert not run.success
    said = [event.step_failure_data.error.message for event in run.all_events if event.is_step_failure]
    assert "No document has this run's partition" in said[0]
