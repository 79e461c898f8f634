"""A converted document into sections: small docling documents, one JSON line each, in reading order.

A section starts at a heading, or after about `limit` tokens of text where there are none. Those cuts are chosen by the content (a
rolling choice by hash), so that an inserted row or paragraph moves the cuts near it and no others. The questionable decision: the
artifact is a file of lines and not one docling document, so that a window reads its own sections and not the whole of a long book.
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Iterable, Iterator
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Final, NamedTuple

from aegis_assets.engines.parsing.plain import expand
from aegis_assets.engines.parsing.tree import Assembly, Node, Slice, Tree, carried, children, node, walk
from aegis_assets.model.parsing import Heading, Part

CHUNK: Final = 200  # tokens of a typical chunk: what a section's weight counts in
DEEPEST: Final = 20
LONGEST_HEADING: Final = 300  # characters of a heading that is repeated in every part below it
_BYTES_PER_TOKEN: Final = 4  # English prose has 4.2, Chinese 3 to 4.5 in UTF-8
_PICTURE: Final = 60  # tokens of a description
# Groups whose children are content in its own right; in all others the children belong together (a list, the spans of a line).
_OPEN_GROUPS: Final = frozenset(
    {"unspecified", "chapter", "section", "sheet", "slide", "form_area", "key_value_area", "comment_section", "picture_area"}
)
_ODS_SHEET: Final = "sheet: "  # how docling names a sheet of ODS; in XLSX the name stands alone
# Running headers, the <title> of a page and hidden sheets are no part of what a reader reads.
_LAYERS: Final = frozenset({"body", "notes"})
_HEADINGS: Final = frozenset({"title", "section_header"})
_WORD: Final = re.compile(r"\S{1,400}\s*|\s+")
_SENTENCE_END: Final = (".", "!", "?", "…", "。", "！", "？", "\n")


class Block(NamedTuple):
    """The smallest piece that stays whole. heading: set where the piece is a heading. key: hash of its text."""

    slice_: Slice
    tokens: int
    key: int
    heading: Heading | None = None


class Section(NamedTuple):
    part: Part
    tree: Tree


def tokens(text: str) -> int:
    """An estimate that needs no tokenizer."""
    return len(text.encode("utf-8", "replace")) // _BYTES_PER_TOKEN + 1


def cuts(units: Iterable[tuple[int, int, bool]], limit: int) -> Iterator[int]:
    """Indices at which a new run begins, none longer than `limit` unless one unit is.

    units: (tokens, hash, may a run end before it). Past half the limit a unit begins a new run by the chance that its hash gives
    it, so the same units are cut at the same places whatever stands before them.
    """
    size = since = 0  # since the last place where a run may end: where those are rare, each must have a better chance
    for index, (length, key, allowed) in enumerate(units):
        since += length
        if size and (size + length > limit or (allowed and size >= limit / 2 and chosen(key, since, limit))):
            yield index
            size = 0
        size += length
        since = 0 if allowed else since


def chosen(key: int, length: int, limit: int) -> bool:
    """By the hash, so often that a run ends about a sixth of the limit after it may."""
    return (key & 0xFFFF) / 0x10000 < min(1.0, 6 * length / limit)


class _Sizes:
    """Tokens of every subtree, and which hold headings; captions of pictures and tables belong to them."""

    def __init__(self, tree: Tree) -> None:
        self.own: dict[str, int] = {}
        self.sum: dict[str, int] = {}
        self.titled: set[str] = set()
        self.carried = {ref for each in ("pictures", "tables", "texts") for item in tree.get(each, ()) for ref in carried(item)}
        for ref in reversed(list(walk(tree))):
            item = node(tree, ref)
            below = children(item)
            self.own[ref] = _own(item)
            self.sum[ref] = self.own[ref] + sum(self.sum.get(child, 0) for child in below)
            if item.get("label") in _HEADINGS or any(child in self.titled for child in below):
                self.titled.add(ref)


def _own(item: Node) -> int:
    if isinstance(item.get("data"), dict):
        return sum(tokens(cell.get("text", "")) for cell in item["data"].get("table_cells", ()))
    return tokens(item["text"]) if item.get("text") else (_PICTURE if item.get("label") in ("picture", "chart") else 0)


def blocks(tree: Tree, limit: int) -> Iterator[Block]:
    """The document in reading order. Headings come without what docling hangs below them."""
    sizes = _Sizes(tree)
    stack = list(reversed(children(tree["body"])))
    while stack:
        ref = stack.pop()
        if ref in sizes.carried:
            continue
        item = node(tree, ref)
        if item.get("content_layer", "body") not in _LAYERS:
            continue
        label = item.get("label")
        kids = list(reversed(children(item)))
        if label in _HEADINGS:
            level = 1 if label == "title" else min(DEEPEST, int(item.get("level", 1)) + 1)
            if label != "title":
                item["level"] = level
            yield _block(Slice(tree, ref, "bare"), item, sizes.own[ref], heading(level, item.get("text", "")))
            stack.extend(kids)
        elif ref.startswith("#/groups/") and label in _OPEN_GROUPS:
            if name := sheet_name(item):
                yield _sheet(name)
            stack.extend(kids)
        elif sizes.sum[ref] <= limit and not (ref in sizes.titled and ref.startswith(("#/texts/", "#/groups/"))):
            yield _block(Slice(tree, ref), item, sizes.sum[ref])
        else:
            yield from _divided(tree, ref, item, limit, sizes)
            if not ref.startswith(("#/pictures/", "#/tables/")) and not _listed(tree, ref, sizes):
                stack.extend(kids)


def sheet_name(item: Node) -> str:
    """Return the name of the sheet that a group is, '' for any other item."""
    name: str = item.get("name", "")
    return name.removeprefix(_ODS_SHEET) if item.get("label") == "sheet" or name.startswith(_ODS_SHEET) else ""


def _divided(tree: Tree, ref: str, item: Node, limit: int, sizes: _Sizes) -> Iterator[Block]:
    """A node too large for one section: a list by items, a table by rows, a text by sentences."""
    if _listed(tree, ref, sizes):
        kids = children(item)
        units = [(sizes.sum[kid], zlib.crc32(node(tree, kid).get("text", "").encode("utf-8", "replace")), True) for kid in kids]
        yield from (
            Block(Slice(tree, ref, "children", first, last), sum(unit[0] for unit in units[first:last]), units[first][1])
            for first, last in _runs(units, limit)
        )
    elif ref.startswith("#/tables/"):
        yield from _table(tree, ref, item, limit)
    elif item.get("text") and sizes.own[ref] > limit and item.get("label") != "list_item":
        yield from _text(tree, ref, item["text"], limit)
    elif ref.startswith("#/pictures/"):
        yield _block(Slice(tree, ref), item, sizes.sum[ref])
    elif item.get("text") or not children(item):
        yield _block(Slice(tree, ref, "bare"), item, sizes.own[ref])


def _text(tree: Tree, ref: str, text: str, limit: int) -> Iterator[Block]:
    """A long text, cut after sentences, or between words where it has hardly any sentences."""
    words = [match.group() for match in _WORD.finditer(text)]
    ends = [index > 0 and words[index - 1].rstrip(" ").endswith(_SENTENCE_END) for index in range(len(words))]
    anywhere = sum(ends) * 100 < len(words)
    units = [
        (max(1, tokens(word) - 1), zlib.crc32(word.encode("utf-8", "replace")), end or anywhere)
        for word, end in zip(words, ends, strict=True)
    ]
    at = [0, *accumulate(len(word) for word in words)]
    for first, last in _runs(units, limit):
        yield Block(
            Slice(tree, ref, "characters", at[first], at[last]), sum(unit[0] for unit in units[first:last]), units[first][1]
        )


def _listed(tree: Tree, ref: str, sizes: _Sizes) -> bool:
    """A group whose children make sense in runs, each run being such a group again."""
    return (
        ref.startswith("#/groups/")
        and node(tree, ref).get("label") in ("list", "ordered_list", "inline")
        and ref not in sizes.titled
    )


def _runs(units: list[tuple[int, int, bool]], limit: int) -> Iterator[tuple[int, int]]:
    edges = [0, *cuts(units, limit), len(units)]
    return pairwise(edges)


def _table(tree: Tree, ref: str, item: Node, limit: int) -> Iterator[Block]:
    data = item["data"]
    texts: list[list[str]] = [[] for _ in range(data["num_rows"])]
    header = 0
    for cell in data["table_cells"]:
        texts[cell["start_row_offset_idx"]].append(cell.get("text", ""))
        if cell.get("column_header"):
            header = max(header, cell["end_row_offset_idx"])
    header = min(header, max(0, data["num_rows"] - 1), 5)
    units = [
        (sum(tokens(text) for text in row), zlib.crc32("\t".join(row).encode("utf-8", "replace")), True) for row in texts[header:]
    ]
    for first, last in _runs(units, limit):
        size = sum(unit[0] for unit in units[first:last])
        yield Block(Slice(tree, ref, "rows", header + first, header + last, header), size, units[first][1])


def _block(slice_: Slice, item: Node, size: int, title: Heading | None = None) -> Block:
    return Block(slice_, size, zlib.crc32(item.get("text", "").encode("utf-8", "replace")), title)


def _sheet(text: str) -> Block:
    """The name of a sheet is what people know a table of a workbook by: it becomes a heading."""
    assembly = Assembly()
    assembly._append(
        {"label": "section_header", "level": 1, "text": text, "orig": text, "prov": [], "content_layer": "body"}, "texts", "#/body"
    )
    return Block(
        Slice(assembly.tree, "#/texts/0", "bare"), tokens(text), zlib.crc32(text.encode("utf-8", "replace")), heading(1, text)
    )


def heading(level: int, text: str) -> Heading:
    line = " ".join(text.split())
    return Heading(level=level, text=line if len(line) <= LONGEST_HEADING else line[: LONGEST_HEADING - 1] + "…")


def opened(stack: tuple[Heading, ...], title: Heading) -> tuple[Heading, ...]:
    """The headings open after `title`."""
    return (*above(stack, title.level), title)


def above(stack: tuple[Heading, ...], level: int) -> tuple[Heading, ...]:
    return tuple(each for each in stack if each.level < level)


def sections(source: Iterable[Block], limit: int) -> Iterator[Section]:
    """Runs of blocks. A run of headings belongs to the text below it."""
    run: list[Block] = []
    size = 0
    before: tuple[Heading, ...] = ()
    now: tuple[Heading, ...] = ()
    for block in source:
        bare = all(each.heading for each in run)
        full = size + block.tokens > limit or (size >= limit / 2 and chosen(block.key, block.tokens, limit))
        if run and not bare and (block.heading is not None or full):
            yield _section(run, before)
            run, size, before = [], 0, now
        if block.heading is not None:
            now = opened(now, block.heading)
        run.append(block)
        size += block.tokens
    if run:
        yield _section(run, before)


def _section(run: list[Block], before: tuple[Heading, ...]) -> Section:
    assembly = Assembly()
    for block in run:
        assembly.add(block.slice_)
    first = run[0].heading
    open_ = before if first is None else above(before, first.level)
    weight = max(1, -(-sum(block.tokens for block in run) // CHUNK))
    part = Part(hash=digest(assembly.tree), weight=weight, starts=first.level if first else None, headings=open_)
    return Section(part, assembly.tree)


def digest(tree: object) -> str:
    return hashlib.sha256(
        json.dumps(tree, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    ).hexdigest()


def write(source: Iterable[Section], path: Path) -> tuple[Part, ...]:
    """One line of JSON per section."""
    parts = []
    with path.open("w", encoding="utf-8") as lines:
        for section in source:
            lines.write(json.dumps(section.tree, ensure_ascii=False, separators=(",", ":")) + "\n")
            parts.append(section.part)
    return tuple(parts)


def read(path: Path, first: int, last: int) -> Iterator[Tree]:
    """Sections first to last, from 1, inclusive."""
    with path.open(encoding="utf-8", newline="\n") as lines:
        for number, line in enumerate(lines, 1):
            if number > last:
                return
            if number >= first:
                tree: Tree = json.loads(line)
                yield expand(tree)


def join(trees: Iterable[Tree]) -> Tree:
    """One document of several."""
    assembly = Assembly()
    for tree in trees:
        for ref in children(tree["body"]):
            assembly.add(Slice(tree, ref))
    return assembly.tree
