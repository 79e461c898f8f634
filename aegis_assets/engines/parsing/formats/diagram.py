"""Read the texts of a SmartArt diagram, which Office keeps in a part of its own, in the order of its tree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from lxml import etree

_DGM: Final = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}"
_A: Final = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
RELATED: Final = f"{_DGM}relIds"
DATA: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}dm"


def texts(part: bytes) -> list[str]:
    """Nodes from the root down, each before what is below it; then the nodes that nothing leads to."""
    root = etree.fromstring(part, etree.XMLParser(resolve_entities=False, no_network=True))
    words = {point.get("modelId"): _text(point) for point in root.iter(f"{_DGM}pt") if point.get("type", "node") in _NODES}
    below: dict[str, list[tuple[int, str]]] = {}
    for link in root.iter(f"{_DGM}cxn"):
        if link.get("type", "parOf") == "parOf":
            below.setdefault(link.get("srcId"), []).append((int(link.get("srcOrd", "0")), link.get("destId")))
    order = dict.fromkeys([*_walk(below, words), *words])
    return [words[name] for name in order if words.get(name)]


_NODES: Final = ("node", "asst", "doc")


def _walk(below: dict[str, list[tuple[int, str]]], words: dict[str, str]) -> Iterator[str]:
    inner = {name for children in below.values() for _, name in children}
    stack = [name for name in reversed(words) if name not in inner]
    seen: set[str] = set()
    while stack:
        name = stack.pop()
        if name not in seen:
            seen.add(name)
            yield name
            stack.extend(child for _, child in sorted(below.get(name, ()), reverse=True))


def _text(point: Any) -> str:
    paragraphs = ("".join(text.text or "" for text in each.iter(f"{_A}t")) for each in point.iter(f"{_A}p"))
    return " ".join(text.strip() for text in paragraphs if text.strip())
