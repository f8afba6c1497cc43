"""Agents, threads and stores for tests of the engine, and the laws every history obeys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal
from uuid import uuid4

from messagedb_agent.engine.agent import Agent
from messagedb_agent.engine.result import RunResult
from messagedb_agent.engine.thread import AgentThread
from messagedb_agent.engine.travel import replay
from messagedb_agent.events import (
    LLMCallFailed,
    LLMCallRequested,
    LLMResponseReceived,
    ToolExecutionCompleted,
    ToolExecutionFailed,
    ToolExecutionRejected,
    ToolExecutionRequested,
    UserMessageAdded,
)
from messagedb_agent.events.base import Event, RecordedEvent
from messagedb_agent.llm.retry import RetryPolicy
from messagedb_agent.llm.scripted import ScriptedModel
from messagedb_agent.projections import project_to_llm_context
from messagedb_agent.projections.messages import AssistantMessage, UserMessage
from messagedb_agent.store.base import EventStore, NewEvent
from messagedb_agent.store.wrapper import StoreWrapper
from messagedb_agent.tools import Tool, ToolRegistry

PATIENT = RetryPolicy(first_pause=0)


def new_stream() -> str:
    return f"engine:v0-{uuid4()}"


def agent_of(steps: Sequence[Any] | ScriptedModel, *tools: Tool, **more: Any) -> Agent:
    """An agent that follows a script."""
    model = steps if isinstance(steps, ScriptedModel) else ScriptedModel(steps)
    return Agent(llm=model, tools=ToolRegistry(*tools), **{"retry": PATIENT, **more})


def call(name: str, call_id: str = "", **arguments: Any) -> dict[str, Any]:
    return {"name": name, "arguments": arguments, "id": call_id}


def calls(*made: dict[str, Any]) -> dict[str, Any]:
    """A step of a script: the model asks for these tools."""
    return {"tool_calls": list(made)}


def say(store: EventStore, stream: str, message: str, agent: Agent) -> RunResult:
    """Say something in a thread, which may be a new one, and drive it."""
    with AgentThread(store, stream) as thread:
        if thread.state.session.status == "new":
            thread.start(message)
        else:
            thread.send(message)
        return thread.run(agent)


def go_on(store: EventStore, stream: str, agent: Agent) -> RunResult:
    """What `continue` does."""
    with AgentThread(store, stream) as thread:
        thread.resume()
        return thread.run(agent)


def events_of(store: EventStore, stream: str) -> list[Event]:
    return [record.event for record in store.read(stream)]


def kinds_of(store: EventStore, stream: str) -> list[str]:
    return [record.type for record in store.read(stream)]


def outcomes(store: EventStore, stream: str) -> dict[str | None, Event]:
    """The outcome of each tool call, by its id."""
    return {
        event.call_id: event
        for event in events_of(store, stream)
        if isinstance(event, ToolExecutionCompleted | ToolExecutionFailed)
    }


class Crash(BaseException):
    """The process dies here; nobody catches this."""


class CountingStore(StoreWrapper[EventStore]):
    """Counts the appends that commit."""

    commits = 0

    def append(
        self, stream_name: str, events: Sequence[NewEvent], **more: Any
    ) -> tuple[RecordedEvent, ...]:
        self.commits += 1
        return super().append(stream_name, events, **more)


class CrashingStore(StoreWrapper[EventStore]):
    """Dies at one append: before it is written, or after."""

    def __init__(self, store: EventStore, at: int, moment: Literal["before", "after"]) -> None:
        super().__init__(store)
        self._left = at
        self._moment = moment

    def append(
        self, stream_name: str, events: Sequence[NewEvent], **more: Any
    ) -> tuple[RecordedEvent, ...]:
        if self._left == 0 and self._moment == "before":
            raise Crash
        recorded = super().append(stream_name, events, **more)
        if self._left == 0:
            raise Crash
        self._left -= 1
        return recorded


def violations(records: Sequence[RecordedEvent]) -> list[str]:
    """What is wrong with a history, in words; nothing, in every history there may be."""
    found = []
    if [record.position for record in records] != list(range(len(records))):
        found.append("positions have gaps")
    events = [record.event for record in records]
    found += [f"{each.position}: {each.derived}" for each in replay(records)]
    return found + _odd_claims(events) + _odd_outcomes(events) + _unheard(events)


def _odd_claims(events: Sequence[Event]) -> list[str]:
    found, claimed = [], False
    for place, event in enumerate(events):
        if isinstance(event, LLMCallRequested):
            claimed = True
        elif isinstance(event, LLMResponseReceived | LLMCallFailed):
            if not claimed:
                found.append(f"{place}: a model's outcome that nobody claimed")
            claimed = False
    return found


def _odd_outcomes(events: Sequence[Event]) -> list[str]:
    found: list[str] = []
    unfinished = set[str | None]()
    for place, event in enumerate(events):
        match event:
            case LLMCallRequested() if unfinished:
                found.append(f"{place}: a model is called while calls are open")
            case LLMResponseReceived(tool_calls=made):
                unfinished = {call.id for call in made}
            case ToolExecutionRequested() if event.call_id not in unfinished:
                found.append(f"{place}: a claim of a call that is not open")
            case ToolExecutionCompleted() | ToolExecutionFailed():
                if event.call_id not in unfinished:
                    found.append(f"{place}: a second outcome of {event.call_id}")
                unfinished.discard(event.call_id)
            case ToolExecutionRejected():
                unfinished.discard(event.tool_call_id)
    return found


def _unheard(events: Sequence[Event]) -> list[str]:
    said = [event.message for event in events if isinstance(event, UserMessageAdded)]
    context = project_to_llm_context(events)
    heard = [message.text for message in context if isinstance(message, UserMessage)]
    return [] if said == heard else [f"said {said}, heard {heard}"]


def is_answered(events: Sequence[Event]) -> bool:
    """Whether the model has answered all that there was to answer."""
    return isinstance(project_to_llm_context(events)[-1], AssistantMessage)
