"""How connections to the database are made, and what they may do."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from messagedb_agent.store.quick import is_connection_string, wrong_connection_string

CONNECT_TIMEOUT_SECONDS = 3
STATEMENT_TIMEOUT_SECONDS = 60
"""What the server grants a statement."""


def connection_settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """The libpq parameters of a connection: what was given, and what a service needs."""
    # Functions of Message DB older than 1.3 name their tables without the schema.
    conninfo = _expanded(given)
    options = (
        f"-c search_path=public,message_store -c statement_timeout={STATEMENT_TIMEOUT_SECONDS}s"
    )
    return {
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "application_name": f"messagedb-agent {socket.gethostname()}:{os.getpid()}",
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "options": options,
        **conninfo,
    }


def _expanded(given: Mapping[str, Any]) -> dict[str, Any]:
    """A database name that is a connection string counts as that, as libpq does it."""
    name = str(given.get("dbname", ""))
    if not is_connection_string(name):
        return dict(given)
    try:
        parts = conninfo_to_dict(name)
    except psycopg.ProgrammingError as error:
        raise wrong_connection_string() from error
    return {**given, "dbname": None, **parts}


@contextmanager
def writing_within_only(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """Let the connection write in transactions that psycopg opens, and nowhere else."""
    connection.execute("SET default_transaction_read_only = on")
    connection.read_only = False
    try:
        yield
    finally:
        # A connection that can't be made as it was before is of no use to anybody else.
        try:
            connection.read_only = None
            connection.execute("RESET default_transaction_read_only")
        except psycopg.Error:
            connection.close()
