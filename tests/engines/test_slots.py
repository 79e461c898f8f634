"""How many calls the engine server does at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from aegis_assets.engines.service.slots import Slots, _memory_mb, choose_slots
from aegis_assets.settings import Settings


@pytest.mark.parametrize(
    ("cores", "memory_mb", "slots"),
    [
        (2, 8_000, Slots(2, 1)),
        (1, 2_000, Slots(2, 1)),
        (16, 128_000, Slots(16, 8)),
        (64, 28_000, Slots(10, 5)),
        (2.5, 64_000, Slots(2, 1)),
    ],
)
def test_slots_follow_the_cores_as_far_as_the_memory_reaches(cores: float, memory_mb: float, slots: Slots) -> None:
    assert choose_slots(Settings(), cores, memory_mb) == slots


def test_the_setting_goes_before_the_machine() -> None:
    assert choose_slots(Settings(engine_slots=7), 64, 512_000) == Slots(7, 3)
    assert choose_slots(Settings(engine_slots=1), 64, 512_000) == Slots(1, 1)


def test_a_container_with_a_limit_has_no_more_than_that(tmp_path: Path) -> None:
    limit = tmp_path / "memory.max"
    limit.write_text("1073741824\n")
    assert _memory_mb(limit) == 1024
    limit.write_text("max\n")
    assert _memory_mb(limit) == _memory_mb(tmp_path / "absent") > 1024
