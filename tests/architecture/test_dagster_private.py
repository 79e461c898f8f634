"""Whatever Dagster does not promise to keep is used in one package, few names of it, each with a contract test."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from aegis_assets.settings import ROOT

PACKAGE = "aegis_assets/dagster_ext"
CONTRACTS = "tests/dagster_ext"
MOST = 25
PRIVATE_PATH = re.compile(r"(dagster(_\w+)?(\.[a-z]\w*)*\._\w+|dagster_shared|dagster_celery)(\.\w+)*")
OF_NAMED_TUPLES = frozenset({"_replace", "_asdict", "_fields", "_make"})  # Python's, with an underscore so as to be no field


def sources() -> list[Path]:
    return [
        ROOT / "manage.py",
        *(path for folder in ("aegis_assets", "webadmin", "bench") for path in (ROOT / folder).rglob("*.py")),
    ]


def private_names(source: str) -> set[str]:
    """Return the private names of Dagster in a module: imported, written as a path in a text, taken as an attribute or assigned to.

    Attributes are Dagster's in a module that imports something of it, unless they are defined in the module or belong to another
    module that it imports.
    """
    tree = ast.parse(source)
    names = set(imported(tree))
    names |= {text for text in strings(tree) if PRIVATE_PATH.fullmatch(text)}
    if not any(is_dagster(module) for module in modules(tree)):
        return names
    others = {name for node in ast.walk(tree) for name in bound_by(node)}
    known = defined(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr not in known and root_of(node) not in others:
            if is_private(node.attr) or (isinstance(node.ctx, ast.Store | ast.Del) and root_of(node) not in ("self", "cls")):
                names.add(node.attr)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("getattr", "setattr", "hasattr", "delattr"):
            name = node.args[1].value if isinstance(node.args[1], ast.Constant) else ast.unparse(node.args[1])
            if ast.unparse(node.func) in ("setattr", "delattr") or is_private(str(name)):
                names.add(str(name))
    return names


def is_dagster(module: str) -> bool:
    return module.split(".")[0].startswith("dagster")


def is_private(attribute: str) -> bool:
    return attribute.startswith("_") and not attribute.startswith("__") and attribute not in OF_NAMED_TUPLES


def modules(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module or ""


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        paths = []
        if isinstance(node, ast.Import):
            paths = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            paths = [f"{node.module}.{alias.name}" for alias in node.names]
        yield from (path for path in paths if PRIVATE_PATH.fullmatch(path))


def strings(tree: ast.AST) -> Iterator[str]:
    return (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))


def bound_by(node: ast.AST) -> Iterator[str]:
    """Yield what an import binds that is not Dagster's."""
    if isinstance(node, ast.Import):
        yield from ((alias.asname or alias.name).split(".")[0] for alias in node.names if not is_dagster(alias.name))
    elif isinstance(node, ast.ImportFrom) and not is_dagster(node.module or ""):
        yield from (alias.asname or alias.name for alias in node.names)


def defined(tree: ast.AST) -> set[str]:
    """Return the attributes that the module's own classes define."""
    names = set()
    for node in ast.walk(tree):
        for part in node.body if isinstance(node, ast.ClassDef) else ():
            if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef):
                names.add(part.name)
            elif isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
                names.add(part.target.id)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and root_of(node) in ("self", "cls"):
            names.add(node.attr)
    return names


def root_of(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute | ast.Call | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def test_private_names_of_dagster_are_found_in_whatever_way_they_are_used() -> None:
    source = """
import os
import dagster as dg
from dagster import _check
from dagster._core.events import EngineEventData
from dagster_shared.record import copy
import dagster._daemon.sensor as sensor
NAMES = ("dagster._core.instance.factory", "a sentence about dagster._core")
class Mine(dg.Executor):
    def use(self, context, mine):
        self._mine = os._exit(0) or context._replace(x=1)
        self._instance.add_run_tags(context.run._hidden)
        sensor.LOOP = 1
        setattr(sensor, "OTHER", 2)
        getattr(context, "_engine", None)
        return mine._mine
"""
    assert private_names(source) == {
        "dagster._check",
        "dagster._core.events.EngineEventData",
        "dagster_shared.record.copy",
        "dagster._daemon.sensor",
        "dagster._core.instance.factory",
        *("_instance", "_hidden", "LOOP", "OTHER", "_engine"),
    }
    assert private_names("class Mine:\n    def f(self, other):\n        return other._hidden") == set()


def test_private_names_of_dagster_are_in_one_package() -> None:
    found = {str(path.relative_to(ROOT)): private_names(path.read_text()) for path in sources()}
    outside = {path: names for path, names in found.items() if names and not path.startswith(f"{PACKAGE}/")}
    assert outside == {}, f"Use Dagster's public interface here, or move what needs the private one into {PACKAGE}."
    inside = set().union(*(names for path, names in found.items() if path.startswith(f"{PACKAGE}/")))
    assert 0 < len(inside) <= MOST, f"{len(inside)} names, of which every one may break with an upgrade: {sorted(inside)}"


def test_every_private_name_of_dagster_has_a_contract_test() -> None:
    tests = "\n".join(path.read_text() for path in (ROOT / CONTRACTS).rglob("test_*.py"))
    names = set().union(*(private_names(path.read_text()) for path in (ROOT / PACKAGE).rglob("*.py")))
    missing = {name for name in names if not re.search(rf"\b{re.escape(name.rpartition('.')[2])}\b", tests)}
    assert missing == set(), f"Write into {CONTRACTS} what each of these is taken for, and what to do when it is that no more."
