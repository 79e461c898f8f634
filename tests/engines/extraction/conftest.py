"""The embedded extractor, loaded once."""

from __future__ import annotations

import pytest

from aegis_assets.engines.spacy_extractor import SpacyExtractor


@pytest.fixture(scope="session")
def spacy() -> SpacyExtractor:
    return SpacyExtractor()
