"""What is pinned can be installed where the README says that it can."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, distribution

import pytest
from packaging.specifiers import SpecifierSet

from aegis_assets.settings import ROOT

PIN = re.compile(r"^([A-Za-z0-9_.-]+)==(\S+)$", re.MULTILINE)
PINNED = dict(PIN.findall((ROOT / "constraints.txt").read_text()))


@pytest.mark.parametrize("python", ["3.11.2", "3.12.0"])  # Debian 12's, and the first of the other minor version that is promised
def test_every_pinned_version_takes_the_pythons_that_are_promised(python: str) -> None:
    refusing, looked_at = {}, 0
    for name, version in PINNED.items():
        try:
            found = distribution(name)
        except PackageNotFoundError:  # for another system or Python than this one
            continue
        assert found.version.partition("+")[0] == version, f"{name} is not the one that is pinned: run make install-test"
        looked_at += 1
        wanted = found.metadata.get("Requires-Python")
        if wanted and python not in SpecifierSet(wanted):
            refusing[name] = wanted
    assert looked_at > 200
    assert not refusing
