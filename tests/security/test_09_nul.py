"""Demand 9: a NUL, which PostgreSQL does not take, is refused in a sentence wherever a request can bear one."""

from __future__ import annotations

import json
from uuid import uuid4

import httpx
import pytest

from tests.webadmin.admin_process import AdminProcess
from tests.webadmin.conftest import browser
from tests.webadmin.console.serving import cookies

HASH = "0" * 64
FILES = json.dumps([{"path": "a.md", "sha256": HASH}])
POSTS = {
    "/admin/upload/known": {"collection": "a\0b", "files": FILES},
    "/admin/upload/known?as=json": {"collection": "a", "files": json.dumps([{"path": "a.md", "sha256": "\0" * 64}])},
    "/admin/upload/known?in=path": {"collection": "a", "files": json.dumps([{"path": "\0", "sha256": HASH}])},
    "/admin/upload/one": {"new_collection": "a", "path": "a\0b"},
    "/admin/upload/begin": {"documents": "\0"},
    "/api/documents": {"collection": "a\0b"},
    "/api/documents/retry": {"collection": "a\0b"},
    "/admin/limits/reset": {"name": "\0"},
    f"/admin/graph/entities/{uuid4()}/merge": {"other": "\0"},
    f"/admin/graph/entities/{uuid4()}/split": {"name": "\0"},
    "/admin/documents/document/": {"action": "ingest", "_selected_action": "\0"},
    "/admin/auth/user/add/": {"username": "a\0b", "password1": "\0", "password2": "\0"},
    "/admin/account/": {"name": "a\0b"},
    "/i18n/setlang/": {"language": "\0", "next": "/\0"},
}


def test_no_form_address_or_cookie_can_bear_it(admin_process: AdminProcess) -> None:
    held = cookies(browser(superuser=True))
    with httpx.Client(base_url=admin_process.client.base_url, cookies=held, trust_env=False) as client:
        token = client.get("/admin/account/").cookies["csrftoken"]
        answers = {path: client.post(path, data={**form, "csrfmiddlewaretoken": token}) for path, form in POSTS.items()}
        for path in ("/admin/documents/document/?q=%00", "/admin/auth/user/%00/change/", "/api/collections/%00/remove"):
            answers[path] = client.get(path)
    for name, value in (("sessionid", '"\\000aaaaaaaaaaaa"'), ("csrftoken", '"\\000"'), ("django_language", '"\\000"')):
        answers[name] = httpx.get(f"{admin_process.client.base_url}/admin/", headers={"Cookie": f"{name}={value}"}, trust_env=False)
    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(answers, 400)


@pytest.mark.parametrize(
    ("language", "sentence"),
    [("en", "This form holds a character that is no text."), ("de", "Dieses Formular enthält ein Zeichen, das kein Text ist.")],
)
def test_it_is_said_in_a_sentence(site: object, language: str, sentence: str) -> None:
    answer = browser(superuser=True).post("/api/documents/retry", {"q": "\0"}, headers={"Accept-Language": language})
    assert (answer.status_code, answer.json()) == (400, {"error": sentence})
