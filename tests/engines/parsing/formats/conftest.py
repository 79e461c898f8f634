"""The whole way of a document through the parser, for single formats too."""

from tests.engines.parsing.conftest import way

__all__ = ["way"]
