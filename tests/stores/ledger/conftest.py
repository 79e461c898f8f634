from __future__ import annotations

from collections.abc import Iterator

import pytest

from aegis_assets.stores.ledger import Ledger


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    opened = Ledger(ledger_url)
    yield opened
    opened.close()
