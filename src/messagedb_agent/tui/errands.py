"""Errands to the store on somebody's behalf: a decision about a call, a new name, a fork."""

from __future__ import annotations

from messagedb_agent.engine.history import read_history
from messagedb_agent.engine.review import Review, review
from messagedb_agent.engine.session import approve, deny
from messagedb_agent.engine.travel import fork_thread
from messagedb_agent.events.user import ThreadRenamed
from messagedb_agent.projections.tool_calls import CallState
from messagedb_agent.store.base import NewEvent
from messagedb_agent.tui.dialogs.approval import Verdict
from messagedb_agent.tui.forking import ForkPoint
from messagedb_agent.tui.services import Services


def decide(services: Services, stream_name: str, call: CallState, verdict: Verdict) -> None:
    """Record what somebody decided about a call."""
    if verdict.answer == "denied":
        deny(
            services.store,
            stream_name,
            (call,),
            rejected_by=services.who,
            reason=verdict.reason,
        )
        return
    approve(
        services.store,
        stream_name,
        (call,),
        approved_by=services.who,
        edited_arguments=verdict.arguments,
        remember="tool" if verdict.answer == "always" else None,
    )


def rename(services: Services, stream_name: str, title: str) -> None:
    """Give a thread a new title."""
    event = NewEvent(
        event=ThreadRenamed(title=title), metadata={"correlationStreamName": stream_name}
    )
    services.store.append(stream_name, [event])


def fork(services: Services, point: ForkPoint) -> str:
    """Begin a thread that shares what leads up to a point; the name of its stream."""
    stream_name = services.new_stream()
    fork_thread(services.store, point.stream_name, stream_name, point.position)
    return stream_name


def context_at(services: Services, stream_name: str, position: int) -> Review:
    """What the model saw when it was last called up to a position."""
    return review(read_history(services.store, stream_name, position))
