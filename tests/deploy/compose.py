"""deploy/compose.yaml as Compose reads it: anchors resolved, variables replaced from .env and from its own defaults."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import yaml
from dotenv import dotenv_values

from aegis_assets.settings import ROOT

FOLDER = ROOT / "deploy"
FILE = FOLDER / "compose.yaml"
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?P<operator>:?-)(?P<default>[^}]*)\}")
ONCE = {"secrets", "setup", "model", "weights"}  # they end, and so have no health check
OURS = {"setup", "engine", "engine-gpu", "code", "webserver", "daemon", "admin", "worker"}


def written(*names: str) -> dict[str, str]:
    """Return the variables of files beside compose.yaml, later ones first."""
    return {name: value or "" for file in names for name, value in dotenv_values(FOLDER / file, interpolate=False).items()}


@cache
def services(*files: str) -> dict[str, dict[str, Any]]:
    """Return the services with the variables of these files, .env where none is named."""
    variables = written(*(files or (".env",)))
    loaded: dict[str, dict[str, Any]] = yaml.safe_load(FILE.read_text())["services"]
    return {name: replaced(service, variables) for name, service in loaded.items()}


def replaced(value: Any, variables: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: replaced(inner, variables) for key, inner in value.items()}
    if isinstance(value, list):
        return [replaced(inner, variables) for inner in value]
    if not isinstance(value, str):
        return value

    def answer(match: re.Match[str]) -> str:
        given = variables.get(match["name"])
        empty = given is None or (given == "" and match["operator"] == ":-")
        return match["default"] if empty else str(given)

    return VARIABLE.sub(answer, value).replace("$$", "$")
