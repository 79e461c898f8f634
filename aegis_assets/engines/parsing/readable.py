"""Plain text that a program wrote for programs, such as JSON, calendars and subtitles, as a reader reads it."""

from __future__ import annotations

import re
from typing import Final

_ESCAPES: Final = re.compile(r"(?<!\\)((?:\\\\)*)((?:\\u[0-9a-fA-F]{4})+)")
_FOLDED: Final = re.compile(r"\n[ \t]")
_PLAIN_ESCAPE: Final = re.compile(r"\\([,;\\])|\\[nN]")
_CUE: Final = re.compile(r"(?:^|\n)[ \t]*\d+[ \t]*\n[ \t]*\d+:\d\d:\d\d[,.]\d+[ \t]+-->[^\n]*(?=\n|$)")
_TAG: Final = re.compile(r"</?(?:[ibu]|font\b[^>]*)>|\{\\an?\d\}", re.I)


def readable(text: str) -> str:
    """Return the text, decoded where its form leaves no doubt about what it is."""
    head = text[:200].lstrip()
    if head.startswith(("{", "[")) and text.rstrip().endswith(("}", "]")) and "\\u" in text:
        return _ESCAPES.sub(_unescaped, text)
    if head.startswith(("BEGIN:VCALENDAR", "BEGIN:VCARD")):
        return _PLAIN_ESCAPE.sub(lambda match: match.group(1) or "\n  ", _FOLDED.sub("", text))
    if _CUE.match(text.lstrip()):
        return _TAG.sub("", _CUE.sub("\n", text)).strip("\n")
    return text


def _unescaped(match: re.Match[str]) -> str:
    """The characters of \\u escapes; a pair of surrogates is one. Control characters, quotes and backslashes stay escaped."""
    codes = match.group(2).split("\\u")[1:]
    characters = "".join(chr(int(code, 16)) for code in codes).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if any(character < " " or character in '"\\' for character in characters):
        return match.group()
    return match.group(1) + characters
