"""What is edited as rows: collections and merges."""

from __future__ import annotations

import io
from uuid import UUID

import pytest
from django.test import Client
from django.urls import reverse

from aegis_assets.stores.ledger import Ledger
from tests.webadmin.conftest import browser
from webadmin.documents import services
from webadmin.documents.models import Collection, Entity, Merge


def new(name: str) -> None:
    services.upload(io.BytesIO(name.encode()), name, "default")


def test_a_collection_with_documents_cannot_be_deleted(admin: Client, ledger: Ledger) -> None:
    new("a.md")
    collection = Collection.objects.get()
    address = reverse("admin:documents_collection_delete", args=[collection.pk])
    assert admin.post(address, {"post": "yes"}).status_code == 403
    assert Collection.objects.exists()


def test_a_collection_made_in_the_admin_is_the_one_that_an_upload_by_its_name_goes_to(admin: Client) -> None:
    fields = {"name": "papers", "description": "", "entity_types": "Person,Place", "relation_types": "", "prompt": ""}
    assert admin.post(reverse("admin:documents_collection_add"), fields).status_code == 302
    services.upload(io.BytesIO(b"1"), "a.md", "papers")
    collection = Collection.objects.get()
    assert collection.entity_types == ["Person", "Place"]
    assert collection.documents.count() == 1


@pytest.fixture
def merge(ledger: Ledger) -> Merge:
    """Two names that resolve took for one."""
    new("a.md")
    collection = Collection.objects.get()
    entities = [
        Entity.objects.create(
            id=UUID(int=n), collection=collection, canonical_id=UUID(int=1), type="tool", name=name, normalised=name
        )
        for n, name in enumerate(("robot", "robots"), 1)
    ]
    return Merge.objects.create(collection=collection, left=entities[0], right=entities[1], reason="fuzzy", score=0.9)


def test_a_merge_is_looked_at_here_and_undone_where_its_names_are(merge: Merge, ledger: Ledger) -> None:
    address = reverse("admin:documents_merge_change", args=[merge.pk])
    client = browser(group="admin")
    assert f"{reverse('console:graph')}?entity={merge.left_id}" in client.get(address).content.decode()
    assert client.post(address, {"undone": "on", "reason": "by hand", "score": "0"}).status_code == 403
    merge.refresh_from_db()
    assert (merge.undone, merge.reason, merge.score) == (False, "fuzzy", 0.9)
    assert client.post(reverse("admin:documents_merge_delete", args=[merge.pk]), {"post": "yes"}).status_code == 403
