"""Settings from files, a secret each, as Docker and Kubernetes mount them: /run/secrets/aegis_engine_token is AEGIS_ENGINE_TOKEN.

A variable of the environment is shown by `docker inspect` and inherited by every child; a file is for whoever may read it.
Addresses that hold a password (a database's, a broker's) are given without it in the environment, and the password in a file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SecretsSettingsSource, SettingsError

from aegis_assets.errors import Misconfigured


class SecretFiles(SecretsSettingsSource):
    """The files of one directory. An empty file is an absent setting, as an empty variable is."""

    def __init__(self, settings_cls: type[BaseSettings], directory: Path) -> None:
        super().__init__(settings_cls, secrets_dir=directory)
        self._directory = directory

    def __call__(self) -> dict[str, Any]:
        """Raise Misconfigured if the directory or a file that a setting is named after cannot be read."""
        if not self._directory.is_dir():
            raise Misconfigured(f"AEGIS_SECRETS_DIR is no directory: {self._directory}. Create it, or leave the setting empty.")
        try:
            values = super().__call__()
        except SettingsError as error:
            reason = type(error.__cause__ or error).__name__
            where = getattr(error.__cause__, "filename", None) or self._directory
            raise Misconfigured(f"The secret's file {where} cannot be read ({reason}): see its owner and mode.") from None
        return {name: value for name, value in values.items() if value}


def with_password(url: SecretStr, password: SecretStr) -> SecretStr:
    """Return the address with the password in it, unless it has one already or is none of the form scheme://[user@]host."""
    try:
        parts = urlsplit(url.get_secret_value())
        has_place = bool(parts.scheme and parts.hostname) and parts.password is None
    except ValueError:
        return url
    if not has_place or not password.get_secret_value():
        return url
    host = parts.netloc.rpartition("@")[2]
    netloc = f"{parts.username or ''}:{quote(password.get_secret_value(), safe='')}@{host}"
    return SecretStr(urlunsplit(parts._replace(netloc=netloc)))
