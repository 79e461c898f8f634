"""How a collection's vectors are kept, on its page: checked, stored, applied to the server, and said when it acts later."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from annotated_types import Ge, Le
from django.test import Client
from django.urls import reverse

from aegis_assets.model.embedding import EmbedderInfo
from aegis_assets.model.ids import chunk_path
from aegis_assets.model.vector_settings import VectorSettings
from aegis_assets.stores.ledger import Ledger
from aegis_assets.stores.vectors import named
from tests.doubles.qdrant_server import QdrantDouble
from tests.stores.ledger import build
from tests.webadmin.conftest import browser, forget
from webadmin.console import links
from webadmin.console.collections.vectors import VectorForm
from webadmin.console.models import AuditEntry
from webadmin.documents import platform
from webadmin.documents.models import Collection
from webadmin.monitoring import doctor

BOOKS = build.collection("books")
INFO = EmbedderInfo(name="small", dimension=4, sparse="lexical", max_tokens=256, fingerprint="f1")
PAGE = "admin:documents_collection_change"

pytestmark = pytest.mark.usefixtures("no_pauses")  # the page asks for the engine server, which is away


@pytest.fixture
def books(ledger: Ledger) -> Collection:
    build.ingested(ledger, [["Ada met Bob."]])
    return Collection.objects.get(pk=BOOKS)


@pytest.fixture
def qdrant(books: Collection, monkeypatch: pytest.MonkeyPatch) -> Iterator[QdrantDouble]:
    with QdrantDouble(api_key="right") as double:
        monkeypatch.setenv("AEGIS_QDRANT_URL", double.url)
        monkeypatch.setenv("AEGIS_QDRANT_API_KEY", "right")
        forget()
        platform.vectors().ensure(BOOKS, INFO)
        Collection.objects.update(embedder=INFO.model_dump())
        yield double
        platform.vectors().close()


def save(client: Client, **edited: Any) -> str:
    """The page that follows."""
    fields = {"quantization": "none", "hnsw_m": "", "hnsw_ef_construct": "", "shards": "", "replicas": "", **edited}
    answer = client.post(
        reverse("console:collection-vectors", args=[BOOKS]),
        {f"vectors-{name}": value for name, value in fields.items()},
        follow=True,
    )
    assert answer.status_code == 200
    return answer.content.decode()


def stored() -> VectorSettings:
    return VectorSettings.model_validate(Collection.objects.get(pk=BOOKS).vectors)


def test_what_can_change_is_stored_and_applied_to_the_server_at_once(admin: Client, qdrant: QdrantDouble) -> None:
    page = save(admin, on_disk="on", quantization="scalar", hnsw_m="32")
    assert "Saved." in page
    assert "created anew" not in page
    assert stored() == VectorSettings(on_disk=True, quantization="scalar", hnsw_m=32)
    kept = qdrant.collections[named(BOOKS)].config
    assert (kept["vectors"]["dense"]["on_disk"], kept["hnsw_config"]["m"], "scalar" in kept["quantization_config"]) == (
        True,
        32,
        True,
    )
    assert AuditEntry.objects.get(action="collection.change").details == {
        "fields": ["vectors.on_disk", "vectors.quantization", "vectors.hnsw_m"]
    }
    asked = len(qdrant.asked)
    assert "Nothing was changed." in save(admin, on_disk="on", quantization="scalar", hnsw_m="32")
    assert len(qdrant.asked) == asked


def test_shards_of_a_collection_that_is_there_wait_and_the_page_says_so(admin: Client, qdrant: QdrantDouble) -> None:
    page = save(admin, shards="4", replicas="2")
    assert "until the vector collection is created anew" in page
    assert (stored().shards, stored().replicas) == (4, 2)
    assert [method for method, _, _ in qdrant.asked if method == "PATCH"] == []


def test_a_server_that_is_away_leaves_the_settings_stored_for_the_next_run(admin: Client, qdrant: QdrantDouble) -> None:
    qdrant.answers = [(500, b"{}", {})] * 10
    page = save(admin, quantization="binary")
    assert "next run applies it. The Qdrant server answered with status 500." in page
    assert stored().quantization == "binary"


@pytest.mark.parametrize(
    ("name", "value"),
    [("hnsw_m", "3"), ("hnsw_m", "257"), ("hnsw_m", "many"), ("hnsw_m", "4.5"), ("hnsw_ef_construct", "0"), ("shards", "0"),
     ("shards", "-1"), ("shards", "257"), ("replicas", "33"), ("quantization", "product"), ("quantization", "")],
)  # fmt: skip
def test_a_bad_value_is_a_sentence_at_its_field_and_nothing_is_stored(
    admin: Client, books: Collection, name: str, value: str
) -> None:
    page = save(admin, **{name: value})
    assert page.count('class="errorlist"') == 1
    assert stored() == VectorSettings()


def test_the_page_says_that_the_local_mode_ignores_them(admin: Client, books: Collection) -> None:
    assert "local mode, which ignores these settings" in admin.get(reverse(PAGE, args=[BOOKS])).content.decode()


def test_with_a_server_the_page_does_not_speak_of_the_local_mode(admin: Client, qdrant: QdrantDouble) -> None:
    assert "local mode" not in admin.get(reverse(PAGE, args=[BOOKS])).content.decode()


def test_who_may_not_change_a_collection_may_not_change_this(books: Collection) -> None:
    client = browser(group="viewer")
    assert client.get(reverse(PAGE, args=[BOOKS])).status_code == 200
    assert client.post(reverse("console:collection-vectors", args=[BOOKS]), {"vectors-quantization": "binary"}).status_code == 403
    assert stored() == VectorSettings()


@pytest.mark.parametrize("name", ["hnsw_m", "hnsw_ef_construct", "shards", "replicas"])
def test_the_form_has_the_bounds_of_the_model(name: str) -> None:
    bounds = VectorSettings.model_fields[name].metadata
    field: Any = VectorForm().fields[name]
    least = next(rule.ge for rule in bounds if isinstance(rule, Ge))
    most = next(rule.le for rule in bounds if isinstance(rule, Le))
    assert (field.min_value, field.max_value) == (least, most)


def test_doctor_names_the_server_s_version_and_a_key_over_http(qdrant: QdrantDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    (check,) = (check for check in doctor.diagnose() if check.part == "vectors")
    assert check.ok
    assert check.used == f"Qdrant at {qdrant.url} (1.16.3, AEGIS_QDRANT_API_KEY is sent over http, unencrypted)"


def test_the_link_of_a_point_is_the_chunk_s_page() -> None:
    assert chunk_path(UUID(int=1), UUID(int=2)) == links.chunk(UUID(int=1), UUID(int=2))
