"""A session of the admin's user, logged in as a browser does it."""

from __future__ import annotations

import re
from pathlib import Path

import httpx

TIMEOUT_SECONDS = 120.0


def logged_in(address: str, password: str) -> httpx.Client:
    """Return a client of the admin at an address, logged in as its user admin. The caller closes it."""
    client = httpx.Client(base_url=address, timeout=TIMEOUT_SECONDS, follow_redirects=True, trust_env=False)
    form = client.get("/admin/login/").text
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
    assert token is not None, "the log-in page has a form"
    fields = {"username": "admin", "password": password, "csrfmiddlewaretoken": token[1], "next": "/admin/"}
    answer = client.post("/admin/login/", data=fields, headers={"Referer": address}, follow_redirects=False)
    if not answer.has_redirect_location:
        raise RuntimeError(f"the log-in at {address} was refused: {answer.status_code}")
    return client


def kept_password(home: Path) -> str:
    """Return the password that was generated for the admin of a stack."""
    return (home / "admin-password").read_text().strip()
