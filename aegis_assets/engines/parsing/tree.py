"""Slices of docling documents into one new docling document, as JSON trees.

docling's own `concatenate` shifts page numbers and copies items as typed objects several times; `extract_items_range` knows no
part of a list, table or text. Here a slice is copied once, and its references are rewritten.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal, NamedTuple

Tree = dict[str, Any]
Node = dict[str, Any]

COLLECTIONS: Final = ("groups", "texts", "pictures", "tables", "key_value_items", "form_items", "field_regions", "field_items")
_CARRIED: Final = ("captions", "footnotes")
NAME: Final = "document"


class Slice(NamedTuple):
    """What of a node is meant. how: the whole subtree, the node without children, or a range of what it holds (first, last + 1)."""

    tree: Tree
    ref: str
    how: Literal["whole", "bare", "children", "rows", "characters"] = "whole"
    first: int = 0
    last: int = 0
    header: int = 0
    """Number of leading rows of the table that every slice of rows repeats."""


def node(tree: Tree, ref: str) -> Node:
    """ref: as '#/texts/3' or '#/body'."""
    parts = ref.split("/")
    found: Node = tree[parts[1]] if len(parts) == 2 else tree[parts[1]][int(parts[2])]
    return found


def children(of: Node) -> list[str]:
    return [child["$ref"] for child in of.get("children", ())]


def carried(of: Node) -> list[str]:
    """Captions and footnotes: they go where their picture or table goes, wherever they stand in the tree."""
    return [reference["$ref"] for field in _CARRIED for reference in of.get(field, ())]


def walk(tree: Tree, root: str = "#/body") -> Iterator[str]:
    """All references below a node, in reading order, itself first. Iterative, because hostile documents nest."""
    stack = [root]
    while stack:
        ref = stack.pop()
        yield ref
        stack.extend(reversed(children(node(tree, ref))))


def depth(tree: Tree) -> int:
    """Levels of the deepest node. docling's validation and ours of typed documents recurse."""
    deepest = 0
    stack = [("#/body", 1)]
    while stack:
        ref, level = stack.pop()
        deepest = max(deepest, level)
        stack.extend((child, level + 1) for child in children(node(tree, ref)))
    return deepest


class Assembly:
    """A docling document in the making."""

    def __init__(self) -> None:
        root = {"self_ref": "#/body", "children": [], "content_layer": "body", "name": "_root_", "label": "unspecified"}
        self.tree: Tree = {"schema_name": "DoclingDocument", "version": "1.10.0", "name": NAME, "body": root, "pages": {}}
        self.tree.update({collection: [] for collection in COLLECTIONS})

    def add(self, slice_: Slice) -> str:
        """Append the slice to the body. Returns its new reference."""
        source = node(slice_.tree, slice_.ref)
        new: dict[str, str] = {}
        top = self._copy(slice_, source, new)
        below = _chosen(slice_, source)
        stack = [(ref, top) for ref in reversed(below)]
        while stack:
            ref, parent = stack.pop()
            if ref in new:  # a caption that is also a child
                continue
            original = node(slice_.tree, ref)
            place = self._append(dict(original), ref.split("/")[1], parent)
            new[ref] = place
            stack.extend((child, place) for child in reversed([*carried(original), *children(original)]))
        for place in new.values():
            self._rewire(place, new)
        self._pages(slice_.tree, new.values())
        return top

    def _copy(self, slice_: Slice, source: Node, new: dict[str, str]) -> str:
        copy = dict(source)
        if slice_.how == "characters":
            copy["text"] = copy["orig"] = source["text"][slice_.first : slice_.last]
        if slice_.how == "rows":
            copy["data"] = rows(source["data"], slice_.first, slice_.last, slice_.header)
            if slice_.first > slice_.header:
                copy.update(captions=[], footnotes=[])
        new[slice_.ref] = self._append(copy, slice_.ref.split("/")[1], "#/body")
        return new[slice_.ref]

    def _append(self, copy: Node, collection: str, parent: str) -> str:
        place = f"#/{collection}/{len(self.tree[collection])}"
        copy.update(self_ref=place, parent={"$ref": parent}, children=[])
        self.tree[collection].append(copy)
        node(self.tree, parent)["children"].append({"$ref": place})
        return place

    def _rewire(self, place: str, new: dict[str, str]) -> None:
        """References to what came along point to its new place; the others go."""
        copy = node(self.tree, place)
        for field in ("captions", "footnotes", "references", "comments"):
            if copy.get(field):
                copy[field] = [
                    {**reference, "$ref": new[reference["$ref"]]} for reference in copy[field] if reference["$ref"] in new
                ]
        data = copy.get("data")
        if isinstance(data, dict) and any("ref" in cell for cell in data.get("table_cells", ())):
            copy["data"] = {**data, "table_cells": [_rich(cell, new) for cell in data["table_cells"]]}
        graph = copy.get("graph")
        if isinstance(graph, dict):
            copy["graph"] = {**graph, "cells": [_linked(cell, new) for cell in graph.get("cells", ())]}

    def _pages(self, source: Tree, places: Any) -> None:
        pages = source.get("pages") or {}
        for place in places:
            for provenance in node(self.tree, place).get("prov", ()):
                number = str(provenance["page_no"])
                if number in pages:
                    # Page pictures are large and nothing reads them after this.
                    self.tree["pages"][number] = {**pages[number], "image": None}


def _chosen(slice_: Slice, source: Node) -> list[str]:
    """The nodes below the top one that come along."""
    if slice_.how == "bare":
        return carried(source)
    if slice_.how == "characters":
        return []
    if slice_.how == "children":
        return children(source)[slice_.first : slice_.last]
    if slice_.how == "rows":
        kept = {
            cell["ref"]["$ref"]
            for cell in rows(source["data"], slice_.first, slice_.last, slice_.header)["table_cells"]
            if "ref" in cell
        }
        all_rich = {cell["ref"]["$ref"] for cell in source["data"]["table_cells"] if "ref" in cell}
        leading = slice_.first <= slice_.header
        return [
            *(carried(source) if leading else []),
            *(ref for ref in children(source) if ref in kept or (leading and ref not in all_rich)),
        ]
    return [*carried(source), *children(source)]


def rows(table: Node, first: int, last: int, header: int) -> Node:
    """The data of a table with the rows first to last (exclusive) below its `header` leading rows."""
    start = max(first, header)
    cells = []
    for cell in table["table_cells"]:
        top, bottom = cell["start_row_offset_idx"], cell["end_row_offset_idx"]
        if top < header:
            cells.append({**cell, "end_row_offset_idx": min(bottom, header)})
        elif top < last and bottom > start:  # a label merged over rows belongs to those of them that are here
            shift = header - start
            cells.append({**cell, "start_row_offset_idx": max(top, start) + shift, "end_row_offset_idx": min(bottom, last) + shift})
    kept: Node = {key: value for key, value in table.items() if key != "grid"}
    return {**kept, "table_cells": cells, "num_rows": header + max(0, last - start)}


def _rich(cell: Node, new: dict[str, str]) -> Node:
    if "ref" not in cell or cell["ref"]["$ref"] in new:
        return {**cell, "ref": {"$ref": new[cell["ref"]["$ref"]]}} if "ref" in cell else cell
    return {key: value for key, value in cell.items() if key != "ref"}


def _linked(cell: Node, new: dict[str, str]) -> Node:
    reference = cell.get("item_ref")
    return {**cell, "item_ref": {"$ref": new[reference["$ref"]]} if reference and reference["$ref"] in new else None}
