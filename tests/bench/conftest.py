"""Fixtures of real stores, as the tests of the pipeline have them."""

from tests.pipeline.conftest import new_world, world

__all__ = ["new_world", "world"]
