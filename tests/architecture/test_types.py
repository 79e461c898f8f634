"""The types of the platform agree. A test, so that mypy's minute has one core and the other tests the others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from aegis_assets.settings import ROOT


def test_mypy_finds_nothing_to_say() -> None:
    mypy = str(Path(sys.executable).with_name("mypy"))
    done = subprocess.run([mypy], cwd=ROOT, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
