"""The console's sources -> the texts in them, and from the German ones the file that Django reads.

Django's makemessages and compilemessages call the gettext tools, which few machines have; polib does both here. Python is read as a
syntax tree; a template is turned into calls of gettext by Django's own `templatize`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import polib
from django.utils.translation.template import templatize

from aegis_assets.settings import ROOT

SOURCES: Final = ROOT / "webadmin"
FILE: Final = SOURCES / "locale" / "de" / "LC_MESSAGES" / "django.po"
ONE: Final = {"gettext", "gettext_lazy", "_"}
TWO: Final = {"ngettext", "ngettext_lazy"}
# What templatize makes of a tag. Its strings are Python literals.
CALL: Final = re.compile(
    r"""\b(n?gettext)\(\s*(u?(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\"\"\".*?\"\"\"|'''.*?'''))"""
    r"""(?:\s*,\s*(u?(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")))?""",
    re.DOTALL,
)
Text = tuple[str, str]  # singular, and plural or ''


def texts() -> dict[Text, list[str]]:
    """Each text with the files that say it."""
    found: dict[Text, list[str]] = {}
    for path in sorted(SOURCES.rglob("*")):
        if path.suffix not in (".py", ".html"):
            continue
        read = _of_python if path.suffix == ".py" else _of_template
        for text in read(path.read_text()):
            places = found.setdefault(text, [])
            place = path.relative_to(ROOT).as_posix()
            if place not in places:
                places.append(place)
    return found


def _of_python(source: str) -> Iterator[Text]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ONE | TWO:
            said = [
                argument.value for argument in node.args if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
            ]
            if said:
                yield said[0], said[1] if node.func.id in TWO else ""


def _of_template(source: str) -> Iterator[Text]:
    for call, singular, plural in CALL.findall(templatize(source)):
        yield ast.literal_eval(singular), ast.literal_eval(plural) if call == "ngettext" else ""


def updated(catalogue: polib.POFile) -> polib.POFile:
    """With every text that the sources say and no other; what was translated stays."""
    known = {(entry.msgid, entry.msgid_plural): entry for entry in catalogue}
    catalogue.clear()
    for (singular, plural), places in sorted(texts().items()):
        entry = known.get((singular, plural)) or polib.POEntry(
            msgid=singular, msgid_plural=plural, msgstr_plural={0: "", 1: ""} if plural else {}
        )
        entry.occurrences = [(place, "") for place in places]
        entry.flags = []
        catalogue.append(entry)
    return catalogue


def missing(catalogue: polib.POFile) -> list[str]:
    """Texts without a German one."""
    return [
        entry.msgid
        for entry in catalogue
        if not (all(entry.msgstr_plural.values()) if entry.msgid_plural else entry.msgstr) or entry.fuzzy
    ]


def read(path: Path = FILE) -> polib.POFile:
    if path.exists():
        return polib.pofile(str(path), wrapwidth=132)
    catalogue = polib.POFile(wrapwidth=132)
    catalogue.metadata = {
        "Content-Type": "text/plain; charset=UTF-8",
        "Content-Transfer-Encoding": "8bit",
        "Language": "de",
        "Plural-Forms": "nplurals=2; plural=(n != 1);",
    }
    return catalogue


def compiled(catalogue: polib.POFile) -> bytes:
    return bytes(catalogue.to_binary())
