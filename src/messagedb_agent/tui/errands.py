"""Short writes on somebody's behalf: a decision about a call, a new name."""

from __future__ import annotations

from messagedb_agent.engine.session import approve, deny
from messagedb_agent.events.user import ThreadRenamed
from messagedb_agent.projections.tool_calls import CallState
from messagedb_agent.store.base import NewEvent
from messagedb_agent.tui.dialogs.approval import Verdict
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
