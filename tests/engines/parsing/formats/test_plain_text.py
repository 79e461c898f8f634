"""Text that programs wrote is read as its reader means it, in the charset that it was written in."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from aegis_assets.engines.parsing.decode import decode
from aegis_assets.engines.parsing.readable import readable
from tests.engines.parsing.conftest import Way


def test_source_code_keeps_its_lines_and_indentation(way: Callable[..., Way]) -> None:
    source = "class Lock:\n    depth = 3\n\n    def open(self) -> None:\n        pass\n\n\n        # last\n"
    assert "    depth = 3\n    def open(self) -> None:\n        pass\n        # last" in way(source, "a.py").text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ('{"a": "Gr\\u00f6\\u00dfe \\ud83d\\ude80", "b": "C:\\\\u00fc \\u0022"}', '{"a": "Größe 🚀", "b": "C:\\\\u00fc \\u0022"}'),
        ('{"a": "\\u00fc"}\n{"a": "\\u00e4"}\n', '{"a": "ü"}\n{"a": "ä"}\n'),
        (
            "BEGIN:VCALENDAR\nSUMMARY:Si\n te\\, weir\nEND:VCALENDAR",
            "BEGIN:VCALENDAR\nSUMMARY:Site, weir\nEND:VCALENDAR",
        ),
        ("1\n00:00:01,000 --> 00:00:02,000\n<i>Hold</i> on.\n\n2\n00:00:03,000 --> 00:00:04,000\nNow.", "Hold on.\n\n\nNow."),
        ("Not {json \\u00fc", "Not {json \\u00fc"),
    ],
)
def test_escapes_folds_and_times_are_resolved(source: str, text: str) -> None:
    assert readable(source) == text


@pytest.mark.parametrize(
    ("charset", "text"),
    [
        ("koi8-r", "Шлюз закрыт"),
        ("cp1251", "Шлюз закрыт"),
        ("cp866", "Шлюз закрыт на зиму"),
        ("gbk", "你好世界"),
        ("gbk", "仓库的钥匙在三号箱里。"),
        ("big5", "倉庫的鑰匙在三號箱裡。"),
        ("cp932", "倉庫の鍵は三番の箱です"),
        ("euc-jp", "倉庫の鍵は三番の箱です"),
        ("cp949", "창고 열쇠는 상자에 있다"),
        ("cp1252", "Mädchen fährt über Köln und lädt Äpfel für Jürgen"),
        ("cp1250", "Zażółć gęślą jaźń"),
        ("cp1253", "Το κλειδί είναι στο κουτί"),
        ("cp1255", "המפתח נמצא בארון"),
        ("cp1256", "المفتاح في الصندوق"),
    ],
)
def test_short_texts_are_read_in_their_charset(charset: str, text: str) -> None:
    assert decode(text.encode(charset)) == text
