"""What the sensor of the watched bucket says, on a real directory and ledger."""

from __future__ import annotations

import dagster as dg
import pytest

from aegis_assets.defs.platform import PlatformResource
from aegis_assets.defs.sensors import watch_bucket
from tests.defs.conftest import Bench

MANY = 12


@pytest.fixture
def unhurried(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AEGIS_WATCH_SETTLE_SECONDS", "0")


def tick(bench: Bench) -> dg.SensorResult | dg.SkipReason:
    found = watch_bucket(dg.build_sensor_context(instance=bench.instance), platform=PlatformResource())
    assert isinstance(found, dg.SensorResult | dg.SkipReason)
    return found


def test_a_bucket_that_is_suddenly_empty_is_said_and_nothing_is_removed(unhurried: None, bench: Bench) -> None:
    inbox = bench.home / "inbox"
    inbox.mkdir(exist_ok=True)
    for number in range(MANY):
        (inbox / f"{number}.md").write_text(f"# Letter {number}")
    launched = tick(bench)
    assert isinstance(launched, dg.SensorResult)
    for path in inbox.iterdir():
        path.unlink()
    said = tick(bench)
    assert isinstance(said, dg.SkipReason)
    assert said.skip_message == (
        f"The watched bucket is empty, and {MANY} documents came from it: is it mounted? Nothing was removed."
        " If they are to go, remove them in the admin."
    )
    assert bench.platform.ledger.to_remove() == []


def test_an_object_whose_name_cannot_be_kept_is_said(unhurried: None, bench: Bench) -> None:
    deep = bench.home.joinpath("inbox", *["long" * 60] * 5)
    deep.mkdir(parents=True)
    (deep / "letter.md").write_text("# Letter")
    said = tick(bench)
    assert isinstance(said, dg.SkipReason)
    assert said.skip_message == "Objects whose names are no valid keys are left out."
