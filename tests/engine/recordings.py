"""Threads that have been through much, to be recorded as they are stored by one release."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from messagedb_agent.engine.agent import Agent
from messagedb_agent.engine.approvals import ApprovalPolicy
from messagedb_agent.engine.attachments import Attachment, store_attachment
from messagedb_agent.engine.limits import Limits
from messagedb_agent.engine.session import (
    add_message,
    approve,
    complete,
    deny,
    find_pending,
    interrupt_session,
    read_state,
    rename_session,
    reopen_session,
    start_session,
    terminate_session,
)
from messagedb_agent.engine.thread import AgentThread
from messagedb_agent.engine.travel import fork_thread, rewind_thread
from messagedb_agent.errors import ToolError
from messagedb_agent.events import UnknownEvent
from messagedb_agent.llm.scripted import ScriptedModel
from messagedb_agent.store.base import EventStore, NewEvent
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.store.stream import build_stream_name
from messagedb_agent.tools import ToolContext, tool
from tests.engine.helpers import (
    Crash,
    CrashingStore,
    agent_of,
    call,
    calls,
    go_on,
    say,
)

CATEGORY = "golden"


@tool(permission="allow", recovery="retry")
def look(at: str) -> dict[str, Any]:
    """Look at something."""
    return {"seen": at, "size": 1e16, "odd": "\x00 \ud800 😀"}


@tool(permission="allow")
def fail() -> str:
    """Fail."""
    raise ToolError("that can't be done")


@tool(permission="ask")
def write(text: str) -> str:
    """Write something."""
    return f"wrote {text}"


@tool(permission="allow", recovery="ask")
def doubtful() -> str:
    """Do what a person has to look after."""
    return "done"


@tool(permission="allow", recovery="probe", probe=lambda _arguments, _context: "found")
def probed() -> str:
    """Do what leaves a trace."""
    return "done"


@tool(permission="allow", transactional=True)
def book(context: ToolContext) -> str:
    """Work within a transaction."""
    assert context.connection is not None
    return "booked"


TOOLS = (look, fail, write, doubtful, probed, book)


def agent(*steps: Any, **more: Any) -> Agent:
    return agent_of(list(steps), *TOOLS, **more)


def name_of(thread_id: str) -> str:
    return build_stream_name(CATEGORY, "v0", thread_id)


def worked(store: EventStore, stream: str) -> None:
    """Calls side by side, one that fails, a model that has to be asked again, two turns."""
    steps = (
        {"text": "let me see", **calls(call("look", "a", at="x"), call("fail", "b"))},
        {
            "thinking": "hm",
            "errors": [{"error_type": "overloaded"}, {"error_type": "rate_limit"}],
            **calls(call("look", "a", at="y"), call("book", "c"), call("nobody", "d")),
        },
        {"text": "there it is", "usage": {"input_tokens": 12, "output_tokens": 3}},
        {"text": "you are welcome"},
    )
    say(store, stream, "where is it?", agent(*steps))
    store.append(stream, [NewEvent(event=UnknownEvent(type_name="Applause", data={"loud": True}))])
    say(store, stream, "thanks \x00 \ud800", agent(*steps))


def approved(store: EventStore, stream: str) -> None:
    """Calls that were allowed, changed, refused, answered by a person, allowed for good."""
    made = calls(*(call("write", name, text=name) for name in "abcd"))
    steps = (made, calls(call("write", "e", text="e")), {"text": "all written"})
    say(store, stream, "write it", agent(*steps))

    def pending(name: str) -> Any:
        return find_pending(read_state(store, stream), name)

    approve(store, stream, pending("a"), approved_by="ann", edited_arguments={"text": "A"})
    deny(store, stream, pending("b"), rejected_by="bob", reason="not that one")
    complete(store, stream, pending("c")[0], "it was there already", by="cem")
    approve(store, stream, pending("d"), approved_by="dan", remember="tool")
    go_on(store, stream, agent(*steps))


def waiting(store: EventStore, stream: str) -> None:
    """A call that nobody has decided about yet."""
    say(store, stream, "write it", agent(calls(call("write", "a", text="x")), {"text": "written"}))


def recovered(store: EventStore, stream: str) -> None:
    """A process that died within calls of every kind of recovery."""
    made = calls(
        call("look", "a", at="x"), call("write", "b", text="x"), call("doubtful", "c"),
        call("probed", "d"), call("book", "e"),
    )  # fmt: skip
    granted = agent(made, {"text": "what a day"}, policy=ApprovalPolicy(allow_all=True))
    with pytest.raises(Crash):
        say(CrashingStore(store, 2, "before"), stream, "do it all", granted)
    go_on(store, stream, granted)
    approve(store, stream, read_state(store, stream).calls.pending, approved_by="ann")
    go_on(store, stream, granted)


def interrupted(store: EventStore, stream: str) -> None:
    """A turn that was stopped, went on, and one that was stopped and left there."""
    steps = ({"text": "never"}, {"text": "on we go"}, {"text": "and never again"})

    def stopping(number: int) -> Agent:
        class Stopping(ScriptedModel):
            def complete(self, request: Any, **more: Any) -> Any:
                interrupt_session(store, stream, reason="enough")
                assert more["cancelled"].wait(20)
                return super().complete(request, **more)

        return agent_of(Stopping(steps[number:]), *TOOLS)

    say(store, stream, "begin", stopping(0))
    go_on(store, stream, agent(*steps))
    say(store, stream, "again", stopping(1))


def limited(store: EventStore, stream: str) -> None:
    """A turn that met a limit, went on with a higher one, and met that, too."""
    steps = [calls(call("look", str(number), at=str(number))) for number in range(9)]
    say(store, stream, "go", agent(*steps, limits=Limits(max_steps=3)))
    go_on(store, stream, agent(*steps, limits=Limits(max_steps=2)))


def failed(store: EventStore, stream: str) -> None:
    """A turn whose model could not be used."""
    say(store, stream, "hi", agent({"errors": [{"error_type": "authentication"}], "text": "no"}))


def forked(store: EventStore, stream: str) -> None:
    """A thread that was gone back in, and began as a part of another one."""
    origin = f"{stream}-origin"
    steps = ({"text": "one"}, {"text": "two"}, {"text": "three"})
    say(store, origin, "first", agent(*steps))
    say(store, origin, "second", agent(*steps))
    fork_thread(store, origin, stream, 4, message="another second", reason="a try")
    go_on(store, stream, agent(*steps))
    rewind_thread(store, stream, 0, reason="not like that")
    say(store, stream, "yet another second", agent(*steps))


def ended(store: EventStore, stream: str) -> None:
    """A thread with a title and a file that ended, was opened again, and ended."""
    picture = store_attachment(store, Attachment("dot.png", "image/png", b"\x89PNG not really"))
    thread_id = stream.partition("-")[2]
    start_session(
        store, "see this", thread_id=thread_id, category=CATEGORY, content=(picture,),
        initial_context={"who": "ann"},
    )  # fmt: skip
    with AgentThread(store, stream) as thread:
        thread.run(agent({"text": "a dot"}))
    rename_session(store, stream, "Dots")
    terminate_session(store, stream, reason="enough dots")
    reopen_session(store, stream)
    add_message(store, stream, "one more")
    terminate_session(store, stream, outcome="failure")


Recording = Callable[[MessageDBClient, str], None]

RECORDINGS: dict[str, Recording] = {
    "worked": worked,
    "approved": approved,
    "waiting": waiting,
    "recovered": recovered,
    "interrupted": interrupted,
    "limited": limited,
    "failed": failed,
    "forked": forked,
    "ended": ended,
}
