"""Stream names: `category:version-thread`, as in `agent:v0-6f1c…` or `agent+03:v0-6f1c…`."""

from __future__ import annotations

import re
from typing import NamedTuple

from messagedb_agent.errors import InvalidStreamNameError
from messagedb_agent.store.shards import shard_of

DEFAULT_CATEGORY = "agent"
DEFAULT_VERSION = "v0"
MAX_THREAD_ID_LENGTH = 200
"""Longer ids would not fit every index and terminal; generated ones have 36 characters."""

# Message DB reads everything up to the first "-" as the category, so it may hold none.
_CATEGORY = re.compile(r"[A-Za-z0-9_+.]{1,100}")
_VERSION = re.compile(r"[A-Za-z0-9_.]{1,50}")
_THREAD_ID = re.compile(r"[A-Za-z0-9_.:@+=~-]+")
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class StreamName(NamedTuple):
    """The parts of an agent stream's name."""

    category: str
    version: str
    thread_id: str

    def __str__(self) -> str:
        return f"{self.category}:{self.version}-{self.thread_id}"


def generate_thread_id() -> str:
    """A new thread id: a random UUID."""
    from uuid import uuid4  # noqa: PLC0415 - it brings half of the time that `version` may take

    return str(uuid4())


def build_category(category: str = DEFAULT_CATEGORY, version: str = DEFAULT_VERSION) -> str:
    """The Message DB category that all threads of an agent category share."""
    if not _CATEGORY.fullmatch(category):
        raise InvalidStreamNameError(
            f"category {category!r} is not usable: letters, digits, '_', '+' and '.' only"
        )
    if not _VERSION.fullmatch(version):
        raise InvalidStreamNameError(
            f"version {version!r} is not usable: letters, digits, '_' and '.' only"
        )
    return f"{category}:{version}"


def build_stream_name(category: str, version: str, thread_id: str, shards: int = 1) -> str:
    """
    The stream of a new thread, in one of so many shards of the category.

    A thread that exists is where it began, see `find_stream`. Raises `InvalidStreamNameError`
    for parts that no stream name could hold.
    """
    prefix = build_category(category, version)
    if len(thread_id) > MAX_THREAD_ID_LENGTH or not _THREAD_ID.fullmatch(thread_id):
        raise InvalidStreamNameError(
            f"thread id {thread_id[:60]!r} is not usable: 1 to {MAX_THREAD_ID_LENGTH} letters, "
            "digits or any of _ . : @ + = ~ -"
        )
    if shards != 1:
        prefix = f"{category}+{shard_of(thread_id, shards):02}:{version}"
    return f"{prefix}-{thread_id}"


def check_stream_name(stream_name: str) -> None:
    """Raise `InvalidStreamNameError` for a name that no PostgreSQL text can be."""
    if _UNSTORABLE.search(stream_name):
        raise InvalidStreamNameError(
            f"stream name {stream_name[:80]!r} is not usable: it has characters that "
            "PostgreSQL can not store"
        )


def parse_stream_name(stream_name: str) -> StreamName:
    """The parts of a stream name. Raises `InvalidStreamNameError` when it is none of ours."""
    prefix, dash, thread_id = stream_name.partition("-")
    category, colon, version = prefix.rpartition(":")
    if not (dash and colon and category and version and thread_id):
        raise InvalidStreamNameError(
            f"stream name {stream_name[:80]!r} is not of the form category:version-thread"
        )
    return StreamName(category, version, thread_id)
