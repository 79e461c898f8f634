"""Files inside a document, such as attachments of a message or a workbook in a report, as sections of that document.

Each file is read by the parser of its kind and stands below a heading with its name. What cannot be read is named with the reason.
Trade-off: only files of the document itself are read, and what those contain in turn is not, so that no file nests without end.
"""

from __future__ import annotations

import base64
import json
import re
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

from aegis_assets.engines.parsing import sections
from aegis_assets.engines.parsing.decode import decode
from aegis_assets.engines.parsing.plain import read_rows, table_tree
from aegis_assets.engines.parsing.tree import Assembly, Node, Slice, Tree, children, node
from aegis_assets.errors import AegisError
from aegis_assets.model.parsing import ParseRequest

MOST: Final = 100  # files of one document
MAX_PAGES: Final = 200  # of a PDF inside
LARGEST: Final = 100 * 2**20  # bytes of all of them
_PARTS: Final = re.compile(r"(?:word|ppt/slides|xl/worksheets)/_rels/[^/]+\.rels")
_TARGET: Final = re.compile(r'Target="([^"]*embeddings/[^"]+)"')
_MEDIA: Final = (".bin", ".emf", ".wmf")  # containers of old programs


class File(NamedTuple):
    name: str
    content: bytes


def add_files(assembly: Assembly, files: list[File], level: int = 2) -> None:
    """Append each file that fits the limits, and a sentence for each that does not."""
    room = LARGEST
    for number, file in enumerate(files):
        add_heading(assembly, file.name, level)
        room -= len(file.content)
        if number >= MOST or room < 0:
            add_text(assembly, "This file was not read: the document holds too many or too large files.")
            continue
        try:
            tree = read_file(file)
        except AegisError as error:
            add_text(assembly, f"This file was not read. {error}")
            continue
        add_tree(assembly, tree, level)


def read_file(file: File) -> Tree:
    """Return the document that the file is. Raise BadInput or LimitExceeded."""
    from aegis_assets.engines.parsing.convert import EMBEDDING, convert
    from aegis_assets.engines.parsing.inspect import read
    from aegis_assets.engines.parsing.sniff import sniff

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(file.content)
        kind = sniff(path, file.name)
        if kind.format == "image":
            return _picture(file.content, kind.media_type)
        if kind.format == "pdf":
            return _pages(path, file.name, Path(folder))
        if kind.format == "csv":
            return table_tree([*read_rows(decode(file.content))])
        if kind.format in EMBEDDING:  # without what it embeds: a ZIP can be made to hold itself
            return _without_pages(convert(path, kind.format, embedded=False))
        return _without_pages(read(path, kind.format)[0])


def _pages(path: Path, name: str, out: Path) -> Tree:
    from aegis_assets.engines.parsing.pdf.inspect import inspect_pdf
    from aegis_assets.engines.parsing.pdf.window import parse_pages

    found = inspect_pdf(path, name, out, max_pages=MAX_PAGES)
    count = len(found.parts)
    request = ParseRequest(
        blob="",
        name=name,
        format="pdf",
        unit="page",
        whole=None,
        first=1,
        last=count,
        length=count,
        facts=found.facts,
        artifacts="",
    )
    window = parse_pages(path, request, out, 1_000_000, "rules")
    tree: Tree = json.loads((out / window.artifact).read_text(encoding="utf-8"))
    return _without_pages(tree)


def _without_pages(tree: Tree) -> Tree:
    """Its pages are none of the document that holds it."""
    tree["pages"] = {}
    for collection in ("texts", "tables", "pictures"):
        for item in tree[collection]:
            item["prov"] = []
    return tree


def _picture(content: bytes, media_type: str) -> Tree:
    assembly = Assembly()
    uri = f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"
    image = {"mimetype": media_type, "dpi": 72, "size": {"width": 1.0, "height": 1.0}, "uri": uri}
    item = {"label": "picture", "content_layer": "body", "prov": [], "captions": [], "references": [], "footnotes": []}
    assembly._append({**item, "annotations": [], "image": image}, "pictures", "#/body")
    return assembly.tree


def add_tree(assembly: Assembly, tree: Tree, level: int) -> None:
    """Append a document, with its headings below the given level; -1 for as they are."""
    for item in tree["texts"] if level >= 0 else ():
        if item.get("label") == "title":
            item.update(label="section_header", level=level + 1)
        elif item.get("label") == "section_header":
            item["level"] = min(sections.DEEPEST, int(item.get("level", 1)) + level + 1)
    for ref in children(tree["body"]):
        item = node(tree, ref)
        if level >= 0 and (name := sections.sheet_name(item)):
            add_heading(assembly, name, level + 1)
            item.update(label="unspecified", name="sheet")
        assembly.add(Slice(tree, ref))


def add_heading(assembly: Assembly, text: str, level: int) -> None:
    """level: 0 for a title."""
    item = _item("section_header" if level else "title", text)
    assembly._append({**item, "level": level} if level else item, "texts", "#/body")


def add_text(assembly: Assembly, text: str) -> None:
    assembly._append(_item("text", text), "texts", "#/body")


def _item(label: str, text: str) -> Node:
    return {"label": label, "text": text, "orig": text, "prov": [], "content_layer": "body"}


def add_embedded(path: Path, tree: Tree) -> Tree:
    """Return the document of an Office file, with the files that are embedded in it behind it."""
    files = [*embedded(path)]
    if not files:
        return tree
    assembly = Assembly()
    for ref in children(tree["body"]):
        assembly.add(Slice(tree, ref))
    assembly.tree["pages"] = tree.get("pages") or {}
    add_files(assembly, files)
    return assembly.tree


def embedded(path: Path) -> Iterator[File]:
    """Files that a text, slide or sheet refers to; the workbooks behind charts are left out, for charts show them."""
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        targets: dict[str, None] = {}
        for part in sorted(name for name in names if _PARTS.fullmatch(name)):
            for target in _TARGET.findall(archive.read(part).decode("utf-8", "replace")):
                folder = PurePosixPath(part).parent.parent
                steps = target.lstrip("/").split("/")
                while steps[0] == "..":
                    folder, steps = folder.parent, steps[1:]
                targets["/".join(steps) if target.startswith("/") else str(folder.joinpath(*steps))] = None
        for name in targets:
            if name in names and not name.lower().endswith(_MEDIA):
                yield File(PurePosixPath(name).name, archive.read(name))
