"""Forks, rewinds, replays, copies: other times and places of a thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from messagedb_agent.engine.agent import Agent
from messagedb_agent.engine.history import read_history
from messagedb_agent.engine.result import RunResult
from messagedb_agent.engine.session import approve, find_pending, read_state
from messagedb_agent.engine.thread import AgentThread
from messagedb_agent.engine.transfer import export_thread, import_thread
from messagedb_agent.engine.travel import fork_thread, replay, rewind_thread
from messagedb_agent.engine.whatif import NOT_RECORDED, Recording
from messagedb_agent.errors import ThreadNotFoundError, UsageError
from messagedb_agent.events import (
    ThreadForked,
    ToolExecutionCompleted,
    ToolExecutionFailed,
    UnknownEvent,
    UserMessageAdded,
)
from messagedb_agent.events.base import Event
from messagedb_agent.llm.scripted import ScriptedModel
from messagedb_agent.projections.messages import UserMessage
from messagedb_agent.store.base import NewEvent
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.tools import ToolRegistry, tool

ORIGIN, FORK, COPY = "agent:v0-origin", "agent:v0-fork", "agent:v0-copy"
CALL = {"tool_calls": [{"name": "add", "arguments": {"a": 6, "b": 7}}]}


def agent_saying(*steps: dict[str, Any], permission: Any = "allow") -> tuple[Agent, list[int]]:
    """An agent with this script, and a list of what its only tool computed."""
    sums: list[int] = []

    @tool(permission=permission)
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        sums.append(a + b)
        return a + b

    return Agent(llm=ScriptedModel(steps), tools=ToolRegistry(add)), sums


def run(store: MemoryStore, stream: str, agent: Agent, message: str | None = None) -> RunResult:
    with AgentThread(store, stream) as thread:
        if message is not None and thread.state.session.status == "new":
            thread.start(message)
        elif message is not None:
            thread.send(message)
        return thread.run(agent)


@pytest.fixture
def store() -> MemoryStore:
    """0 started, 1 user, 2 configured, 3 claim, 4 response, 5 claim, 6 sum, 7 claim, 8 answer."""
    store = MemoryStore()
    agent, _ = agent_saying(CALL, {"text": "13"})
    assert run(store, ORIGIN, agent, "6 + 7?").response == "13"
    assert store.version(ORIGIN) == 8
    return store


def said(store: MemoryStore, stream: str) -> list[str]:
    messages = read_state(store, stream).context.messages
    return [message.text for message in messages if isinstance(message, UserMessage)]


def test_a_fork_is_one_event_and_has_the_history_of_its_origin(store: MemoryStore) -> None:
    fork_thread(store, ORIGIN, FORK)

    assert store.version(FORK) == 0
    assert read_state(store, FORK).context == read_state(store, ORIGIN).context


def test_a_fork_reads_nothing_of_its_origin(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*_: object, **__: object) -> None:
        pytest.fail("the time that a fork takes must not depend on the origin's length")

    monkeypatch.setattr(store, "read", read)

    fork_thread(store, ORIGIN, FORK)

    assert store.version(FORK) == 0


def test_a_fork_and_its_origin_go_their_own_ways(store: MemoryStore) -> None:
    fork_thread(store, ORIGIN, FORK)
    agent, _ = agent_saying({}, {}, {"text": "third"})

    assert run(store, FORK, agent, "in the fork").response == "third"
    assert run(store, ORIGIN, agent, "in the origin").response == "third"

    assert said(store, FORK) == ["6 + 7?", "in the fork"]
    assert said(store, ORIGIN) == ["6 + 7?", "in the origin"]


def test_a_fork_before_a_tool_ran_runs_it_for_itself(store: MemoryStore) -> None:
    fork_thread(store, ORIGIN, FORK, 5)
    agent, sums = agent_saying(CALL, {"text": "again"})

    assert run(store, FORK, agent).response == "again"
    assert sums == [13]


def test_what_was_approved_in_the_origin_is_not_approved_in_the_fork() -> None:
    store = MemoryStore()
    agent, sums = agent_saying(CALL, {"text": "done"}, permission="ask")
    run(store, ORIGIN, agent, "go")
    approve(store, ORIGIN, find_pending(read_state(store, ORIGIN), None), remember="tool")

    fork_thread(store, ORIGIN, FORK)

    assert run(store, FORK, agent).stop == "waiting"
    assert sums == []


def test_a_fork_of_a_fork_reaches_back_to_the_first(store: MemoryStore) -> None:
    fork_thread(store, ORIGIN, FORK, 8, message="one more")
    fork_thread(store, FORK, COPY, 1)

    assert said(store, COPY) == ["6 + 7?", "one more"]


def test_a_fork_at_a_position_that_is_not_there_writes_nothing(store: MemoryStore) -> None:
    with pytest.raises(UsageError, match="0 to 8"):
        fork_thread(store, ORIGIN, FORK, 9)

    assert store.version(FORK) == -1


def test_a_fork_of_nothing_is_refused(store: MemoryStore) -> None:
    with pytest.raises(ThreadNotFoundError):
        fork_thread(store, "agent:v0-nothing", FORK)


def test_a_stream_that_is_its_own_origin_is_an_error_and_no_endless_loop() -> None:
    store = MemoryStore()
    circle = ThreadForked(origin_stream_name=FORK, origin_position=0)
    store.append(FORK, [NewEvent(event=circle)])

    with pytest.raises(ThreadNotFoundError, match="circle"):
        read_state(store, FORK)


def test_a_rewound_thread_has_forgotten_what_came_after(store: MemoryStore) -> None:
    agent, _ = agent_saying({}, {}, {"text": "no"}, {"text": "no"})
    run(store, ORIGIN, agent, "a mistake")

    rewind_thread(store, ORIGIN, 8)

    assert said(store, ORIGIN) == ["6 + 7?"]
    assert run(store, ORIGIN, agent, "better").stop == "done"
    assert said(store, ORIGIN) == ["6 + 7?", "better"]


def test_an_open_thread_notices_that_it_was_rewound(store: MemoryStore) -> None:
    agent, _ = agent_saying({}, {}, {"text": "no"})
    run(store, ORIGIN, agent, "a mistake")
    with AgentThread(store, ORIGIN) as thread:
        rewind_thread(store, ORIGIN, 8)
        thread.catch_up()

        assert len(thread.state.context.messages) == 4


def test_a_replay_of_what_happened_finds_no_divergence(store: MemoryStore) -> None:
    fork_thread(store, ORIGIN, FORK, 4)
    agent, _ = agent_saying(CALL, {"text": "13"}, {"text": "more"})
    run(store, FORK, agent)
    run(store, FORK, agent, "and on")

    assert list(replay(read_history(store, ORIGIN))) == []
    assert list(replay(read_history(store, FORK))) == []


def test_a_replay_finds_a_message_that_was_changed(store: MemoryStore) -> None:
    def forged(event: Event) -> Event:
        is_message = isinstance(event, UserMessageAdded)
        return UserMessageAdded(message="7 + 7?") if is_message else event

    records = [
        msgspec.structs.replace(record, event=forged(record.event))
        for record in read_history(store, ORIGIN)
    ]

    assert [(found.position, found.recorded) for found in replay(records)] == [
        (3, "LLMCallRequested"),
        (7, "LLMCallRequested"),
    ]


def test_a_replay_finds_a_model_call_before_all_results_were_in(store: MemoryStore) -> None:
    records = [
        record
        for record in read_history(store, ORIGIN)
        if not isinstance(record.event, ToolExecutionCompleted)
    ]

    assert [found.position for found in replay(records)] == [7]


def test_an_imported_thread_folds_to_the_same_state(store: MemoryStore) -> None:
    other = MemoryStore()
    fork_thread(store, ORIGIN, FORK, 4, message="Gr\u00fc\u00dfe \x00\ud800")

    import_thread(other, export_thread(store, FORK))

    assert read_state(other, FORK) == read_state(store, FORK)
    assert [record.id for record in other.read(FORK)] == [record.id for record in store.read(FORK)]


def test_a_thread_may_be_imported_under_another_name_beside_itself(store: MemoryStore) -> None:
    lines = list(export_thread(store, ORIGIN))

    assert import_thread(store, lines, COPY) == COPY

    assert read_state(store, COPY).context == read_state(store, ORIGIN).context


def test_what_this_version_reads_otherwise_is_exported_as_it_is_stored(
    store: MemoryStore,
) -> None:
    newer = UnknownEvent(type_name="UserMessageAdded", data={"message": "hi", "mood": "glad"})
    store.append(ORIGIN, [NewEvent(event=newer)])
    other = MemoryStore()

    import_thread(other, export_thread(store, ORIGIN))

    assert '"mood"' in (list(other.read(ORIGIN))[-1].data_text or "")


def test_importing_what_is_there_already_changes_nothing(store: MemoryStore) -> None:
    import_thread(store, list(export_thread(store, ORIGIN)))

    assert store.version(ORIGIN) == 8


@pytest.mark.parametrize(
    "spoiled",
    [
        lambda _: [],
        lambda _: ["nonsense"],
        lambda lines: ['{"format": "other"}', *lines[1:]],
        lambda lines: [*lines[:2], *lines[3:]],
        lambda lines: [*lines, "{"],
        lambda lines: lines[:1],
        lambda lines: lines[:-1],
        lambda lines: [line.replace("done", "gone") for line in lines],
    ],
)
def test_a_file_that_is_no_whole_export_is_refused_and_writes_nothing(
    store: MemoryStore, spoiled: Callable[[list[str]], list[str]]
) -> None:
    other = MemoryStore()

    with pytest.raises(UsageError):
        import_thread(other, spoiled(list(export_thread(store, ORIGIN))))
    assert other.version(ORIGIN) == -1


def test_recorded_tools_repeat_their_results(store: MemoryStore) -> None:
    recording = Recording(record.event for record in read_history(store, ORIGIN))
    fork_thread(store, ORIGIN, FORK, 1)
    agent = Agent(llm=ScriptedModel([CALL, {"text": "other"}]), tools=recording.tools())

    assert run(store, FORK, agent).response == "other"

    completed = [r.event for r in store.read(FORK) if isinstance(r.event, ToolExecutionCompleted)]
    assert [event.result for event in completed] == [13]


def test_a_call_that_was_never_recorded_is_a_tool_error(store: MemoryStore) -> None:
    recording = Recording(record.event for record in read_history(store, ORIGIN))
    fork_thread(store, ORIGIN, FORK, 1)
    unknown = {"tool_calls": [{"name": "add", "arguments": {"a": 1, "b": 1}}]}
    agent = Agent(llm=ScriptedModel([unknown, {"text": "oh"}]), tools=recording.tools())

    run(store, FORK, agent)

    failed = [r.event for r in store.read(FORK) if isinstance(r.event, ToolExecutionFailed)]
    assert [event.error_message for event in failed] == [NOT_RECORDED]
