"""Windows are cut by content: every part in one of them, edges that fall back into step, keys that follow what a window sees."""

from __future__ import annotations

import random

import pytest

from aegis_assets.model.parsing import Heading, Inspection, Part, WindowPlan
from aegis_assets.pipeline.plan import cut


def inspection(parts: list[Part], unit: str = "page", facts: dict[str, object] | None = None) -> Inspection:
    return Inspection(
        format="pdf" if unit == "page" else "markdown",
        media_type="application/octet-stream",
        unit=unit,  # type: ignore[arg-type]
        parts=tuple(parts),
        pages=len(parts) if unit == "page" else None,
        parser="docling",
        facts=facts or {},
    )


def pages(count: int, seed: int, outline: float = 0.0) -> list[Part]:
    dice = random.Random(seed)
    return [
        Part(hash=f"{dice.getrandbits(128):032x}", starts=dice.choice((1, 2, 2, 3, 3, 3)) if dice.random() < outline else None)
        for _ in range(count)
    ]


def sections(count: int, seed: int) -> list[Part]:
    dice = random.Random(seed)
    return [
        Part(
            hash=f"{dice.getrandbits(128):032x}",
            weight=dice.choice((1, 1, 2, 3, 5, 8, 90)),
            starts=dice.choice((1, 2, 3, None)),
            headings=(),
        )
        for _ in range(count)
    ]


def numbers(windows: tuple[WindowPlan, ...]) -> list[int]:
    return [number for window in windows for number in range(window.first, window.last + 1)]


@pytest.mark.parametrize("seed", range(60))
def test_every_part_is_in_exactly_one_window_in_order(seed: int) -> None:
    dice = random.Random(seed)
    count = dice.randint(1, 300)
    document = inspection(sections(count, seed), "section") if seed % 2 else inspection(pages(count, seed, dice.random()))
    windows = cut(document, dice.choice((1, 2, 3, 5, 16, 50, 1000)), dice.choice((1, 2, 7, 64, 5000)), "f")
    assert numbers(windows) == list(range(1, count + 1))
    assert [window.ordinal for window in windows] == list(range(len(windows)))
    assert all(window.first <= window.last for window in windows)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("wanted", [1, 2, 3, 8, 16, 40])
