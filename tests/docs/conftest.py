"""The reader that all tests of documents share."""

from tests.reader import reader

__all__ = ["reader"]
