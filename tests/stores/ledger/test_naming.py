from __future__ import annotations

import pytest

from aegis_assets.errors import BadInput
from aegis_assets.stores.ledger.naming import collection_name, document_name, holdable, upload_key


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("plain.pdf", "plain.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\a.docx", "a.docx"),
        ("a\x00b\x1f\u202ec.pdf", "abc.pdf"),
        ("tab\there\n.md", "tab here .md"),
        ("..", "unnamed"),
        ("", "unnamed"),
        ("folder/", "folder"),
        ("\udcff.pdf", ".pdf"),
        ("<b>bold</b>.html", "b>.html"),
        ("e\u0301.md", "é.md"),
    ],
)
def test_a_name_keeps_what_can_be_seen(name: str, cleaned: str) -> None:
    assert document_name(name) == cleaned


def test_a_long_name_is_cut_and_keeps_its_ending() -> None:
    cleaned = document_name("ß" * 400 + ".pdf")
    assert len(cleaned) == 255
    assert cleaned.endswith("ß.pdf")


@pytest.mark.parametrize("name", ["", "a/b", "a b", "x" * 64, ".hidden", "-x", "ü", "a\n"])
def test_a_collection_of_that_name_is_refused(name: str) -> None:
    with pytest.raises(BadInput):
        collection_name(name)


@pytest.mark.parametrize("key", ["", "a\x00b", "\ud800", "x" * 1025])
def test_a_key_that_postgresql_cannot_hold_is_known(key: str) -> None:
    assert not holdable(key)
    assert holdable("a/b c/ü.pdf")


def test_an_uploads_key_keeps_its_directories_and_nothing_that_climbs() -> None:
    assert upload_key("a/x.md") != upload_key("b/x.md")
    assert upload_key("../../a/./b\x00/x.md") == "a/b/x.md"
    assert upload_key("..\\..") == "unnamed"


def test_paths_too_long_to_keep_stay_apart_and_keep_their_end() -> None:
    deep = "/".join(["folder"] * 200)
    keys = {upload_key(f"{top}/{deep}/x.md") for top in ("one", "two")}
    assert len(keys) == 2
    assert all(len(key) <= 1024 and key.endswith("/folder/x.md") for key in keys)
    assert upload_key(f"one/{deep}/x.md") in keys
