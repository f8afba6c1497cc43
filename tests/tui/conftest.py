"""Fixtures: a store, a screen on it, and what to say to both."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from textual._context import visible_screen_stack
from textual.pilot import Pilot

from messagedb_agent.cancellation import NEVER, Cancellation
from messagedb_agent.engine.agent import Agent
from messagedb_agent.engine.approvals import ApprovalPolicy
from messagedb_agent.events.base import Event, RecordedEvent
from messagedb_agent.llm.base import LLM, Completion, Delta, ModelRequest, ignore_delta
from messagedb_agent.llm.scripted import ScriptedModel
from messagedb_agent.projections.thread_state import ThreadState
from messagedb_agent.store.base import NewEvent
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.store.stream import build_stream_name
from messagedb_agent.tools.base import Tool
from messagedb_agent.tools.define import tool
from messagedb_agent.tools.registry import ToolRegistry
from messagedb_agent.tui.app import AgentApp
from messagedb_agent.tui.dialogs.approval import ApprovalDialog
from messagedb_agent.tui.services import Services
from messagedb_agent.workers.reminder import RemindingStore
from tests.message_db import new_message_db
from tests.postgres import NewDatabase, server

__all__ = ["server"]

Story = Callable[[Pilot[None]], Awaitable[None]]
PATIENCE_SECONDS = 20.0


@pytest.fixture(autouse=True)
def _no_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys count at once in dialogs."""
    monkeypatch.setattr(ApprovalDialog, "GUARD_SECONDS", 0.0)


@pytest.fixture(scope="session")
def dsn(server: NewDatabase) -> str:
    """A database with Message DB in it; tests keep apart by their categories."""
    return new_message_db(server)


@pytest.fixture
def store(dsn: str) -> Iterator[MessageDBClient]:
    with MessageDBClient({"dbname": dsn}, patience_seconds=2) as store:
        yield store


class Gated:
    """A model that says its first word and then waits until somebody opens the gate."""

    model_name = "gated"

    def __init__(self, step: dict[str, Any]) -> None:
        self.gate = threading.Event()
        self._model = ScriptedModel([{**step, "thinking": ""}], repeat=True)
        self._thinking = step.get("thinking", "")

    def complete(
        self,
        request: ModelRequest,
        *,
        on_delta: Callable[[Delta], None] = ignore_delta,
        cancelled: Cancellation = NEVER,
    ) -> Completion:
        answer = self._model.complete(request, cancelled=cancelled)
        if self._thinking:
            on_delta(Delta(self._thinking, "thinking"))
        on_delta(Delta(answer.text.split(" ")[0]))
        self.gate.wait(PATIENCE_SECONDS)
        return answer


def recorded(events: Sequence[Event], start: int = 0) -> list[RecordedEvent]:
    """Events as a stream gives them, a second apart."""
    noon = datetime.fromisoformat("2026-01-01T12:00")
    return [
        RecordedEvent(
            id=str(position),
            event=event,
            stream_name="agent:v0-x",
            position=position,
            global_position=position,
            time=noon + timedelta(seconds=position),
        )
        for position, event in enumerate(events, start)
    ]


class Desk:
    """A category of its own, and screens that look at it."""

    def __init__(self, store: MessageDBClient) -> None:
        self.store = store
        self.category = f"t{uuid4().hex}"
        self.llm: LLM = ScriptedModel([])
        self.ran: list[str] = []
        self.more_tools: tuple[Tool, ...] = ()
        self.approval_timeout: float | None = None

    def stream(self, thread_id: str) -> str:
        return build_stream_name(self.category, "v0", thread_id)

    def write(self, thread_id: str, events: Sequence[Event]) -> str:
        stream_name = self.stream(thread_id)
        for start in range(0, len(events), 1000):
            batch = events[start : start + 1000]
            self.store.append(stream_name, [NewEvent(event=event) for event in batch])
        return stream_name

    def events(self, stream_name: str) -> list[Event]:
        return [record.event for record in self.store.read(stream_name)]

    def agent(self, _state: ThreadState) -> Agent:
        @tool(permission="ask")
        def shout(text: str) -> str:
            """Say it loudly."""
            self.ran.append(text)
            return text.upper()

        return Agent(
            llm=self.llm,
            tools=ToolRegistry(shout, *self.more_tools),
            approval_timeout=self.approval_timeout,
        )

    def permissive(self, state: ThreadState) -> Agent:
        """The same agent, which asks nobody."""
        return msgspec.structs.replace(self.agent(state), policy=ApprovalPolicy(allow_all=True))

    def app(self, stream_name: str | None = None) -> AgentApp:
        services = Services(
            store=self.store,
            run_store=RemindingStore(self.store),
            make_agent=self.agent,
            who="ada",
            category=self.category,
        )
        return AgentApp(services, stream_name)

    def hesitates(self, **step: Any) -> threading.Event:
        """Answer like this, but for the first word only once the event is set."""
        self.llm = model = Gated(step)
        return model.gate

    def says(self, *steps: dict[str, Any]) -> None:
        self.llm = ScriptedModel(steps)


@pytest.fixture
def desk(store: MessageDBClient) -> Desk:
    return Desk(store)


def play(app: AgentApp, story: Story, size: tuple[int, int] = (80, 24)) -> None:
    """Let a story happen on the screen."""

    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            await story(pilot)
        app.runner.close(5)

    asyncio.run(run())


async def until(pilot: Pilot[None], holds: Callable[[], bool]) -> None:
    """Wait for something that happens on another thread of execution."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"it did not happen; the screen:\n{text_of(pilot.app)}"
        await pilot.pause(0.02)
    await pilot.pause()


async def write(pilot: Pilot[None], text: str) -> None:
    """Send a message; typing each letter would only take time."""
    app = pilot.app
    assert isinstance(app, AgentApp)
    app.prompt.set_text(text)
    await pilot.press("enter")


def text_of(app: Any) -> str:
    """
    What the screen shows, line by line.

    A dialog keeps what it was drawn over, and takes that from this variable: without it, to
    look at a dialog before its first drawing would leave it over nothing.
    """
    visible_screen_stack.set(app._background_screens)
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)


def shows(pilot: Pilot[None], text: str) -> Callable[[], bool]:
    return lambda: text in text_of(pilot.app)
