"""The message of a command: an argument, or stdin."""

from __future__ import annotations

import sys

from messagedb_agent.errors import UsageError

MAX_MESSAGE_BYTES = 64 * 1024 * 1024


def message_of(argument: str | None) -> str:
    """
    The text to send, exactly as it was given.

    Without an argument it comes from stdin, or from an editor when stdin is a terminal.
    Raises `UsageError` for an empty message and for input that is not text.
    """
    if argument is None and sys.stdin.isatty():
        from messagedb_agent.cli.editor import edit_text

        return edit_text("")
    text = _read_stdin() if argument in (None, "-") else argument
    if not text:
        raise UsageError("the message is empty; give some text, or - to read it from stdin")
    return text


def _read_stdin() -> str:
    data = sys.stdin.buffer.read(MAX_MESSAGE_BYTES + 1)
    if len(data) > MAX_MESSAGE_BYTES:
        raise UsageError(f"the message is larger than {MAX_MESSAGE_BYTES >> 20} MiB")
    try:
        # Half a surrogate pair is nothing that UTF-8 allows, but something that people paste.
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"stdin is not UTF-8 text (byte {error.start}); a message has to be text"
        ) from error
