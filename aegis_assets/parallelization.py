"""config/parallelization.yml: a table of defaults, and profiles of which one may be chosen."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import yaml

from aegis_assets.errors import Misconfigured


class Parallelization(NamedTuple):
    """The file as it was read. profile: the name of the chosen one, '' for none."""

    name: str
    default: dict[str, Any]
    profiles: dict[str, dict[str, Any]]
    profile: str

    @property
    def chosen(self) -> dict[str, Any]:
        """Return the numbers of the chosen profile."""
        return dict(self.profiles.get(self.profile) or {})


def read_parallelization(path: Path, profile: str) -> Parallelization:
    """Read the file; one that is not there is empty. Raise Misconfigured if it is no such table or lacks the profile."""
    try:
        tables = (yaml.safe_load(path.read_text()) if path.exists() else None) or {}
        default, profiles = dict(tables.get("default") or {}), dict(tables.get("profiles") or {})
    except (yaml.YAMLError, OSError, AttributeError, TypeError, ValueError) as error:
        raise Misconfigured(
            f"{path.name} cannot be read as a table of defaults and profiles: compare it with the one that came."
        ) from error
    if profile and profile not in profiles:
        raise Misconfigured(
            f"AEGIS_PROFILE names no profile of {path.name}: {profile!r}. It has {', '.join(sorted(profiles)) or 'none'}."
        )
    return Parallelization(path.name, default, profiles, profile)
