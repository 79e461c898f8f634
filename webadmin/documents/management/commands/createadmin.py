"""python manage.py createadmin: the superuser `admin`, with the password of AEGIS_ADMIN_PASSWORD or one that is generated once and
kept in AEGIS_HOME, 0600."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model

from aegis_assets.errors import Misconfigured
from aegis_assets.settings import settings
from webadmin.documents import console

NAME = "admin"


class Command(console.Command):
    help = (
        "Create the user admin if it is not there. Its password is that of AEGIS_ADMIN_PASSWORD, or printed once and kept in"
        " AEGIS_HOME/admin-password."
    )

    def act(self, **_: Any) -> bool:
        users = get_user_model().objects
        if users.filter(username=NAME).exists():
            return True
        path = settings().home / "admin-password"
        given = settings().admin_password.get_secret_value()
        password, made = (given, False) if given else kept_password(path)
        if not password:
            raise Misconfigured(f"{path} is empty: write a password into it, or delete it to have one made.")
        users.create_superuser(NAME, email="", password=password)
        self.out(f"The admin's user is {NAME}, its password {password} (kept in {path})." if made else f"User {NAME} created.")
        return True


def kept_password(path: Path) -> tuple[str, bool]:
    """The password in the file, and whether it was made now. The file appears whole or not at all, and the first one stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(prefix=".admin-password-", dir=path.parent)  # 0600
    try:
        with os.fdopen(handle, "w") as stream:
            stream.write(secrets.token_urlsafe(15) + "\n")
        os.link(draft, path)
        made = True
    except FileExistsError:
        made = False
    finally:
        os.unlink(draft)
    return path.read_text().strip(), made
