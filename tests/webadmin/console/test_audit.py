"""Who did what, when, to what."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from aegis_assets.model.document import State
from aegis_assets.stores.ledger import Ledger
from tests.doubles.dagster_graphql import DagsterDouble
from tests.webadmin.conftest import browser
from tests.webadmin.test_admin import LIST, NASTY, url
from tests.webadmin.typed import Typed
from tests.webadmin.uploads import put
from webadmin.console.audit import trail
from webadmin.console.audit.trail import COMMAND, Actor
from webadmin.console.models import AuditEntry

TRAIL = "/admin/console/auditentry/"


def acts(**chosen: str) -> list[tuple[str, str, str]]:
    rows = AuditEntry.objects.filter(**chosen).exclude(action__startswith="session").order_by("id")
    return list(rows.values_list("actor", "action", "target"))


def test_each_action_on_a_document_is_written_down(dagster: DagsterDouble, site: Path) -> None:
    client = browser(group="admin")
    who = User.objects.latest("id").username
    document = put("a.md")
    client.post(url(document, "ingest"))
    chosen = {"_selected_action": [str(document)], "index": "0", "action": "remove", "confirm": "yes"}
    client.post(LIST, chosen)
    assert acts() == [(who, "document.ingest", "a.md"), (who, "document.remove", "a.md")]
    page = client.get(url(document, "history")).content.decode()
    assert "Ingestion started" in page
    assert who in page


def test_what_was_refused_is_not_written_down(dagster: DagsterDouble, site: Path) -> None:
    document = put("a.md")
    browser(group="viewer").post(url(document, "ingest"))
    browser(group="admin").post(url(document, "retry"))
    browser(group="admin").post(url(document, "retry"))
    assert [act for _, act, _ in acts()].count("document.retry") == 1


def test_changes_of_collections_and_limits_are_written_down_with_their_fields(admin: Client) -> None:
    fields = {"name": "papers", "description": "", "entity_types": "", "relation_types": "", "prompt": ""}
    admin.post(reverse("admin:documents_collection_add"), fields)
    entry = AuditEntry.objects.get(action="collection.add")
    admin.post(reverse("admin:documents_collection_change", args=[entry.target_id]), {**fields, "prompt": "Be exact."})
    assert AuditEntry.objects.get(action="collection.change").details == {"fields": ["prompt"]}


def test_a_password_that_its_owner_changes_is_written_down_once_and_not_what_it_is(site: Path) -> None:
    ada = User.objects.create_user("ada", password="a long password", is_staff=True)
    client = Client(headers={"host": "localhost"})
    client.force_login(ada)
    page = reverse("admin:password_change")
    fields = {"old_password": "wrong", "new_password1": "another long one", "new_password2": "another long one"}
    assert client.get(page).status_code == 200
    assert client.post(page, fields).status_code == 200
    assert acts() == []
    assert client.post(page, {**fields, "old_password": "a long password"}).status_code == 302
    entry = AuditEntry.objects.get(action="user.password")
    assert (entry.actor, entry.target, entry.details) == ("ada", "ada", {})


def test_a_collection_that_an_upload_makes_is_written_down_once(admin: Client, dagster: DagsterDouble) -> None:
    def files(*names: str) -> list[SimpleUploadedFile]:
        return [SimpleUploadedFile(name, name.encode()) for name in names]

    admin.post("/api/documents", {"files": files("a.md", "b.md"), "collection": "by-api", "ingest": "no"})
    admin.post("/api/documents", {"files": files("c.md"), "collection": "by-api", "ingest": "no"})
    admin.post(reverse("console:upload-one"), {"files": files("d.md"), "new_collection": "by-one", "path": "d.md"})
    admin.post(reverse("admin:documents_document_add"), {"files": files("e.md"), "new_collection": "by-form"})
    made = AuditEntry.objects.filter(action="collection.add").order_by("id")
    assert [entry.target for entry in made] == ["by-api", "by-one", "by-form"]
    assert {entry.target_kind for entry in made} == {"collection"}
    assert acts()[0][1:] == ("collection.add", "by-api"), "before the document that is put into it"


def test_a_trail_outlives_whom_it_speaks_of(site: Path) -> None:
    gone = User.objects.create_user("gone", is_staff=True)
    trail.record(Actor(gone.pk, "gone"), "document.retry", gone)
    gone.delete()
    assert AuditEntry.objects.get().actor == "gone"


def test_the_trail_is_filtered_shown_as_text_and_changed_by_nobody(admin: Client) -> None:
    trail.record(Actor(None, NASTY), "document.retry", User(pk=1, username=NASTY), reason=NASTY)
    trail.record(Actor(None, "ben"), "document.cancel")
    page = admin.get(TRAIL).content.decode()
    assert "<img src=x" not in page
    assert "Retried" in page
    filtered = admin.get(f"{TRAIL}?action=document.cancel").content.decode()
    assert "<bdi>ben</bdi>" in filtered
    assert "&lt;img src=x" not in filtered
    entry = AuditEntry.objects.earliest("id")
    assert admin.post(reverse("admin:console_auditentry_change", args=[entry.pk]), {"actor": "x"}).status_code == 403
    assert admin.post(reverse("admin:console_auditentry_delete", args=[entry.pk]), {"post": "yes"}).status_code == 403
    assert admin.get(f"{TRAIL}add/").status_code == 403


def test_commands_are_written_down_with_the_account_that_typed_them(
    admin: Client, ends: dict[str, State], ledger: Ledger, papers: Path
) -> None:
    account = pwd.getpwuid(os.getuid()).pw_name
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOGNAME", "somebody-else")
        ends["one.md"] = State.PARTIAL
        Typed("ingest", str(papers / "one.md"))
        Typed("ingest", str(papers / "one.md"))
        ends.clear()
        Typed("retry", "one.md")
        Typed("remove", "no such document")
    entries = list(AuditEntry.objects.order_by("id").exclude(action__startswith="session"))
    assert [entry.action for entry in entries] == [
        "collection.add", "document.upload", "document.ingest", "document.ingest", "document.retry",
    ]  # fmt: skip
    assert {(entry.actor, entry.actor_id, entry.target) for entry in entries[1:]} == {(account, None, entries[1].target)}
    assert (entries[0].actor, entries[0].target) == (account, "default")
    page = admin.get(TRAIL, headers={"accept-language": "de"}).content.decode()
    assert page.count(f"<bdi>{account}</bdi> (per Befehl)") == 5


def test_the_trail_is_filtered_by_the_accounts_that_typed_commands_too(admin: Client) -> None:
    User.objects.create_user("root", is_staff=True)
    trail.record(Actor(None, "root"), "document.retry", User(pk=1, username="typed"), **COMMAND)
    trail.record(Actor(7, "root"), "document.retry", User(pk=2, username="clicked"))
    trail.record(Actor(None, "mallory"), "session.log in failed")
    page = admin.get(TRAIL, headers={"accept-language": "de"}).content.decode()
    assert "root (per Befehl)" in page
    assert "?target_kind=entity" in page
    assert "Entität</" in page.replace("\n", "").replace(" ", ""), "kinds are words too"
    assert "mallory (per Befehl)" not in page
    by_command = admin.get(TRAIL, {"actor": "command:root"}).content.decode()
    assert ("<bdi>typed</bdi>" in by_command, "<bdi>clicked</bdi>" in by_command) == (True, False)
    by_person = admin.get(TRAIL, {"actor": "root"}).content.decode()
    assert ("<bdi>typed</bdi>" in by_person, "<bdi>clicked</bdi>" in by_person) == (False, True)
