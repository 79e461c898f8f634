"""The headings open at a place: a fold over the headings before it."""

from __future__ import annotations

from collections.abc import Iterable

from aegis_assets.model.parsing import Heading


def after(open_headings: tuple[Heading, ...], passed: Iterable[Heading]) -> tuple[Heading, ...]:
    """What is open after `passed`: a heading closes every open one of its level or deeper."""
    stack = list(open_headings)
    for heading in passed:
        while stack and stack[-1].level >= heading.level:
            stack.pop()
        stack.append(heading)
    return tuple(stack)
