"""Going back in time: fork a thread, rewind it, replay what it decided."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from messagedb_agent.engine.history import read_history
from messagedb_agent.engine.recipe import ContextDigest
from messagedb_agent.engine.said import user_message
from messagedb_agent.errors import OptimisticConcurrencyError, ThreadNotFoundError, UsageError
from messagedb_agent.events.agent import AgentConfigured, LLMCallRequested, LLMResponseReceived
from messagedb_agent.events.base import Event, JSONObject, RecordedEvent
from messagedb_agent.events.system import ThreadForked, ThreadRewound
from messagedb_agent.events.tool import ToolExecutionRequested
from messagedb_agent.projections.llm_context import LLM_CONTEXT
from messagedb_agent.projections.next_step import (
    RunTools,
    decide,
    settle_tools,
)
from messagedb_agent.projections.thread_state import THREAD_STATE, ThreadState
from messagedb_agent.store.base import NO_STREAM, EventStore, NewEvent


def fork_thread(
    store: EventStore,
    origin: str,
    stream_name: str,
    position: int | None = None,
    *,
    message: str | None = None,
    content: tuple[JSONObject, ...] | None = None,
    reason: str | None = None,
    configuration: AgentConfigured | None = None,
) -> int:
    """
    Begin a thread that continues `origin` from `position` (its end, if None); returns that.

    One event is written, however long the origin is; with a `configuration` for another model
    or a `message`, with the blocks of its files in `content`, one more each. Raises
    `UsageError` for a position that the origin does not have.
    """
    position = _checked(store, origin, position)
    opening: list[Event] = [
        ThreadForked(origin_stream_name=origin, origin_position=position, reason=reason)
    ]
    if configuration is not None:
        opening.append(configuration)
    if message is not None:
        opening.append(user_message(message, content))
    metadata = {"correlationStreamName": origin}
    new = [NewEvent(event=event, metadata=metadata) for event in opening]
    try:
        store.append(stream_name, new, expected_version=NO_STREAM)
    except OptimisticConcurrencyError as error:
        raise UsageError(f"{stream_name} exists already; choose another thread id") from error
    return position


def rewind_thread(
    store: EventStore, stream_name: str, position: int, reason: str | None = None
) -> None:
    """
    Let a thread go on as if nothing had happened after `position`.

    What came after it stays in the stream and is left out of the history. Raises
    `UsageError` for a position that is not there, and while a turn is running.
    """
    position = _checked(store, stream_name, position)
    history = read_history(store, stream_name)
    state = THREAD_STATE.fold(record.event for record in history)
    if state.turn.claimed or any(call.attempts for call in state.calls.open):
        raise UsageError(
            "a turn is running; `./cli interrupt` stops it, then the thread can be rewound"
        )
    event = ThreadRewound(to_position=position, reason=reason, claims=state.turn.claims)
    version = history[-1].position
    metadata = {"correlationStreamName": stream_name}
    store.append(stream_name, [NewEvent(event=event, metadata=metadata)], expected_version=version)


def _checked(store: EventStore, stream_name: str, position: int | None) -> int:
    version = store.version(stream_name)
    if version == NO_STREAM:
        raise ThreadNotFoundError(f"there is no stream {stream_name}")
    if position is None:
        return version
    if not 0 <= position <= version:
        raise UsageError(f"position {position} is not in the thread; it has 0 to {version}")
    return position


class Divergence(msgspec.Struct, frozen=True):
    """Where a replay came to something else than what is recorded."""

    position: int
    recorded: str
    derived: str


def replay(records: Sequence[RecordedEvent]) -> Iterator[Divergence]:
    """
    Derive every decision again from the events before it, calling nothing. Pure.

    Each recorded claim has to be what the state before it asks for, and each recipe that has
    a digest has to give the same request again.
    """
    state, digest = THREAD_STATE.initial, ContextDigest()
    for record in records:
        derived = _expected(state, record.event, digest)
        if derived is not None:
            yield Divergence(record.position, record.type, derived)
        state = THREAD_STATE.apply(state, record.event)


def _expected(state: ThreadState, event: Event, digest: ContextDigest) -> str | None:
    """What else should have happened, or None when the event is what was to be expected."""
    match event:
        case LLMCallRequested():
            return _model_call(state, event, digest)
        case ToolExecutionRequested():
            decision = decide(state, (settle_tools(lambda _: "allow", lambda _: "retry"),))
            calls = decision.calls if isinstance(decision, RunTools) else ()
            if any(call.call.id == event.call_id for call in calls):
                return None
            return "no open tool call with this id"
        case LLMResponseReceived() if not (state.turn.claimed or state.turn.claims == 0):
            return "no model call was under way"
        case _:
            return None


def _model_call(state: ThreadState, event: LLMCallRequested, digest: ContextDigest) -> str | None:
    if state.calls.open:
        return "tool calls were still open"
    recipe = event.projected_context
    if not isinstance(recipe, dict) or "sha256" not in recipe:
        return None
    context = LLM_CONTEXT.apply(state.context, event)
    configured = context.configuration.sha256 if context.configuration else ""
    if digest.of(context.messages, configured) != recipe["sha256"]:
        return "another request: its digest differs"
    return None
