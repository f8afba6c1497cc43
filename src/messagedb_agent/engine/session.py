"""Threads from outside a run: begin one, add to one, end one, answer its questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any

import psycopg

from messagedb_agent.engine.recorder import Recorder
from messagedb_agent.engine.said import message_at
from messagedb_agent.errors import ClaimLostError, ThreadEndedError, ThreadNotFoundError, UsageError
from messagedb_agent.events.agent import AgentConfigured
from messagedb_agent.events.base import Event, JSONObject
from messagedb_agent.events.system import SessionCompleted, SessionStarted
from messagedb_agent.events.tool import ToolExecutionCompleted
from messagedb_agent.events.user import (
    SessionTerminationRequested,
    ThreadRenamed,
    ThreadReopened,
    ToolExecutionApproved,
    ToolExecutionRejected,
    TurnInterruptRequested,
    TurnResumed,
)
from messagedb_agent.projections.interruption import identity, interruption
from messagedb_agent.projections.thread_state import ThreadState
from messagedb_agent.projections.tool_calls import CallState
from messagedb_agent.store.base import NO_STREAM, EventStore, NewEvent
from messagedb_agent.store.stream import (
    DEFAULT_CATEGORY,
    DEFAULT_VERSION,
    build_stream_name,
    generate_thread_id,
    parse_stream_name,
)


def read_state(
    store: EventStore, stream_name: str, *, connection: psycopg.Connection[Any] | None = None
) -> ThreadState:
    """
    The state of a thread, with `connection` as seen by the transaction open there.

    Raises `ThreadNotFoundError` when it has no events.
    """
    recorder = Recorder(store, stream_name)
    if connection is None:
        recorder.open()
        recorder.close()
    else:
        recorder.catch_up(connection)
    if recorder.version == NO_STREAM:
        raise ThreadNotFoundError(
            f"there is no thread {parse_stream_name(stream_name).thread_id}; `./cli list` shows all"
        )
    return recorder.state


def start_session(
    store: EventStore,
    message: str,
    *,
    thread_id: str | None = None,
    category: str = DEFAULT_CATEGORY,
    version: str = DEFAULT_VERSION,
    shards: int = 1,
    content: tuple[JSONObject, ...] | None = None,
    initial_context: Any = None,
    configuration: AgentConfigured | None = None,
    due_at: datetime | None = None,
    connection: psycopg.Connection[Any] | None = None,
) -> str:
    """
    Begin a thread with a first message, in one transaction; returns its thread id.

    With `connection` both events join the transaction open there, which then holds Message
    DB's lock on the category until it ends: keep it short, and write these events last.
    `configuration` tells whoever drives the thread which model it is for, `shards` over how
    many of them threads are spread. With `due_at` the message is only scheduled: whoever
    drives the thread from then on adds it, once.
    Raises `OptimisticConcurrencyError` when the thread exists; for a `thread_id` of the caller's
    own, in the shard that `shards` gives it.
    """
    thread_id = thread_id or generate_thread_id()
    events = (
        SessionStarted(thread_id=thread_id, initial_context=initial_context),
        *((configuration,) if configuration else ()),
        message_at(due_at, message, content),
    )
    _append(
        store,
        build_stream_name(category, version, thread_id, shards),
        events,
        expected_version=NO_STREAM,
        connection=connection,
    )
    return thread_id


def add_message(
    store: EventStore,
    stream_name: str,
    message: str,
    *,
    content: tuple[JSONObject, ...] | None = None,
    configuration: AgentConfigured | None = None,
    due_at: datetime | None = None,
    connection: psycopg.Connection[Any] | None = None,
) -> None:
    """
    Append a user message, whoever drives the thread; the rest is as in `start_session`.

    Raises `ThreadEndedError` when the thread takes no more messages.
    """
    if read_state(store, stream_name, connection=connection).session.is_ended:
        raise ThreadEndedError(
            f"thread {parse_stream_name(stream_name).thread_id} has ended; `--reopen` reopens it"
        )
    said = message_at(due_at, message, content)
    events = (*((configuration,) if configuration else ()), said)
    _append(store, stream_name, events, connection=connection)


def terminate_session(
    store: EventStore, stream_name: str, reason: str | None = None, outcome: str = "success"
) -> None:
    """End a thread. Ending an ended one changes nothing."""
    if read_state(store, stream_name).session.is_ended:
        return
    events = (
        SessionTerminationRequested(reason=reason),
        SessionCompleted(completion_reason=outcome),
    )
    _append(store, stream_name, events)


def interrupt_session(store: EventStore, stream_name: str, reason: str | None = None) -> bool:
    """
    Ask for the running turn to stop, whichever process drives it; False when none is running.

    The driver ends its step within about a second and records `TurnInterrupted`. When there
    is no driver, the next one stops before it does anything.
    """
    state = read_state(store, stream_name)
    if state.turn.halted or not interruption(state):
        return False
    _append(store, stream_name, (TurnInterruptRequested(reason=reason),))
    return True


def reopen_session(store: EventStore, stream_name: str) -> None:
    """Let an ended thread take messages again."""
    if read_state(store, stream_name).session.is_ended:
        _append(store, stream_name, (ThreadReopened(),))


def resume_session(store: EventStore, stream_name: str) -> bool:
    """Let a turn go on that failed, was interrupted or met a limit; False when none did."""
    if not read_state(store, stream_name).turn.halted:
        return False
    _append(store, stream_name, (TurnResumed(),))
    return True


def rename_session(store: EventStore, stream_name: str, title: str) -> None:
    """Give a thread a title, whatever it is doing."""
    _append(store, stream_name, (ThreadRenamed(title=title),))


def find_pending(state: ThreadState, call_id: str | None) -> tuple[CallState, ...]:
    """
    The calls that wait for a person: all, or the one that the id (or its beginning) names.

    Raises `UsageError` when there is none, or the beginning fits several.
    """
    pending = state.calls.pending
    if not pending:
        raise UsageError("no tool call of this thread waits for approval")
    if call_id is None:
        return pending
    exact = tuple(call for call in pending if call.call.id == call_id)
    found = exact or tuple(call for call in pending if call.call.id.startswith(call_id))
    if len(found) != 1:
        names = ", ".join(call.call.id for call in pending)
        raise UsageError(f"{call_id!r} names no single pending call; pending: {names}")
    return found


def approve(
    store: EventStore,
    stream_name: str,
    calls: Sequence[CallState],
    *,
    approved_by: str | None = None,
    edited_arguments: Any = None,
    remember: str | None = None,
) -> None:
    """Let these calls run. Raises `UsageError` when one of them waits no more."""
    events = tuple(
        ToolExecutionApproved(
            tool_name=call.call.name,
            approved_by=approved_by,
            edited_arguments=edited_arguments,
            remember=remember,
            tool_call_id=call.call.id,
        )
        for call in calls
    )
    _decide(store, stream_name, calls, events)


def complete(
    store: EventStore, stream_name: str, call: CallState, result: Any, *, by: str | None = None
) -> None:
    """
    Give a pending call the result that a person found out, instead of running it.

    It stays in the thread however large it is: `store` may tell workers about each stream it
    appends to, and one that holds a content is no thread.
    Raises `UsageError` when it waits no more.
    """
    event = ToolExecutionCompleted(tool_name=call.call.name, result=result, **identity(call))
    _decide(store, stream_name, (call,), (event,), {"by": by})


def deny(
    store: EventStore,
    stream_name: str,
    calls: Sequence[CallState],
    *,
    rejected_by: str | None = None,
    reason: str | None = None,
) -> None:
    """
    Refuse these calls; the model reads the reason.

    Raises `UsageError` when one of them waits no more.
    """
    events = tuple(
        ToolExecutionRejected(
            tool_name=call.call.name,
            rejected_by=rejected_by,
            reason=reason,
            tool_call_id=call.call.id,
        )
        for call in calls
    )
    _decide(store, stream_name, calls, events)


def _decide(
    store: EventStore,
    stream_name: str,
    calls: Sequence[CallState],
    events: Sequence[Event],
    metadata: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Record what a person said of calls that still wait as that person saw them."""
    recorder = Recorder(store, stream_name, annotate=lambda _new: metadata)
    recorder.open()
    try:
        recorder.conclude(events, lambda state: all(call in state.calls.pending for call in calls))
        recorder.flush()
    except ClaimLostError as lost:
        names = ", ".join(call.call.id for call in calls)
        raise UsageError(f"somebody else has decided about {names} meanwhile") from lost
    recorder.close()


def _append(
    store: EventStore,
    stream_name: str,
    events: Sequence[Event],
    *,
    expected_version: int | None = None,
    connection: psycopg.Connection[Any] | None = None,
) -> None:
    metadata = {"correlationStreamName": stream_name}
    new = [NewEvent(event=event, metadata=metadata) for event in events]
    store.append(stream_name, new, expected_version=expected_version, connection=connection)
