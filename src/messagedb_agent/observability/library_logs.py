"""What libraries say through Python's own logging, written like our own lines."""

from __future__ import annotations

import logging

from messagedb_agent.observability.logging import DEBUG, INFO, Logger, logs_content, wants

_METHODS = ((logging.ERROR, "error"), (logging.WARNING, "warning"), (logging.INFO, "info"))


class Bridge(logging.Handler):
    """Takes records of the standard library's loggers to ours."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        if record.levelno < INFO and not logs_content():
            return  # SDKs log whole requests at this level
        method = next((name for level, name in _METHODS if record.levelno >= level), "debug")
        fields = {"exc_info": record.exc_info} if record.exc_info else {}
        getattr(Logger(record.name), method)(text_of(record), **fields)


def bridge_library_logs() -> None:
    """Lead the root logger's records here, instead of as bare text to stderr."""
    root = logging.getLogger()
    if not any(isinstance(handler, Bridge) for handler in root.handlers):
        root.addHandler(Bridge())
    quiet = next((level for level in (DEBUG, INFO, logging.WARNING) if wants(level)), logging.ERROR)
    root.setLevel(quiet)


def text_of(record: logging.LogRecord) -> str:
    """The text of a record, whatever it was given."""
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - arguments of other people's records may be anything
        return str(record.msg)
