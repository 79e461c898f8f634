"""Bytes of any encoding become clean text."""

from __future__ import annotations

import random

import pytest

from aegis_assets.engines.parsing.decode import clean, decode

GERMAN = "Größe und Maß: schöne Grüße aus München, über Köln nach Düsseldorf, wo früher Käse gewürzt wurde. Äpfel, Öl, Übermut."
RUSSIAN = "Насос качает воду. Смазывайте его каждую неделю и проверяйте болты, прокладки и клапаны."


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "cp1252", "iso8859-15"]
)
def test_german_is_read_in_every_encoding(encoding: str) -> None:
    assert decode(GERMAN.encode(encoding)) == GERMAN


@pytest.mark.parametrize("encoding", ["cp1251", "utf-16"])
def test_russian_is_read_in_its_encodings(encoding: str) -> None:
    assert decode(RUSSIAN.encode(encoding)) == RUSSIAN


def test_japanese_in_shift_jis_is_recognised() -> None:
    text = "ポンプは水を動かします。毎週、油をさしてください。ボルトと弁を確認してください。"
    assert decode(text.encode("shift_jis")) == text


def test_one_word_of_latin_1_is_not_taken_for_utf_16() -> None:
    assert decode("café".encode("latin-1")) == "café"


def test_utf_8_with_stray_latin_1_keeps_both() -> None:
    mixed = GERMAN.encode() + b"\n" + "Übel".encode("latin-1") + b"\n" + GERMAN.encode()
    assert decode(mixed) == f"{GERMAN}\nÜbel\n{GERMAN}"


def test_a_declared_charset_is_believed_where_it_fits() -> None:
    page = '<html><head><meta charset="koi8-r"></head><body>Насос</body></html>'
    assert "Насос" in decode(page.encode("koi8-r"))


@pytest.mark.parametrize("name", ["bogus", "base64", "rot13", "zip", "idna"])
def test_a_declared_charset_that_is_none_does_no_harm(name: str) -> None:
    assert "Gr" in decode(f'<meta charset="{name}">Grüße'.encode("latin-1"))


def test_control_characters_and_nuls_are_taken_out() -> None:
    assert decode(b"a\x00b\x01c\td\r\ne\rf\x7f\x1b[0m") == "abc\td\ne\nf[0m"
    assert clean("a\ud800b\ufeffc") == "abc"


@pytest.mark.parametrize("seed", range(40))
def test_no_bytes_make_it_fail_and_the_result_can_be_stored(seed: int) -> None:
    content = random.Random(seed).randbytes(400)
    text = decode(content)
    assert "\x00" not in text
    text.encode("utf-8")


@pytest.mark.parametrize("seed", range(20))
def test_ascii_letters_are_never_lost_beside_broken_bytes(seed: int) -> None:
    dice = random.Random(seed)
    words = [dice.choice(["pump", "valve", "bolt"]) for _ in range(50)]
    content = b" ".join(word.encode() + bytes([dice.randrange(0x80, 0x100)]) + b" " for word in words)
    assert [word for word in ("pump", "valve", "bolt") for _ in range(decode(content).count(word))] == sorted(
        words, key=("pump", "valve", "bolt").index
    )
