"""A cell's value as the sheet shows it: 0.075 under the format 0.0% is 7.5%, 42 under 00000 is 00042.

Design note: no maintained Python library formats values by Excel's codes. What is here covers numbers, percentages, currencies,
exponents, dates, times and durations; a code beyond it, such as a fraction, shows the plain value.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Final

# Literals, currency and conditions in brackets, exponents, places of digits and what dates are made of, each a token.
_TOKEN: Final = re.compile(
    r'"[^"]*"|\\.|_.|\*.|\[[^\]]*\]|General|E[+-]|AM/PM|A/P|y+|m+|d+|h+|s+(?:\.0+)?|[0#?]|%|[.,]|@|.', re.I | re.S
)
_CURRENCY: Final = re.compile(r"\[\$([^-\]]*)")
_ELAPSED: Final = re.compile(r"\[(h+|m+|s+)\]", re.I)
_DIGITS: Final = frozenset("0#?")
Value = str | int | float | bool | date | time | timedelta


def shown(value: object, code: str) -> str:
    """Return the text of a cell with this value and number format."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, datetime | date | time | timedelta):
        return _moment(value, code)
    if isinstance(value, int | float):
        return _number(value, code)
    return str(value)


def plain(value: float) -> str:
    """Write a number with the 15 digits that spreadsheets keep."""
    if isinstance(value, int) or (value == value and abs(value) < 1e15 and value == int(value)):
        return str(int(value)) if abs(value) < 1e15 else f"{Decimal(f'{value:.15g}'):f}"
    return f"{value:.15g}"


@lru_cache(maxsize=1024)
def tokens(code: str) -> tuple[tuple[str, ...], ...]:
    """Return the sections of a format: for positive numbers, negative ones, zero and text."""
    sections: list[list[str]] = [[]]
    for match in _TOKEN.finditer(code):
        if match.group() == ";":
            sections.append([])
        else:
            sections[-1].append(match.group())
    return tuple(map(tuple, sections))


def _number(value: float, code: str) -> str:
    sections = tokens(code)
    if code in ("", "General", "@") or value != value or value in (float("inf"), float("-inf")):
        return plain(value)
    own = value < 0 and len(sections) > 1 and bool(sections[1])
    section = sections[1] if own else sections[2] if value == 0 and len(sections) > 2 and sections[2] else sections[0]
    if "/" in section or not any(token in _DIGITS for token in section):
        literal = "".join(map(_literal, section)).strip()
        return literal if literal and not any(token.lower() == "general" or token == "/" for token in section) else plain(value)
    number = abs(Decimal(f"{value:.15g}"))
    sign = "-" if value < 0 and not own else ""
    number *= 100 ** sum(token == "%" for token in section)
    exponent = next((index for index, token in enumerate(section) if token.upper() in ("E+", "E-")), None)
    if exponent is not None:
        return f"{float(value):.{_places(section[:exponent])}E}"
    return (sign + _filled(number, section)).strip()


def _places(section: tuple[str, ...]) -> int:
    return sum(token in _DIGITS for token in section[section.index(".") :]) if "." in section else 0


def _filled(number: Decimal, section: tuple[str, ...]) -> str:
    """Write the number into the places of the section, its literals between them."""
    last = max(index for index, token in enumerate(section) if token in _DIGITS)
    for token in section[last + 1 :]:
        if token != ",":
            break
        number /= 1000
    point = section.index(".") if "." in section else last + 1
    first = min(index for index, token in enumerate(section) if token in _DIGITS)
    grouped = any(token == "," for token in section[first : min(point, last)])
    if number < Decimal(10) ** 20:
        number = number.quantize(Decimal(1).scaleb(-_places(section)), rounding=ROUND_HALF_UP)
    whole, _, part = f"{number:f}".partition(".")
    text = _whole(whole, section[:point], grouped) + "".join(map(_literal, section[last + 1 :])) if point > last else ""
    return text or _whole(whole, section[:point], grouped) + _part(part, section[point:])