def test_windows_of_pages_are_within_a_quarter_of_what_was_wanted(seed: int, wanted: int) -> None:
    windows = cut(inspection(pages(317, seed, outline=0.2)), wanted, 64, "f")
    sizes = [window.last - window.first + 1 for window in windows]
    expected = [max(1, wanted // 4), max(1, wanted // 2), *[wanted] * (len(sizes) - 2)]
    for size, middle in zip(sizes[:-1], expected[:-1], strict=True):
        slack = max(1, middle // 4) if middle > 2 else 0
        assert middle - slack <= size <= middle + slack
    assert 1 <= sizes[-1] <= max(wanted + wanted // 4, wanted + 1 if wanted > 2 else wanted)


def test_a_short_document_has_no_small_windows_at_its_start() -> None:
    assert cut(inspection(pages(40, 1)), 16, 64, "f")[0].last >= 12


@pytest.mark.parametrize("seed", range(10))
def test_windows_of_sections_stay_under_the_weight_unless_one_section_is_heavier(seed: int) -> None:
    parts = sections(400, seed)
    for window in cut(inspection(parts, "section"), 16, 64, "f"):
        weight = sum(part.weight for part in parts[window.first - 1 : window.last])
        assert weight <= 80 or window.first == window.last


def test_window_chunks_of_one_gives_every_section_its_own_window() -> None:
    parts = [Part(hash=str(number), headings=()) for number in range(9)]
    assert len(cut(inspection(parts, "section"), 16, 1, "f")) == 9


def test_a_document_of_one_part_is_one_window() -> None:
    for parts in ([Part(hash="a")], [Part(hash="a", weight=100_000, headings=())]):
        assert len(cut(inspection(parts, "section"), 16, 64, "f")) == 1


def test_a_document_without_parts_has_no_windows() -> None:
    assert cut(inspection([]), 16, 64, "f") == ()


def test_edges_prefer_the_highest_heading_near_the_wanted_size() -> None:
    parts = pages(40, 1)
    parts[13] = parts[13].model_copy(update={"starts": 2})
    parts[17] = parts[17].model_copy(update={"starts": 1})
    parts[25] = parts[25].model_copy(update={"starts": 1})
    assert cut(inspection(parts), 16, 64, "f")[1].first == 18


@pytest.mark.parametrize("outline", [0.0, 0.15, 0.6])
def test_an_inserted_page_moves_few_edges(outline: float) -> None:
    kept = total = 0
    for seed in range(30):
        dice = random.Random(1000 + seed)
        before = pages(480, seed, outline)
        at = dice.randrange(480)
        after = [*before[:at], Part(hash=f"{dice.getrandbits(128):032x}"), *before[at:]]
        old = {window.key for window in cut(inspection(before), 16, 64, "f")}
        new = {window.key for window in cut(inspection(after), 16, 64, "f")}
        kept += len(old & new)
        total += len(new)
    assert kept / total > 0.85, f"{kept} of {total} windows survived an inserted page"


@pytest.mark.parametrize("seed", range(25))
def test_an_edited_page_changes_only_the_keys_of_windows_that_see_it(seed: int) -> None:
    """The edges may move only where the edited page was an edge, or becomes one."""
    dice = random.Random(seed)
    before = pages(200, seed, outline=1.0)  # headings decide the edges, so that the edit moves none
    at = dice.randrange(200)
    after = [*before]
    after[at] = before[at].model_copy(update={"hash": "edited"})
    old, new = cut(inspection(before), 16, 64, "f"), cut(inspection(after), 16, 64, "f")
    for left in old:
        sees = left.first - 1 <= at + 1 <= left.last + 1
        same = [right for right in new if (right.first, right.last) == (left.first, left.last)]
        if not sees and same:
            assert same[0].key == left.key
        if sees and same:
            assert same[0].key != left.key
    assert len({window.key for window in new} - {window.key for window in old}) <= 5


def test_the_key_follows_fingerprint_facts_format_and_headings() -> None:
    parts = pages(10, 3)
    base = cut(inspection(parts, facts={"body_size": 10}), 16, 64, "f")[0].key
    assert cut(inspection(parts, facts={"body_size": 10}), 16, 64, "f")[0].key == base
    assert cut(inspection(parts, facts={"body_size": 10}), 16, 64, "g")[0].key != base
    assert cut(inspection(parts, facts={"body_size": 11}), 16, 64, "f")[0].key != base
    titled = [parts[0].model_copy(update={"headings": (Heading(level=1, text="A"),)}), *parts[1:]]
    none = [parts[0].model_copy(update={"headings": ()}), *parts[1:]]
    keys = {cut(inspection(each, facts={"body_size": 10}), 16, 64, "f")[0].key for each in (parts, titled, none)}
    assert len(keys) == 3


def test_an_outline_entry_changes_only_the_window_of_its_page() -> None:
    parts = pages(64, 5)
    entry = {"level": 1, "text": "A"}
    one = cut(inspection(parts, facts={"pages": {"5": [entry]}}), 16, 64, "f")
    two = cut(inspection(parts, facts={"pages": {"5": [entry], "60": [entry]}}), 16, 64, "f")
    assert [left.key == right.key for left, right in zip(one, two, strict=True)] == [*[True] * (len(one) - 1), False]


def test_facts_give_the_same_key_whether_page_numbers_are_text_or_numbers() -> None:
    parts = pages(8, 6)
    entry = [{"level": 1, "text": "A"}]
    assert cut(inspection(parts, facts={"pages": {"2": entry}}), 16, 64, "f") == cut(
        inspection(parts, facts={"pages": {2: entry}}), 16, 64, "f"
    )


def test_windows_carry_the_headings_open_at_their_start() -> None:
    open_ = (Heading(level=1, text="Book"), Heading(level=2, text="Chapter"))
    parts = [Part(hash=str(number), headings=open_ if number >= 3 else ()) for number in range(10)]
    windows = cut(inspection(parts), 5, 64, "f")
    assert windows[0].headings == ()
    assert windows[-1].headings == open_


def test_sections_on_slides_are_not_taken_over_at_another_place() -> None:
    """Their page numbers could not be moved by the number of sections."""
    parts = [Part(hash=str(number), headings=()) for number in range(4)]
    slides = inspection(parts, "section").model_copy(update={"pages": 2})
    shifted = slides.model_copy(update={"parts": (Part(hash="new", headings=()), *parts)})
    assert {w.key for w in cut(slides, 16, 1, "f")} & {w.key for w in cut(shifted, 16, 1, "f")} == set()
    plain = inspection(parts, "section")
    moved = plain.model_copy(update={"parts": shifted.parts})
    assert {w.key for w in cut(plain, 16, 1, "f")} < {w.key for w in cut(moved, 16, 1, "f")}
