"""Which secrets each part of the stack needs: the others are taken out of its environment before it starts.

A part reads its settings from that environment alone (AEGIS_STACK_ENV=off), which has all that `stack.env` has but these.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import Final

from pydantic import SecretStr

from aegis_assets.embedded.parts import Part
from aegis_assets.settings import Settings

SECRETS: Final = frozenset(name for name, field in Settings.model_fields.items() if field.annotation is SecretStr)
ENV: Final = "/usr/bin/env"
# A part that is not named here is one of Dagster's, which load the platform's code or start what does.
NEEDED: Final[Mapping[str, frozenset[str]]] = {
    "postgres": frozenset(),
    "graph": frozenset(),
    "engine": frozenset({"engine_token", "s3_access_key", "s3_secret_key", "embedding_api_key", "docling_serve_api_key"}),
    "admin": SECRETS - {"admin_password", "dagster_postgres_url"},
}
DAGSTER: Final = SECRETS - {"admin_password", "secret_key"}


def withheld(part: str) -> list[str]:
    """Return the variables that the part must not see."""
    return sorted(f"AEGIS_{name.upper()}" for name in SECRETS - NEEDED.get(part, DAGSTER))


def scrubbed(part: Part) -> tuple[str, ...]:
    """Return the part's command behind `env`, which becomes that command in the same process."""
    if shutil.which(part.command[0]) is None:
        return part.command  # supervisord says that it is not there; behind `env` it would only end
    unset = [word for name in withheld(part.name) for word in ("-u", name)]
    return (ENV, *unset, "AEGIS_STACK_ENV=off", *part.command)
