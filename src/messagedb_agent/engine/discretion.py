"""What outcomes must not tell: the secrets of the environment that the process runs in."""

from __future__ import annotations

import os
from functools import cached_property

import msgspec

from messagedb_agent.events.agent import LLMCallFailed
from messagedb_agent.events.base import Event
from messagedb_agent.events.tool import ToolExecutionCompleted, ToolExecutionFailed
from messagedb_agent.observability.redaction import Redactor


class Discretion:
    """
    Takes secrets out of events before they are recorded.

    Texts of failures lose whatever looks like a secret: libraries put addresses with
    passwords into them. Results are what a model works with, so they lose nothing but values
    of this environment that can't be anything else.
    """

    def __call__(self, event: Event) -> Event:
        """The event without secrets; the same one if it has none."""
        match event:
            case ToolExecutionCompleted(result=result):
                clean = self._redactor.result(result)
                return event if clean is result else msgspec.structs.replace(event, result=clean)
            case ToolExecutionFailed(error_message=text) | LLMCallFailed(error_message=text):
                return msgspec.structs.replace(event, error_message=self._redactor.text(text))
            case _:
                return event

    @cached_property
    def _redactor(self) -> Redactor:
        return Redactor.of(os.environ)
