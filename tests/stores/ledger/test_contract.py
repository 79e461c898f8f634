"""Django's migrations and the ledger's SQL speak of the same tables, and the table of transitions is the model's."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType

import psycopg
import pytest

from aegis_assets.model.document import TRANSITIONS, State
from aegis_assets.pipeline.flow.ledger import FlowLedger
from aegis_assets.stores import changes, lease_sql
from aegis_assets.stores import ledger as package
from aegis_assets.stores.ledger import Ledger
from tests.stores.ledger.build import register

STATEMENT = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b")


def modules() -> Iterator[ModuleType]:
    for found in pkgutil.iter_modules(package.__path__):
        yield importlib.import_module(f"{package.__name__}.{found.name}")
    yield from (lease_sql, changes)


def statements() -> list[tuple[str, str]]:
    """Return every SQL constant of the stores by name, and those in a tuple or mapping by `name.key`."""
    found: dict[str, str] = {}
    for module in modules():
        for name, value in vars(module).items():
            if isinstance(value, tuple):
                value = dict(enumerate(value))
            values = value.items() if isinstance(value, Mapping) else [("", value)]
            for key, text in values:
                if name.isupper() and isinstance(text, str) and STATEMENT.match(text) and "pg_temp." not in text:
                    found[f"{module.__name__.rpartition('.')[2]}.{name}{'' if key == '' else f'.{key}'}"] = text
    return sorted(found.items())


def test_every_statement_is_found() -> None:
    assert len(statements()) > 80


@pytest.mark.parametrize(("name", "statement"), statements(), ids=[name for name, _ in statements()])
def test_a_statement_names_only_tables_and_columns_that_the_migrations_make(name: str, statement: str, database_url: str) -> None:
    """PREPARE resolves every name without running anything."""
    numbered = re.sub(r"%\((\w+)\)s", _numbers(), statement).replace("%%", "%")
    with psycopg.connect(database_url) as connection:
        connection.pgconn.prepare(b"", numbered.encode())
        result = connection.pgconn.prepare(b"one", numbered.encode())
        assert result.status == psycopg.pq.ExecStatus.COMMAND_OK, result.error_message.decode()


def _numbers() -> Callable[[re.Match[str]], str]:
    """Return what makes $1, $2, ... of names, the same for the same name."""
    known: dict[str, str] = {}
    return lambda match: known.setdefault(match.group(1), f"${len(known) + 1}")


def test_the_ledger_has_all_that_the_flow_asks_for() -> None:
    asked = {name for name in vars(FlowLedger) if not name.startswith("_")}
    assert asked
    assert {name for name in asked if not callable(getattr(Ledger, name, None))} == set()


def test_the_transition_table_is_the_models(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        stored = set(connection.execute("SELECT old, new FROM aegis_transition").fetchall())
    assert stored == {(old.value, new.value) for old, allowed in TRANSITIONS.items() for new in allowed}


@pytest.mark.parametrize("old", list(State))
def test_the_trigger_allows_those_transitions_and_refuses_the_rest(old: State, ledger: Ledger) -> None:
    document = register(ledger).document
    for new in State:
        with ledger.connection() as connection:
            connection.execute("ALTER TABLE aegis_document DISABLE TRIGGER aegis_document_transition")
            connection.execute("UPDATE aegis_document SET state = %s WHERE id = %s", (old, document))
            connection.execute("ALTER TABLE aegis_document ENABLE TRIGGER aegis_document_transition")
            change = "UPDATE aegis_document SET state = %s WHERE id = %s"
            if new == old or new in TRANSITIONS[old]:
                connection.execute(change, (new, document))
            else:
                with pytest.raises(psycopg.errors.CheckViolation):
                    connection.execute(change, (new, document))
