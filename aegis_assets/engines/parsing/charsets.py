"""Bytes that are no UTF-8 and declare no charset into the text that most looks like one, for short texts too.

charset-normalizer needs some hundred letters; a line of KOI8-R is katakana to it. Here each charset that fits is judged by its
characters: letters in the case and company that words have them in speak for it, symbols and mixed scripts against it.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Final

CHARSETS: Final = (
    "cp1252", "cp1251", "koi8-r", "koi8-u", "cp866", "cp1250", "cp1253", "cp1255", "cp1256", "cp1254",
    "gb18030", "big5", "cp932", "euc-jp", "cp949",
)  # fmt: skip
_SAMPLE: Final = 4096  # bytes around the first that is not ASCII
_LEAST: Final = 0.55  # below it the bytes are no text of these charsets
_MARGIN: Final = 0.05  # by which a charset must beat the Western one
# Letters of a script from the most frequent on: the first ten make two thirds of a text.
_COMMON: Final = {
    "CYRILLIC": "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфіїєґё",
    "GREEK": "αοιετσνηυρπκμλςγδωχθφάέίόύήώβξζψ",
    "HEBREW": "יוהלאמרשבתנעקדםחפןכגצסזטךףץ",
    "ARABIC": "اليمنوتربةعدسفهكقحشجأخصضطزثذئإغءىآؤظ",
}
_LATIN: Final = frozenset("äöüßéèàáíóúñçãõêôâîïëåøæąćęłńśźżčěřšžýůőűďťňğşı")
_HANGUL: Final = frozenset(
    "이다는의에가을를은로하고도지한사기서인대자리어아나시니전정일과해수있게보그원제안들부스주장구라마상선여우성오유음만면것공중조동모소학생국세신요무비"
    "와적경문관연화물간방당실금없했었습녕계문닫"
)
_WESTERN: Final = frozenset("ÄÖÜäöüßéèàáíóúñçãõêôâîïëåøæ")
_MARKS: Final = frozenset("„“”‚‘’«»–—…§°€£©®™·•№、。，：；！？（）「」『』《》“”　ー・・¿¡½²³µ×\xa0")
_INNER: Final = frozenset("’‘–—·・\xa0、。，：；！？（）「」『』《》“”　ー・")


def guess(content: bytes) -> str | None:
    """Return the best charset, or None where none makes words of the bytes."""
    first = next((index for index, byte in enumerate(content) if byte > 0x7F), 0)
    sample = content[max(0, first - 256) : first + _SAMPLE]
    best, most = None, _LEAST
    for charset in CHARSETS:
        try:
            text = sample.decode(charset)
        except UnicodeDecodeError as error:
            if error.start < len(sample) - 4 or not charset.startswith(("gb", "big", "cp9", "euc")):
                continue
            text = sample[: error.start].decode(charset)
        if (score := _score(text, charset)) > most + (_MARGIN if best == CHARSETS[0] else 0):
            best, most = charset, score
    return best


def _score(text: str, charset: str) -> float:
    """Return from 0 to 1 how much the characters beyond ASCII look like those of words."""
    total = count = 0.0
    for index, character in enumerate(text):
        if character < "\x80":
            continue
        before = text[index - 1] if index else " "
        after = text[index + 1] if index + 1 < len(text) else " "
        total += _worth(character, before, after, charset)
        count += 1
    return total / count if count else 0.0


def _worth(character: str, before: str, after: str, charset: str) -> float:
    script = _script(character)
    if script in _COMMON or script == "LATIN":
        near = [_script(each) for each in (before, after) if each.isalpha()]
        if any(each != script for each in near):
            return -1.0  # two scripts in a word
        if character.isupper() and before.islower():
            return -1.0
        if script == "LATIN":
            return _latin(character, before, after)
        place = _COMMON[script].find(character.lower())
        return (1.0 if 0 <= place < 10 else 0.85 if 0 <= place < 20 else 0.6) * (0.93 if character.isupper() else 1.0)
    if script == "CJK":
        return 0.0 if charset == "cp949" else 0.9 if _is_common_hanzi(character) else 0.2
    if script in ("HIRAGANA", "KATAKANA"):
        return 1.0 if charset in ("cp932", "euc-jp") else 0.1
    if script == "HANGUL":
        return 1.0 if character in _HANGUL else 0.8
    if before.isalpha() and after.isalpha() and character not in _INNER:
        return -1.0  # a symbol in a word
    return 0.6 if character in _MARKS else -0.5


def _latin(character: str, before: str, after: str) -> float:
    """Accented letters stand among plain ones; a run of them is another script, misread."""
    company = [each for each in (before, after) if each.isalpha()]
    if company and all(each > "\x7f" for each in company):
        return -0.5
    if character in _WESTERN:
        return 0.95
    return 0.8 if character.lower() in _LATIN else 0.3


@lru_cache(maxsize=65_536)
def _script(character: str) -> str:
    if character < "\x80":
        return "LATIN" if character.isalpha() else ""
    name = unicodedata.name(character, "").split(" ")[0]
    return name if unicodedata.category(character)[0] in "LM" else ""


@lru_cache(maxsize=65_536)
def _is_common_hanzi(character: str) -> bool:
    """Return whether it is of level 1 of GB 2312 or of Big5, which are ordered by use, or of JIS."""
    for charset, last in (("gb2312", b"\xd7\xf9"), ("big5", b"\xc6\x7e"), ("shift_jis", b"\x98\x72")):
        try:
            if character.encode(charset) <= last:
                return True
        except UnicodeEncodeError:
            continue
    return False
