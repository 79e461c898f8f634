"""python manage.py doctor: every engine and store, what is used, reachable or not, what to do."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from webadmin.documents import console
from webadmin.monitoring.doctor import diagnose


class Command(console.Command):
    help = "Say which engines and stores are used, whether they answer, and what to do if not."
    needs_stack = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object instead of text")

    def act(self, *, json: bool, **_: Any) -> bool:
        checks = diagnose()
        well = all(check.ok for check in checks)
        if json:
            self.out_json({"ok": well, "checks": [check.model_dump() for check in checks]})
            return well
        for check in checks:
            self.out(f"{'ok  ' if check.ok else 'FAIL'} {check.part:<15} {check.used}")
            if not check.ok:
                self.out(f"     {'':<15} -> {check.sentence}")
        if not well:
            self.say(f"{sum(not check.ok for check in checks)} of {len(checks)} parts need attention.")
        return well
