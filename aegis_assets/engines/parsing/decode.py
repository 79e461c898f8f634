"""Bytes of a text file into clean text, whatever its encoding: never an error, never text lost without a trace.

Order: byte order mark, UTF-16 without one, a charset that HTML or XML declares, UTF-8, UTF-8 with damage, charset-normalizer,
Windows-1252. The questionable decision: damaged UTF-8 keeps its good sequences and reads each stray byte as Windows-1252, because
such files are nearly always UTF-8 with a few lines pasted from an older program.
"""

from __future__ import annotations

import codecs
import re
from typing import Final

from aegis_assets.engines.parsing.charsets import guess

# UTF-32 first: its little-endian mark starts with the one of UTF-16.
_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DECLARED: Final = re.compile(
    rb"""(?:<meta[^>]{0,200}?charset\s*=|<\?xml[^>]{0,200}?encoding\s*=)\s*["']?\s*([A-Za-z0-9_.:-]{2,40})""", re.I
)
# C0 but tab and newline, DEL, lone surrogates (PostgreSQL stores neither NUL nor surrogates), U+FEFF inside text.
_CONTROLS: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufeff]")
_SAMPLE: Final = 65_536  # bytes that are enough to guess an encoding
_SHORT: Final = 6  # characters beyond ASCII; fewer are accents in a Western text
_SURE: Final = 3  # valid sequences of UTF-8 to a stray byte: GBK has about as many of both
# Windows-1252 for every byte, its five holes as Latin-1; U+DCxx is how surrogateescape marks a byte that is not UTF-8.
_STRAY: Final = {0xDC00 + byte: bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in range(0x80, 0x100)}


def clean(text: str) -> str:
    """Without control characters and lone surrogates; line ends as \\n."""
    return _CONTROLS.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def decode(content: bytes) -> str:
    """The text of the bytes, cleaned."""
    return clean(_decode(content))


def _decode(content: bytes) -> str:
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content.decode(encoding, "replace")
    wide = wide_encoding(content)
    if wide:
        return content.decode(wide, "replace")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        pass
    declared = _DECLARED.search(content[:4096])
    if declared and (text := _strictly(content, declared.group(1).decode("ascii"))) is not None:
        return text
    return _undeclared(content)


def _undeclared(content: bytes) -> str:
    escaped = content.decode("utf-8", "surrogateescape")
    stray = sum("\udc80" <= character <= "\udcff" for character in escaped)
    sequences = sum(character > "\x7f" for character in escaped) - stray
    if sequences > _SURE * stray:  # a single-byte encoding hardly ever forms valid sequences
        return escaped.translate(_STRAY)
    if stray + sequences >= _SHORT and (text := _guess(content)) is not None:
        return text
    return escaped.translate(_STRAY) if sequences > stray else content.decode("ascii", "surrogateescape").translate(_STRAY)


def _guess(content: bytes) -> str | None:
    charset = guess(content)
    if charset is not None:
        return content.decode(charset, "replace")
    from charset_normalizer import from_bytes

    first = next(index for index, byte in enumerate(content) if byte > 0x7F)
    start = max(0, first - 1024)
    best = from_bytes(content[start : start + _SAMPLE]).best()
    return _strictly(content, best.encoding) if best is not None and not best.encoding.startswith("utf_") else None


def _strictly(content: bytes, encoding: str) -> str | None:
    """None where the encoding is unknown, is no text encoding, or does not fit."""
    try:
        return codecs.lookup(encoding).decode(content, "strict")[0] if codecs.lookup(encoding)._is_text_encoding else None
    except (LookupError, UnicodeError, ValueError):
        return None


def wide_encoding(content: bytes) -> str | None:
    """utf-16-le or utf-16-be, where NULs stand in every second place: text in it without a byte order mark."""
    head = content[:4096]
    if len(head) < 4 or len(content) % 2:
        return None
    pairs = len(head) // 2
    low, high = head[0::2].count(0), head[1::2].count(0)
    if high > pairs * 0.4 and low < pairs * 0.05:
        return "utf-16-le"
    if low > pairs * 0.4 and high < pairs * 0.05:
        return "utf-16-be"
    return None
