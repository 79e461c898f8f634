"""`make up`, `make down`, `make status`, `make clean` -> the stack, in words a person reads.

`python -m aegis_assets.embedded.cli up|down|status|clean`. Exit code 0: done, or, for status, every part runs.
"""

from __future__ import annotations

import argparse
import sys

from pydantic import ValidationError

from aegis_assets.embedded import stack
from aegis_assets.errors import AegisError
from aegis_assets.settings import home

FINE = ("running", "elsewhere")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="aegis", description="The stack of one AEGIS_HOME.")
    parser.add_argument("action", choices=("up", "down", "status", "clean"))
    action = parser.parse_args(arguments).action
    try:
        return {"up": _up, "down": _down, "status": _status, "clean": _clean}[action]()
    except AegisError as error:
        sys.stderr.write(f"{error.message}\n")
    except ValidationError as error:
        for wrong in error.errors():
            name = "_".join(str(part) for part in wrong["loc"]).upper()
            sys.stderr.write(f"{name if name.startswith('AEGIS_') else f'AEGIS_{name}'}: {wrong['msg']}\n")
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
    except KeyboardInterrupt:
        sys.stderr.write("Stopped.\n")
    return 1


def _up() -> int:
    now = stack.up(_say)
    _say(f"admin    {now.admin_address}/admin/   (user admin, password in {home() / 'admin-password'})")
    _say(f"Dagster  {now.dagster_address}")
    _say(f"logs     {home() / 'logs'}")
    return 0


def _down() -> int:
    stack.down(_say)
    return 0


def _clean() -> int:
    stack.clean(_say)
    return 0


def _status() -> int:
    rows = stack.status()
    if not rows:
        _say("The stack does not run; `make up` starts it.")
        return 1
    _say(f"{'part':<10} {'state':<10} {'pid':>8} {'uptime':>9} {'memory':>8}  address")
    for row in rows:
        memory = f"{row.memory / 1_000_000:.0f} MB" if row.memory else "-"
        _say(f"{row.name:<10} {row.state:<10} {row.pid or '-':>8} {_uptime(row.seconds):>9} {memory:>8}  {row.address}")
        if row.reason:
            _say(f"           {row.reason}")
    return 0 if all(row.state in FINE for row in rows) else 1


def _uptime(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if seconds else "-"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
