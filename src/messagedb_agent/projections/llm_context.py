"""
The conversation as the model has seen it and will see it next.

Order is the order in which the model saw things, which is not always that of positions: a
message that a user appended while the model was answering, or while its tools ran, comes
after that answer and its tool results. So each request extends the one before it, and every
tool call is directly followed by its result, as all providers demand.
"""

from __future__ import annotations

import msgspec

from messagedb_agent.events.agent import (
    AgentConfigured,
    LLMCallFailed,
    LLMCallRequested,
    LLMCallStarted,
    LLMResponseReceived,
    ToolCall,
)
from messagedb_agent.events.base import Event
from messagedb_agent.events.system import ThreadForked, ThreadRewound, TurnInterrupted
from messagedb_agent.events.user import UserMessageAdded
from messagedb_agent.projections.append_only import AppendOnly
from messagedb_agent.projections.base import Handler, Projection
from messagedb_agent.projections.messages import (
    AssistantMessage,
    Message,
    ToolResult,
    UserMessage,
)
from messagedb_agent.projections.tool_calls import TOOL_CALLS, ToolCalls, asked_for, named

NO_RESULT = "No result was recorded for this tool call."


class LLMContext(msgspec.Struct, frozen=True, gc=False):
    """
    What the next request is made of.

    `held` are user messages that wait for the running exchange to end; `calls` are the tool
    calls of that exchange, and `claimed` says whether a model call is under way.
    """

    messages: AppendOnly[Message]
    held: tuple[UserMessage, ...] = ()
    calls: ToolCalls = ToolCalls()
    claimed: bool = False
    configuration: AgentConfigured | None = None

    @property
    def wants_answer(self) -> bool:
        """Whether the model has not yet answered all that it was given."""
        if self.held:
            return True
        return bool(self.messages) and not isinstance(self.messages[-1], AssistantMessage)


def _configure(state: LLMContext, event: AgentConfigured) -> LLMContext:
    messages = state.messages
    if state.configuration is not None and _binding(state.configuration) != _binding(event):
        # Providers bind thinking blocks to these; under others they are refused or silently
        # dropped. What was said stays, the provider's own blocks go.
        messages = AppendOnly.of(map(_without_blocks, messages))
    return LLMContext(messages, state.held, state.calls, state.claimed, event)


def _binding(configuration: AgentConfigured) -> tuple[object, ...]:
    return configuration.system_prompt, configuration.tools, configuration.model_name


def _without_blocks(message: Message) -> Message:
    if isinstance(message, AssistantMessage) and message.content:
        return msgspec.structs.replace(message, content=(), api=None)
    return message


def _hear(state: LLMContext, event: UserMessageAdded) -> LLMContext:
    message = UserMessage(event.message, event.content or ())
    if state.claimed or state.calls.calls:
        held = (*state.held, message)
        return LLMContext(state.messages, held, state.calls, state.claimed, state.configuration)
    return LLMContext(
        state.messages.append(message), (), state.calls, state.claimed, state.configuration
    )


def _settled(state: LLMContext, calls: ToolCalls, *, claimed: bool) -> LLMContext:
    """The exchange is over: these calls, if any, get a result, and held messages their turn."""
    messages = state.messages
    if calls.calls:
        for call in calls.calls:
            result = call.outcome
            if result is None:
                result = ToolResult(call.call.id, call.call.name, NO_RESULT, is_error=True)
            messages = messages.append(result)
        calls = ToolCalls((), calls.grants)
    if state.held:
        messages = messages.extend(state.held)
    return LLMContext(messages, (), calls, claimed, state.configuration)


def _claim(state: LLMContext, _event: LLMCallRequested | LLMCallStarted) -> LLMContext:
    if not state.held and not state.calls.calls:
        return LLMContext(state.messages, (), state.calls, True, state.configuration)  # noqa: FBT003 - field order
    return _settled(state, state.calls, claimed=True)


def _answer(state: LLMContext, event: LLMResponseReceived) -> LLMContext:
    if state.calls.calls:
        state = _settled(state, state.calls, claimed=False)
    calls = state.calls
    asked: tuple[ToolCall, ...] = ()
    if event.tool_calls:
        asked = named(event.tool_calls)
        calls = asked_for(calls, asked)
    message = AssistantMessage(
        event.response_text,
        asked,
        event.content or (),
        event.api,
        event.model_name,
    )
    messages = state.messages.append(message)
    if asked:
        return LLMContext(messages, state.held, calls, False, state.configuration)  # noqa: FBT003 - field order
    if state.held:
        messages = messages.extend(state.held)
    return LLMContext(messages, (), calls, False, state.configuration)  # noqa: FBT003 - field order


def _fail(state: LLMContext, _event: LLMCallFailed | TurnInterrupted) -> LLMContext:
    if state.calls.open:
        return state
    return _settled(state, state.calls, claimed=False)


def _with_calls(change: Handler[ToolCalls]) -> Handler[LLMContext]:
    def handler(state: LLMContext, event: Event) -> LLMContext:
        calls = change(state.calls, event)
        if calls is state.calls:
            return state
        for call in calls.calls:
            if call.outcome is None:
                claimed, held = state.claimed, state.held
                return LLMContext(state.messages, held, calls, claimed, state.configuration)
        return _settled(state, calls, claimed=False)

    return handler


def _begin_anew(state: LLMContext, event: ThreadForked | ThreadRewound) -> LLMContext:
    calls = TOOL_CALLS.apply(state.calls, event)
    if not calls.open:
        return _settled(state, calls, claimed=False)
    return LLMContext(state.messages, state.held, calls, False, state.configuration)  # noqa: FBT003 - field order


_TOOL_EVENTS: dict[type[Event], Handler[LLMContext]] = {
    kind: _with_calls(change)
    for kind, change in TOOL_CALLS.handlers.items()
    if kind is not LLMResponseReceived
}

LLM_CONTEXT: Projection[LLMContext] = Projection(
    name="llm_context",
    version=3,
    initial=LLMContext(AppendOnly()),
    handlers={
        AgentConfigured: _configure,
        UserMessageAdded: _hear,
        LLMCallRequested: _claim,
        LLMCallStarted: _claim,
        LLMResponseReceived: _answer,
        LLMCallFailed: _fail,
        TurnInterrupted: _fail,
        **_TOOL_EVENTS,
        ThreadForked: _begin_anew,
        ThreadRewound: _begin_anew,
    },
)
