#!/usr/bin/env python
"""Django's command line, and with it the platform's: ingest, search, remove, retry, cancel, doctor."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webadmin.settings")
    from django.core.management import execute_from_command_line

    from aegis_assets.errors import AegisError

    try:
        execute_from_command_line(sys.argv)
    except AegisError as error:  # a wrong setting, before any command could say so
        sys.exit(str(error))


if __name__ == "__main__":
    main()
