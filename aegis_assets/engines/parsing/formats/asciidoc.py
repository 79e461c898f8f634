"""AsciiDoc in the form that docling's backend reads: one table row a line, no comments, attributes and inline markup resolved.

docling takes each line of a table for a row, though authors write one cell a line, and makes an item of every formatted span.
Listings and literal blocks pass unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_VERBATIM: Final = re.compile(r"(?:-{4,}|\.{4,}|\+{4,}|`{3,}.*)$")
_ATTRIBUTE: Final = re.compile(r":([\w-]+):[ \t]+(\S.*)$")
_REFERENCE: Final = re.compile(r"\{([\w-]+)\}")
_COLUMNS: Final = re.compile(r"""cols\s*=\s*(?:"([^"]*)"|'([^']*)'|([\d*]+))""")
_CELL: Final = re.compile(r"(?:^|(?<=\s))((?:\d+(?:\.\d+)?|\.\d+)?[+*]?[<^>.]{0,4}[aehlmsv]?)(?<!\\)\||(?<!\\)\|()")
_MARKUP: Final = (
    (re.compile(r"footnote(?:ref)?:\w*\[([^\]]+)\]"), r" (\1)"),
    (re.compile(r"<<[^,>]+,\s*([^>]+)>>"), r"\1"),
    (re.compile(r"<<([^,>]+)>>"), r"\1"),
    (re.compile(r"(?:xref|link|mailto):[^\s\[]+\[([^\]]+)\]"), r"\1"),
    (re.compile(r"\bhttps?://[^\s\[]+\[([^\]^]+)\^?\]"), r"\1"),
    (re.compile(r"\[\[[\w-]+\]\]|(?<!\S)\[[.#%][\w.#%-]*\](?=[#*_`])"), ""),
    (re.compile(r"(\*\*|__|``|##)(?=\S)(.+?)(?<=\S)\1"), r"\2"),
    (re.compile(r"(?<![\w\\*_`#:;}])([*_`#])(?=\S)([^\n]*?\S)\1(?!\w)"), r"\2"),
    (re.compile(r"(?<!\\)([\^~])(\w+)\1"), r"\2"),
)


def prepare(text: str) -> str:
    """Return the text with what docling misreads rewritten."""
    return "\n".join(_lines(text.split("\n")))


def _lines(lines: list[str]) -> Iterator[str]:
    attributes: dict[str, str] = {}
    fence, columns = "", 0
    table: list[str] | None = None
    for line in lines:
        bare = line.strip()
        if fence:
            fence = "" if bare == fence else fence
            yield line if bare != "/" * len(bare) or not bare else ""
            continue
        if table is not None:
            if bare in ("|===", "!==="):
                yield from _rows(table, columns)
                yield line
                table, columns = None, 0
            elif not bare.startswith("//"):
                table.append(_plain(line, attributes))
            continue
        if bare.startswith("////"):
            fence = bare
            continue
        if _VERBATIM.match(bare):
            fence = bare if not bare.startswith("`") else "```"
            yield "----" if bare.startswith("`") else line
            continue
        if bare.startswith("//"):
            continue
        if (found := _ATTRIBUTE.match(bare)) is not None:
            attributes[found.group(1)] = found.group(2)
        elif bare == "|===":
            table = []
            yield line
        elif bare.startswith("["):
            columns = _column_count(bare) or columns
            yield line
        else:
            columns = 0 if bare and not bare.startswith(".") else columns
            yield _plain(line, attributes)
    if table is not None:
        yield from _rows(table, columns)


def _plain(line: str, attributes: dict[str, str]) -> str:
    line = _REFERENCE.sub(lambda match: attributes.get(match.group(1), match.group()), line)
    indent, start, rest = _marker(line)
    for pattern, replacement in _MARKUP:
        rest = pattern.sub(replacement, rest)
    return indent + start + rest


_MARKER: Final = re.compile(r"([ \t]*)((?:[*.-]+[ \t]+)?)(.*)$", re.S)


def _marker(line: str) -> tuple[str, str, str]:
    """Indentation, list marker and the rest: a list's star is no emphasis."""
    match = _MARKER.match(line)
    return (match.group(1), match.group(2), match.group(3)) if match else ("", "", line)


def _column_count(attributes: str) -> int:
    found = _COLUMNS.search(attributes)
    if found is None:
        return 0
    names = (found.group(1) or found.group(2) or found.group(3)).split(",")
    return sum(int(name.partition("*")[0]) if name.partition("*")[0].strip().isdigit() and "*" in name else 1 for name in names)


def _rows(lines: list[str], columns: int) -> Iterator[str]:
    cells: list[str] = []
    for line in lines:
        bare = line.strip()
        marks = [*_CELL.finditer(line)]
        if not marks:
            if bare and cells:
                cells[-1] = f"{cells[-1]} {bare}".strip()
            continue
        before = line[: marks[0].start()].strip()
        if before and cells:
            cells[-1] = f"{cells[-1]} {before}".strip()
        for mark, following in zip(marks, [*marks[1:], None], strict=True):
            content = line[mark.end() : following.start() if following else len(line)].strip()
            count, sign = _repeated(mark.group(1) or "")
            cells.extend([content] * count if sign == "*" else [content, *[""] * (count - 1)])
        columns = columns or len(cells)
    for first in range(0, len(cells), max(1, columns)):
        yield " ".join(f"|{cell}" for cell in cells[first : first + columns])


def _repeated(spec: str) -> tuple[int, str]:
    found = re.match(r"(\d+)(?:\.\d+)?([+*])", spec)
    return (min(int(found.group(1)), 1000), found.group(2)) if found else (1, "")
