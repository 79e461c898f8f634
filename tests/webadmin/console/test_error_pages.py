"""What a person sees where there is no page: a sentence in their language, and the way back."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.contenttypes.models import ContentType
from django.test import Client

from tests.webadmin.conftest import browser
from webadmin.console.limits import queries

NOWHERE = "/admin/nowhere/at/all"


@pytest.mark.parametrize(
    ("language", "sentence"), [("en", "There is nothing at this address."), ("de", "Unter dieser Adresse gibt es nichts.")]
)
def test_an_address_without_a_page(site: Path, language: str, sentence: str) -> None:
    answer = browser("view_document").get(NOWHERE, headers={"accept-language": language})
    assert answer.status_code == 404
    assert f'<html lang="{language}">' in answer.text
    assert sentence in answer.text
    assert 'href="/admin/"' in answer.text


@pytest.mark.parametrize("identity", ["1", "x", "7d1f0a52-6c1c-4f0e-9a58-0d5b2a2c9e11", "9" * 30])
def test_the_way_to_an_object_s_own_page_leads_nowhere_whatever_the_id(site: Path, identity: str) -> None:
    client = browser(superuser=True)
    for kind in ContentType.objects.values_list("pk", flat=True):
        assert client.get(f"/admin/r/{kind}/{identity}/").status_code == 404, kind


def test_a_page_that_somebody_may_not_see(site: Path) -> None:
    answer = browser().get("/admin/limits/", headers={"accept-language": "de"})
    assert answer.status_code == 403
    assert "Das dürfen Sie nicht." in answer.text


def test_a_form_without_its_token(site: Path) -> None:
    client = Client(enforce_csrf_checks=True, headers={"host": "localhost"})
    answer = client.post("/admin/login/", {"username": "a", "password": "b"}, headers={"accept-language": "de"})
    assert answer.status_code == 403
    assert "laden Sie die Seite neu" in answer.text


def test_a_defect_of_ours(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise ZeroDivisionError("the reason is nobody's business")

    client = browser(superuser=True)
    client.raise_request_exception = False
    monkeypatch.setattr(queries, "engaged", broken)
    answer = client.get("/admin/limits/", headers={"accept-language": "de"})
    assert answer.status_code == 500
    assert "Protokoll" in answer.text
    assert "nobody's business" not in answer.text
