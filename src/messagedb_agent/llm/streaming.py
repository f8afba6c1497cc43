"""What the models that live in this process share: giving text piece by piece, and stopping."""

from __future__ import annotations

import re
from collections.abc import Iterator

from messagedb_agent.cancellation import Cancellation
from messagedb_agent.errors import ModelCallError

_WORD = re.compile(r"\s*\S+|\s+")


def words(text: str) -> Iterator[str]:
    """The text word by word, with the white space that belongs to it; joined it is the text."""
    return (match.group() for match in _WORD.finditer(text))


def interrupted() -> ModelCallError:
    """The error of a call that was cancelled."""
    return ModelCallError("the model call was interrupted", error_type="interrupted")


def stop_if_cancelled(cancelled: Cancellation) -> None:
    """Raise when nobody waits for the answer any more."""
    if cancelled.is_set():
        raise interrupted()
