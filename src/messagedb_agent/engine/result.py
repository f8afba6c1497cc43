"""How a run ended."""

from __future__ import annotations

import msgspec

from messagedb_agent.projections.messages import AssistantMessage
from messagedb_agent.projections.next_step import StopReason
from messagedb_agent.projections.thread_state import ThreadState
from messagedb_agent.projections.tool_calls import CallState

_ENDINGS = {
    "max_tokens": "the answer ended early, at the limit of its length",
    "context_window": "the answer ended early: the model's context is full",
    "refusal": "the model refused to answer",
    "safety": "the answer was refused for reasons of safety",
}


class RunResult(msgspec.Struct, frozen=True):
    """
    Where a run stopped, and the state of the thread there.

    `problem` is what somebody found wrong with the answer, if anything.
    """

    stop: StopReason
    state: ThreadState
    problem: str | None = None

    @property
    def response(self) -> str | None:
        """
        The text of the last answer, or None when there is none to the last message.

        An answer that its model paused in goes on in the next message.
        """
        parts: list[str] = []
        for message in reversed(self.state.context.messages):
            if not isinstance(message, AssistantMessage):
                break
            parts.append(message.text)
        return "".join(reversed(parts)) if parts else None

    @property
    def error(self) -> str | None:
        """What went wrong, in one line, when something did."""
        if self.problem is not None:
            return self.problem
        turn = self.state.turn
        if self.stop in ("refused", "truncated"):
            return _ENDINGS.get(turn.stop_reason or "")
        return turn.failure.error_message if self.stop == "failed" and turn.failure else None

    @property
    def pending(self) -> tuple[CallState, ...]:
        """The tool calls that wait for a person."""
        return self.state.calls.pending
