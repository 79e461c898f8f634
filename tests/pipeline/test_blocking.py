"""Keys of names: few and short whatever the name is, and not crowded by names that no rule would join."""

from __future__ import annotations

from aegis_assets.pipeline.blocking import MAX_BLOCK, MAX_BLOCKS, MAX_KEY, blocks
from tests.pipeline.named_entities import entity, merges


def test_hostile_names_have_bounded_keys() -> None:
    for name in ("x" * 10_000, "word " * 5_000, "\x00\u202e", "", "…", "漢字かな交じり文", "a-b-c-d-e-f-g-h-i-j-k-l-m-n-o-p"):
        keys = blocks(name)
        assert len(keys) <= MAX_BLOCKS
        assert all(len(key) <= MAX_KEY for key in keys)


def test_numbered_names_do_not_crowd_the_keys_of_others() -> None:
    crowd = [entity(f"table {number}") for number in range(2 * MAX_BLOCK)]
    names = [entity("table of extensions"), entity("table of extension")]
    assert [merge.reason for merge in merges([*crowd, *names])] == ["exact"]
    shared = set(blocks("table of extensions"))
    assert not any(shared & set(blocks(name.name)) for name in crowd)


def test_a_key_does_not_depend_on_the_case_of_the_name() -> None:
    assert blocks("Engine") == blocks("engine")