def _whole(digits: str, section: tuple[str, ...], grouped: bool) -> str:
    least = sum(token == "0" for token in section)
    left = list(("" if digits == "0" else digits).rjust(least, "0"))
    out: list[str] = []
    places = [index for index, token in enumerate(section) if token in _DIGITS]
    count = 0
    for index in range(len(section) - 1, -1, -1):
        token = section[index]
        if token not in _DIGITS:
            out.append(_literal(token))
            continue
        while left:
            if grouped and count and count % 3 == 0:
                out.append(",")
            out.append(left.pop())
            count += 1
            if index != places[0]:
                break
    return "".join(reversed(out))


def _part(digits: str, section: tuple[str, ...]) -> str:
    out: list[str] = []
    left = list(digits)
    keep = len(digits.rstrip("0"))
    for token in section[1:]:
        if token in _DIGITS:
            digit = left.pop(0) if left else "0"
            keep -= 1
            if token == "0" or keep >= 0:
                out.append(digit)
        else:
            out.append(_literal(token))
    text = "".join(out)
    return f".{text}" if text[:1].isdigit() else text


def _literal(token: str) -> str:
    if token.startswith('"'):
        return token[1:-1]
    if token.startswith("\\"):
        return token[1:]
    if token.startswith("[$"):
        return _CURRENCY.match(token).group(1)  # type: ignore[union-attr]
    if token[0] in "_*[" or token in (",", "@", "#", "?", "0"):
        return " " if token[0] == "_" else ""
    return token


def _moment(value: date | time | timedelta, code: str) -> str:
    section = tokens(code)[0]
    if isinstance(value, timedelta) or (isinstance(value, time) and _ELAPSED.search(code)):
        seconds = value.total_seconds() if isinstance(value, timedelta) else value.hour * 3600 + value.minute * 60 + value.second
        return _elapsed(round(seconds), section)
    if not any(token[0].lower() in "ymdhs" for token in section):
        return str(value)
    out: list[str] = []
    half = any(token.upper() in ("AM/PM", "A/P") for token in section)
    for index, token in enumerate(section):
        out.append(
            _field(value, token.lower(), half, _is_minute(section, index)) if token[0].lower() in "ymdhsa" else _literal(token)
        )
    return "".join(out).strip()


def _is_minute(section: tuple[str, ...], index: int) -> bool:
    fields = [(place, token[0].lower()) for place, token in enumerate(section) if token[0].lower() in "ymdhs"]
    at = next((number for number, (place, _) in enumerate(fields) if place == index), None)
    if at is None:
        return False
    return (at > 0 and fields[at - 1][1] == "h") or (at + 1 < len(fields) and fields[at + 1][1] == "s")


def _field(value: date | time, token: str, half: bool, minute: bool) -> str:
    clock = value if isinstance(value, datetime | time) else time()
    wide = len(token) > 1
    if token in ("am/pm", "a/p"):
        return "PM" if clock.hour >= 12 else "AM"
    if token[0] == "h":
        hour = (clock.hour % 12 or 12) if half else clock.hour
        return f"{hour:02d}" if wide else str(hour)
    if token[0] == "s":
        digits = len(token.partition(".")[2])
        return f"{clock.second:02d}" + (f".{clock.microsecond:06d}"[: digits + 1] if digits else "")
    if token[0] == "m" and (minute or isinstance(value, time)):
        return f"{clock.minute:02d}" if wide else str(clock.minute)
    if isinstance(value, time):
        return ""
    if token[0] == "y":
        return f"{value.year:04d}" if len(token) > 2 else f"{value.year % 100:02d}"
    named = {"mmm": "%b", "mmmm": "%B", "mmmmm": "%b", "ddd": "%a", "dddd": "%A"}.get(token)
    if named:
        return value.strftime(named)
    number = value.month if token[0] == "m" else value.day if token[0] == "d" else 0
    return (f"{number:02d}" if wide else str(number)) if number else ""


def _elapsed(seconds: int, section: tuple[str, ...]) -> str:
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    out: list[str] = []
    for token in section or ("[h]", ":", "mm", ":", "ss"):
        whole = _ELAPSED.fullmatch(token)
        unit = (whole.group(1) if whole else token)[0].lower()
        if unit not in "hms":
            out.append(_literal(token))
            continue
        size = {"h": 3600, "m": 60, "s": 1}[unit]
        number = seconds // size if whole else seconds // size % (24 if unit == "h" else 60)
        out.append(str(number).rjust(len(token) - 2 if whole else len(token.partition(".")[0]), "0"))
    return sign + "".join(out)
