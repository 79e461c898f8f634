"""python manage.py texts: bring the German texts up to date with the sources, and compile them."""

from __future__ import annotations

from typing import Any

from webadmin.documents import console


class Command(console.Command):
    help = "Collect the console's texts into locale/de, compile what is translated, and say what is not. For developers."
    needs_stack = False

    def act(self, **_: Any) -> bool:
        from webadmin.console import texts  # its polib comes with the extra [test]

        catalogue = texts.updated(texts.read())
        catalogue.save(str(texts.FILE))
        texts.FILE.with_suffix(".mo").write_bytes(texts.compiled(catalogue))
        missing = texts.missing(catalogue)
        for text in missing:
            self.out(text)
        self.say(f"{len(catalogue)} texts, {len(missing)} without a German one.")
        return not missing
