"""A thread that this process closed opens with a look at what is new, and is the same thread."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from messagedb_agent.engine.agent import Agent
from messagedb_agent.engine.model_memory import ModelMemory
from messagedb_agent.engine.recipe import ContextDigest
from messagedb_agent.engine.remembered import Memory, Remembered, memory_of
from messagedb_agent.engine.session import add_message, approve, read_state
from messagedb_agent.engine.thread import AgentThread
from messagedb_agent.events import LLMCallRequested
from messagedb_agent.events.base import RecordedEvent
from messagedb_agent.llm.offline import OfflineModel
from messagedb_agent.llm.scripted import ScriptedModel
from messagedb_agent.projections.append_only import AppendOnly
from messagedb_agent.projections.base import Projected
from messagedb_agent.projections.thread_state import THREAD_STATE, ThreadState
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.store.wrapper import StoreWrapper
from messagedb_agent.tools import ToolRegistry, tool

STREAM, OTHER = "agent:v0-t", "agent:v0-other"
AGENT = Agent(llm=OfflineModel())


class Watched(StoreWrapper[MemoryStore]):
    """Keeps the position from which each read began."""

    def __init__(self) -> None:
        super().__init__(MemoryStore())
        self.positions: list[int] = []

    def read(self, stream_name: str, **more: Any) -> Iterator[RecordedEvent]:
        self.positions.append(more.get("position", 0))
        return super().read(stream_name, **more)


@pytest.fixture
def store() -> Watched:
    store = Watched()
    for stream, message in ((STREAM, "hello"), (OTHER, "good evening")):
        with AgentThread(store, stream) as thread:
            thread.start(message)
            thread.run(AGENT)
    store.positions.clear()
    return store


def folded(store: Watched, stream: str = STREAM) -> ThreadState:
    return THREAD_STATE.fold(record.event for record in store.store.read(stream))


def test_opening_it_again_reads_from_the_last_event_on(store: Watched) -> None:
    version = store.version(STREAM)

    with AgentThread(store, STREAM) as thread:
        assert thread.state == folded(store)

    assert store.positions == [version]


def test_what_others_appended_meanwhile_is_seen(store: Watched) -> None:
    with AgentThread(StoreWrapper(store.store), STREAM) as elsewhere:
        elsewhere.send("again")
        elsewhere.run(AGENT)

    with AgentThread(store, STREAM) as thread:
        assert thread.state == folded(store)


def test_a_message_and_its_run_read_only_what_is_new(store: Watched) -> None:
    version = store.version(STREAM)

    add_message(store, STREAM, "again")
    with AgentThread(store, STREAM) as thread:
        assert thread.run(AGENT).stop == "done"

    assert min(store.positions) == version
    assert read_state(store, STREAM) == folded(store)


def test_a_request_has_the_digest_that_a_process_without_memory_gives_it(store: Watched) -> None:
    for opened in (store, StoreWrapper(store.store)):
        with AgentThread(opened, STREAM) as thread:
            thread.send("the same")
            thread.run(AGENT)
    recipes = [
        record.event.projected_context
        for record in store.store.read(STREAM)
        if isinstance(record.event, LLMCallRequested)
    ]

    fresh = ContextDigest()
    configuration = read_state(store, STREAM).context.configuration
    assert configuration is not None
    messages = read_state(store, STREAM).context.messages
    for recipe in recipes:
        seen = AppendOnly.of(messages[: recipe["message_count"]])
        assert recipe["sha256"] == fresh.of(seen, configuration.sha256)


def test_a_stream_that_has_another_event_there_is_read_from_its_beginning(store: Watched) -> None:
    memory = memory_of(store)
    other = memory.take(OTHER)
    assert other is not None
    memory.keep(STREAM, other)

    assert read_state(store, STREAM) == folded(store)


def test_who_observes_sees_the_past_as_well(store: Watched) -> None:
    seen: list[RecordedEvent] = []

    with AgentThread(store, STREAM, observers=[seen.append]):
        assert [record.position for record in seen] == list(range(store.version(STREAM) + 1))


def test_what_was_not_committed_is_forgotten(store: Watched) -> None:
    with AgentThread(store, STREAM) as thread:
        thread.send("never mind")

    with AgentThread(store, STREAM) as thread:
        assert thread.state == folded(store)


def test_an_approval_leaves_the_thread_remembered() -> None:
    @tool
    def risky() -> str:
        """Ask first."""
        return "done"

    store, calls = Watched(), [{"name": "risky", "arguments": {}}]
    with AgentThread(store, STREAM) as thread:
        thread.start("go")
        asked = ScriptedModel([{"tool_calls": calls}])
        result = thread.run(Agent(llm=asked, tools=ToolRegistry(risky)))
    store.positions.clear()

    approve(store, STREAM, result.pending, approved_by="alice")
    assert read_state(store, STREAM) == folded(store)

    assert 0 not in store.positions


def remembered(events: int) -> Remembered:
    projected = Projected(THREAD_STATE, THREAD_STATE.initial, events - 1)
    return Remembered(projected, "id", -1, ModelMemory())


def test_what_is_taken_is_gone() -> None:
    memory, thread = Memory(), remembered(1)
    memory.keep(STREAM, thread)

    assert memory.take(STREAM) is thread
    assert memory.take(STREAM) is None


def test_the_threads_closed_last_are_remembered() -> None:
    memory = Memory(most_events=10)
    for stream, events in ((OTHER, 6), (STREAM, 4), ("agent:v0-third", 3)):
        memory.keep(stream, remembered(events))

    assert memory.take(OTHER) is None
    assert memory.take(STREAM) is not None


def test_a_thread_that_is_too_long_is_not_remembered() -> None:
    memory = Memory(most_events=10)
    memory.keep(OTHER, remembered(10))
    memory.keep(STREAM, remembered(11))

    assert memory.take(STREAM) is None
    assert memory.take(OTHER) is not None


def test_a_thread_that_is_kept_again_counts_once() -> None:
    memory = Memory(most_events=10)
    for events in (4, 5, 6):
        memory.keep(STREAM, remembered(events))
    memory.keep(OTHER, remembered(4))

    assert memory.take(STREAM) is not None
    assert memory.take(OTHER) is not None


def test_a_store_takes_its_memory_along() -> None:
    assert memory_of(MemoryStore()) is not memory_of(MemoryStore())


class Slotted(StoreWrapper[MemoryStore]):
    """A store of which nobody can remember anything without keeping it alive."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]


def test_a_store_that_can_not_be_remembered_works_without() -> None:
    store = Slotted(MemoryStore())
    with AgentThread(store, STREAM) as thread:
        thread.start("hello")
        thread.run(AGENT)

    with AgentThread(store, STREAM) as again:
        assert again.state == thread.state
