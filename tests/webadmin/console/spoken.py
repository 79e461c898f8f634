"""What the sources say to people -> shapes of sentences, for the test that each has a translation.

A shape is a text with `{}` where a value stands. A string counts as a sentence if it is given to an `AegisError`, or reads like one
and is no docstring, help, description or text for translation.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from string import Formatter

from aegis_assets.settings import ROOT

PACKAGES = ("aegis_assets", "webadmin")
SENTENCE = re.compile(r"(?s)[A-Z{`'].* .*[.]")
# What these are given is said by Django, to Dagster, to a model or to a developer.
OTHERS = frozenset(
    {"gettext", "gettext_lazy", "_", "ngettext", "ngettext_lazy", "Http404", "Field", "AssetSpec", "RuntimeError", "AssertionError"}
    | {"define_asset_job", "job", "SkipReason", "Failure", "add_argument", "ArgumentParser", "Gauge", "Counter"}
)


@cache
def trees() -> dict[Path, ast.Module]:
    paths = (path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))
    return {path: ast.parse(path.read_text()) for path in paths if not {"migrations", "sentences"} & set(path.parts)}


def shape(english: str) -> str:
    """Of a template of the catalogue."""
    return "".join(literal + ("{}" if name is not None else "") for literal, name, _, _ in Formatter().parse(english))


def shapes(node: ast.expr) -> list[str]:
    """What an expression of literals may say: `"a" if b else f"c {d}"` is "a" or "c {}". Nothing for any other expression."""
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else []
    if isinstance(node, ast.IfExp):
        return shapes(node.body) + shapes(node.orelse)
    if isinstance(node, ast.JoinedStr):
        parts = [
            (shapes(part.value) if isinstance(part.value, ast.IfExp) else []) or ["{}"]
            if isinstance(part, ast.FormattedValue)
            else shapes(part)
            for part in node.values
        ]
        return ["".join(chosen) for chosen in itertools.product(*parts)]
    return []


def error_classes(sources: dict[Path, ast.Module]) -> set[str]:
    """`AegisError` and all that inherit from it."""
    bases = {
        node.name: {base.id for base in node.bases if isinstance(base, ast.Name)}
        for tree in sources.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    known = {"AegisError"}
    while more := {name for name, above in bases.items() if above & known} - known:
        known |= more
    return known


def raised(tree: ast.Module, errors: set[str]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _called(node) in errors:
            for message in (*node.args[:1], *(keyword.value for keyword in node.keywords if keyword.arg == "message")):
                yield from shapes(message)


def like_sentences(tree: ast.Module) -> Iterator[str]:
    others = {id(node) for top in _said_otherwise(tree) for node in ast.walk(top)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant | ast.JoinedStr) and id(node) not in others:
            yield from (text for text in shapes(node) if SENTENCE.fullmatch(text) and "\n" not in text)


def of_statements(tree: ast.Module) -> Iterator[str]:
    """Messages that an SQL statement writes."""
    for text in literals(tree):
        yield from re.findall(r"message = '([^']+)'", text)


def literals(tree: ast.Module) -> Iterator[str]:
    """Every string, for templates of parts of sentences."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant | ast.JoinedStr):
            yield from shapes(node)


def _said_otherwise(tree: ast.Module) -> Iterator[ast.AST]:
    """Docstrings, what `OTHERS` are given, and the parts of f-strings, which count as wholes."""
    for node in ast.walk(tree):
        match node:
            case ast.Expr() | ast.Assert():
                if not isinstance(node, ast.Expr) or isinstance(node.value, ast.Constant):
                    yield node
            case ast.Call() if _called(node) in OTHERS:
                yield node
            case ast.JoinedStr():
                yield from node.values


def _called(node: ast.Call) -> str:
    return getattr(node.func, "id", None) or getattr(node.func, "attr", "")
