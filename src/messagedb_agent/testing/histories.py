"""Hypothesis strategy: histories that the engine can produce, with users and crashes in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from messagedb_agent.events.agent import (
    AgentConfigured,
    LLMCallFailed,
    LLMCallRequested,
    LLMResponseReceived,
    ToolCall,
)
from messagedb_agent.events.base import Event, UnknownEvent
from messagedb_agent.events.system import SessionStarted
from messagedb_agent.events.tool import (
    ToolExecutionCompleted,
    ToolExecutionFailed,
    ToolExecutionRequested,
)
from messagedb_agent.events.user import (
    ToolExecutionApproved,
    ToolExecutionRejected,
    TurnInterruptRequested,
    TurnResumed,
    UserMessageAdded,
)
from messagedb_agent.projections.interruption import identity, interruption
from messagedb_agent.projections.next_step import (
    CallModel,
    Decider,
    Decision,
    ProbeTools,
    Record,
    RunTools,
    answer_with,
    decide,
    report_the_ending,
    rest_when_ended,
    rest_when_halted,
    settle_tools,
    stop_when_asked,
)
from messagedb_agent.projections.thread_state import THREAD_STATE, ThreadState
from messagedb_agent.projections.tool_calls import CallState

CONFIGURATION = AgentConfigured(model_name="m", sha256="1")

PERMISSIONS: dict[str, Any] = {"look": "allow", "write": "ask", "never": "deny"}
RECOVERIES: dict[str, Any] = {"look": "retry", "write": "ask", "never": "fail"}

DECIDERS: tuple[Decider, ...] = (
    rest_when_ended,
    stop_when_asked,
    rest_when_halted,
    settle_tools(lambda call: PERMISSIONS[call.call.name], lambda call: RECOVERIES[call.call.name]),
    answer_with(CONFIGURATION),
    report_the_ending,
)
"""What the engine would decide with three tools: one allowed, one to ask for, one forbidden."""


class _World:
    """Plays model, tools, users and the process that dies, as hypothesis draws it."""

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any]) -> None:
        self._draw = draw
        self.events: list[Event] = [SessionStarted(thread_id="t")]
        self._said = 0
        self.say()

    @property
    def state(self) -> ThreadState:
        return THREAD_STATE.fold(self.events)

    def say(self) -> None:
        self._said += 1
        self.events.append(UserMessageAdded(message=f"message {self._said}"))

    def meddle(self) -> None:
        """Somebody else appends something, or nobody does, which is more frequent."""
        what = self._draw(st.sampled_from(("",) * 6 + ("say", "unknown", "stop")))
        if what == "say":
            self.say()
        elif what == "unknown":
            self.events.append(UnknownEvent(type_name="Surprise", data={}))
        elif what == "stop" and interruption(self.state):
            self.events.append(TurnInterruptRequested())

    def crashes(self) -> bool:
        return bool(self._draw(st.sampled_from((False,) * 5 + (True,))))

    def act(self, decision: Decision) -> None:
        match decision:
            case Record(events=events):
                self.events += events
            case CallModel(attempt=attempt):
                self._call_model(attempt)
            case RunTools(calls=calls) | ProbeTools(calls=calls):
                self._run_tools(calls)
            case _:
                self._come_back()

    def _call_model(self, attempt: int) -> None:
        self.events.append(LLMCallRequested(model_name="m", attempt=attempt))
        self.meddle()
        if self.crashes():
            return
        if self._draw(st.sampled_from((False, False, False, True))):
            self.events.append(LLMCallFailed(error_message="busy", retryable=attempt < 3))
            return
        names = self._draw(st.lists(st.sampled_from(tuple(PERMISSIONS)), max_size=3))
        # Models reuse the ids of their calls from one response to the next.
        calls = tuple(ToolCall(f"call_{place}", name, {}) for place, name in enumerate(names))
        self.events.append(LLMResponseReceived(response_text="so", tool_calls=calls))

    def _run_tools(self, calls: tuple[CallState, ...]) -> None:
        for call in calls:
            self.events.append(
                ToolExecutionRequested(
                    tool_name=call.call.name, attempt=call.attempts + 1, **identity(call)
                )
            )
        for call in self._draw(st.permutations(calls)):
            self.meddle()
            if self.crashes():
                return
            kind = self._draw(st.sampled_from((ToolExecutionCompleted, ToolExecutionFailed)))
            self.events.append(kind(tool_name=call.call.name, **identity(call)))

    def _come_back(self) -> None:
        """The thread rests: people decide what is pending, resume, or say something."""
        pending = self.state.calls.pending
        if pending:
            kind = self._draw(st.sampled_from((ToolExecutionApproved, ToolExecutionRejected)))
            call = self._draw(st.sampled_from(pending))
            self.events.append(kind(tool_name=call.call.name, tool_call_id=call.call.id))
        elif self.state.turn.halted and self._draw(st.booleans()):
            self.events.append(TurnResumed())
        else:
            self.say()


@st.composite
def histories(draw: Callable[[st.SearchStrategy[Any]], Any], max_steps: int = 14) -> list[Event]:
    """Threads as the engine writes them, with messages, crashes and approvals at any moment."""
    world = _World(draw)
    for _ in range(draw(st.integers(0, max_steps))):
        world.act(decide(world.state, DECIDERS))
        world.meddle()
    return world.events
