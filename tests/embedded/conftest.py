"""A directory that the server's account can enter, which pytest's own, below a closed one, is not."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import services


@pytest.fixture
def open_directory() -> Iterator[Path]:
    directory = services.open_directory("embedded")
    yield directory
    shutil.rmtree(directory, ignore_errors=True)
