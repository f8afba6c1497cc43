"""The reader that all tests of examples share."""

from tests.reader import reader

__all__ = ["reader"]
