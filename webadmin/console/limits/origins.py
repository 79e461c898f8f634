"""The numbers of config/parallelization.yml: what each may be, and where its value in this process comes from."""

from __future__ import annotations

from typing import Literal

from annotated_types import Gt, Le

from aegis_assets.settings import Settings, parallelization, settings


def bounds(name: str) -> tuple[int, int]:
    """Return the least and the most that a number of config/parallelization.yml may be, as `load` checks it."""
    metadata = Settings.model_fields[name].metadata
    least = next(int(rule.gt) + 1 for rule in metadata if isinstance(rule, Gt))  # type: ignore[call-overload]
    most = next(int(rule.le) for rule in metadata if isinstance(rule, Le))  # type: ignore[call-overload]
    return least, most


def origin(name: str) -> tuple[Literal["profile", "file", "environment", "default"], str]:
    """Return where a number of this process comes from, and how that is called.

    It is told by the value: `make up` passes what it read from the file to its parts as environment.
    """
    table, value = parallelization(), getattr(settings(), name)
    if table.chosen.get(name) == value:
        return "profile", table.profile
    if name not in table.chosen and table.default.get(name) == value:
        return "file", table.name
    if name not in table.chosen and name not in table.default and Settings.model_fields[name].default == value:
        return "default", ""
    return "environment", f"AEGIS_{name.upper()}"
