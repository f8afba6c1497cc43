"""A process that dies between any two writes: the next one ends the turn as if nothing had been."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal

import pytest

from messagedb_agent.engine.session import approve, read_state
from messagedb_agent.engine.thread import AgentThread
from messagedb_agent.errors import ToolError, ToolNotExecutedError
from messagedb_agent.events import (
    LLMResponseReceived,
    ToolExecutionCompleted,
    ToolExecutionFailed,
    ToolExecutionRequested,
)
from messagedb_agent.events.base import RecordedEvent
from messagedb_agent.llm.scripted import ScriptedModel
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.tools import Tool, ToolContext, tool
from tests.engine.helpers import (
    Crash,
    CrashingStore,
    agent_of,
    call,
    calls,
    events_of,
    go_on,
    is_answered,
    kinds_of,
    new_stream,
    outcomes,
    say,
    violations,
)

PATIENCE = 20.0

SCRIPT = [
    calls(call("look", "a", at="x"), call("look", "b", at="y")),
    {"text": "wait", "errors": [{"error_type": "overloaded"}], **calls(call("look", "a", at="z"))},
    {"text": "done"},
]
MOMENTS: tuple[Literal["before", "after"], ...] = ("before", "after")


@tool(permission="allow", recovery="retry")
def look(at: str) -> str:
    """Look at something."""
    return f"seen {at}"


def drive_until_it_dies(
    store: MemoryStore,
    stream: str,
    at: int,
    moment: Literal["before", "after"],
    model: ScriptedModel,
) -> bool:
    """Whether the run got to its end before it was to die."""
    dying = CrashingStore(store, at, moment)
    agent = agent_of(model, look)
    try:
        if store.version(stream) < 0:
            say(dying, stream, "hi", agent)
        else:
            go_on(dying, stream, agent)
    except Crash:
        return False
    return True


def answers(model: ScriptedModel, store: MemoryStore, stream: str) -> tuple[int, int]:
    """How often the model was asked, and how many of its answers are recorded."""
    recorded = sum(isinstance(event, LLMResponseReceived) for event in events_of(store, stream))
    return len(model.requests), recorded


def assert_all_is_well(store: MemoryStore, stream: str) -> None:
    assert violations(list(store.read(stream))) == []
    assert is_answered(events_of(store, stream))
    kinds = Counter(kinds_of(store, stream))
    assert (kinds["LLMResponseReceived"], kinds["ToolExecutionCompleted"]) == (3, 3)
    assert (kinds["UserMessageAdded"], kinds["AgentConfigured"]) == (1, 1)
    assert kinds["ToolExecutionFailed"] == 0


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_turn_survives_a_death_at_any_write(moment: Literal["before", "after"]) -> None:
    for at in range(20):
        store, stream, model = MemoryStore(), new_stream(), ScriptedModel(SCRIPT)
        reached_the_end = drive_until_it_dies(store, stream, at, moment, model)

        asked, recorded = answers(model, store, stream)
        say_or_go_on(store, stream, model)

        assert_all_is_well(store, stream)
        # An answer that was recorded is never asked for again: one failing attempt, one for each
        # answer, and at most one that died on its way.
        assert len(model.requests) - asked <= 4 - recorded
        if reached_the_end:
            return
    raise AssertionError("the turn never ended")


def say_or_go_on(store: MemoryStore, stream: str, model: ScriptedModel) -> None:
    agent = agent_of(model, look)
    if store.version(stream) < 0:
        assert say(store, stream, "hi", agent).response == "done"
    else:
        assert go_on(store, stream, agent).response == "done"


def test_a_turn_survives_death_after_death() -> None:
    for first in range(7):
        for second in range(7):
            for moment in MOMENTS:
                store, stream, model = MemoryStore(), new_stream(), ScriptedModel(SCRIPT)
                drive_until_it_dies(store, stream, first, moment, model)
                drive_until_it_dies(store, stream, second, "after", model)
                say_or_go_on(store, stream, model)

                assert_all_is_well(store, stream)


def test_a_turn_that_dies_with_every_second_write_still_ends() -> None:
    store, stream, model = MemoryStore(), new_stream(), ScriptedModel(SCRIPT)

    for _ in range(30):
        if drive_until_it_dies(store, stream, 1, "after", model):
            break

    assert_all_is_well(store, stream)


def interrupted(store: MemoryStore, stream: str, broken: Tool) -> ScriptedModel:
    """A thread whose process died inside a tool."""
    model = ScriptedModel([calls(call(broken.name, "a")), {"text": "done"}])
    dying = CrashingStore(store, 2, "before")
    with pytest.raises(Crash):
        say(dying, stream, "hi", agent_of(model, broken))
    assert isinstance(events_of(store, stream)[-1], ToolExecutionRequested)
    return model


KEYS: list[tuple[str, int]] = []


@tool(permission="allow", recovery="retry")
def keyed(context: ToolContext) -> str:
    """Note what makes this call unique."""
    KEYS.append((context.idempotency_key, context.attempt))
    return "ok"


def test_a_call_that_is_retried_keeps_its_key_and_counts_its_attempts(
    memory: MemoryStore, stream: str
) -> None:
    KEYS.clear()
    model = interrupted(memory, stream, keyed)
    go_on(memory, stream, agent_of(model, keyed))

    (first, one), (second, two) = KEYS
    assert first == second
    assert (one, two) == (1, 2)


def test_calls_of_one_id_in_different_responses_have_different_keys(
    memory: MemoryStore, stream: str
) -> None:
    KEYS.clear()
    step = calls(call("keyed", "a"))
    say(memory, stream, "hi", agent_of([step, step, {"text": "done"}], keyed))

    assert len({key for key, _ in KEYS}) == 2


@tool(permission="allow", recovery="fail")
def fragile() -> str:
    """Do something that can't be repeated."""
    return "ok"


def test_an_interrupted_call_that_may_not_be_repeated_tells_the_model_so(
    memory: MemoryStore, stream: str
) -> None:
    model = interrupted(memory, stream, fragile)

    assert go_on(memory, stream, agent_of(model, fragile)).response == "done"
    outcome = outcomes(memory, stream)["a"]
    assert isinstance(outcome, ToolExecutionFailed)
    assert (outcome.error_type, "unknown" in outcome.error_message) == ("interrupted", True)


@tool(permission="allow", recovery="ask")
def doubtful() -> str:
    """Do something that a person has to look after."""
    return "ok"


def test_an_interrupted_call_may_wait_for_a_person(memory: MemoryStore, stream: str) -> None:
    model = interrupted(memory, stream, doubtful)
    agent = agent_of(model, doubtful)

    assert go_on(memory, stream, agent).stop == "waiting"
    approve(memory, stream, read_state(memory, stream).calls.pending)
    assert go_on(memory, stream, agent).response == "done"
    assert violations(list(memory.read(stream))) == []


def probing(answer: object) -> Tool:
    def probe(_arguments: object, _context: ToolContext) -> object:
        if isinstance(answer, Exception):
            raise answer
        return answer

    @tool(permission="allow", recovery="probe", probe=probe)
    def probed() -> str:
        """Do something that can be found out about."""
        return "ran again"

    return probed


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        ("it was done", "it was done"),
        (ToolNotExecutedError("no trace of it"), "ran again"),
        (ToolError("half of it is there"), None),
        (LookupError("the service is down"), None),
    ],
)
def test_a_probe_finds_out_what_became_of_an_interrupted_call(
    memory: MemoryStore, stream: str, answer: object, result: str | None
) -> None:
    probed = probing(answer)
    model = interrupted(memory, stream, probed)

    assert go_on(memory, stream, agent_of(model, probed)).response == "done"
    outcome = outcomes(memory, stream)["a"]
    if result is None:
        assert isinstance(outcome, ToolExecutionFailed)
        assert str(answer) in outcome.error_message
    else:
        assert isinstance(outcome, ToolExecutionCompleted)
        assert outcome.result == result
    assert violations(list(memory.read(stream))) == []


def test_interrupted_calls_of_different_recovery_end_together(
    memory: MemoryStore, stream: str
) -> None:
    probed = probing("it was done")
    made = calls(call("fragile", "a"), call("probed", "b"), call("look", "c", at="x"))
    model = ScriptedModel([made, {"text": "done"}])
    with pytest.raises(Crash):
        say(
            CrashingStore(memory, 2, "before"), stream, "hi", agent_of(model, fragile, probed, look)
        )

    result = go_on(memory, stream, agent_of(model, fragile, probed, look))

    assert result.response == "done"
    assert [
        type(outcome).__name__ for _, outcome in sorted(outcomes(memory, stream).items(), key=str)
    ] == [
        "ToolExecutionFailed",
        "ToolExecutionCompleted",
        "ToolExecutionCompleted",
    ]
    assert violations(list(memory.read(stream))) == []


def test_a_probe_and_a_failure_at_once_need_no_run_in_between(
    memory: MemoryStore, stream: str
) -> None:
    probed = probing("it was done")
    made = calls(call("fragile", "a"), call("probed", "b"))
    model = ScriptedModel([made, {"text": "done"}])
    agent = agent_of(model, fragile, probed)
    with pytest.raises(Crash):
        say(CrashingStore(memory, 2, "before"), stream, "hi", agent)

    assert go_on(memory, stream, agent).response == "done"
    assert violations(list(memory.read(stream))) == []


def test_a_slow_probe_does_not_delay_the_record_of_what_another_found(
    memory: MemoryStore, stream: str
) -> None:
    recorded = threading.Event()

    def watch(record: RecordedEvent) -> None:
        if isinstance(record.event, ToolExecutionCompleted) and record.event.call_id == "b":
            recorded.set()

    def find(arguments: Mapping[str, Any], _context: ToolContext) -> object:
        return recorded.wait(PATIENCE) if arguments["at"] == "slowly" else "found"

    @tool(permission="allow", recovery="probe", probe=find)
    def probed(at: str) -> str:
        """Do something that can be found out about."""
        return f"ran {at}"

    made = calls(call("probed", "a", at="slowly"), call("probed", "b", at="quickly"))
    agent = agent_of(ScriptedModel([made, {"text": "done"}]), probed)
    with pytest.raises(Crash):
        say(CrashingStore(memory, 2, "before"), stream, "hi", agent)

    with AgentThread(memory, stream, observers=[watch]) as thread:
        assert thread.run(agent).response == "done"
    assert list(outcomes(memory, stream)) == ["b", "a"]
    results = [e.result for e in events_of(memory, stream) if isinstance(e, ToolExecutionCompleted)]
    assert results == ["found", True]


def test_a_probe_that_does_not_end_in_time_has_found_nothing_out(
    memory: MemoryStore, stream: str
) -> None:
    never = threading.Event()

    @tool(
        permission="allow",
        recovery="probe",
        timeout=0.05,
        probe=lambda _arguments, _context: never.wait(PATIENCE),
    )
    def probed() -> str:
        """Do something that can be found out about."""
        return "ran again"

    model = interrupted(memory, stream, probed)

    assert go_on(memory, stream, agent_of(model, probed)).response == "done"
    never.set()
    outcome = outcomes(memory, stream)["a"]
    assert isinstance(outcome, ToolExecutionFailed)
    assert (outcome.error_type, "0.05 seconds" in outcome.error_message) == ("interrupted", True)


def test_an_event_tells_that_a_probe_found_the_result(memory: MemoryStore, stream: str) -> None:
    probed = probing("it was done")
    model = interrupted(memory, stream, probed)
    go_on(memory, stream, agent_of(model, probed, look))

    outcome = outcomes(memory, stream)["a"]
    assert isinstance(outcome, ToolExecutionCompleted)
    assert outcome.probed


def test_a_thread_that_is_only_opened_is_not_changed(memory: MemoryStore, stream: str) -> None:
    say(memory, stream, "hi", agent_of([{"text": "done"}]))
    before = kinds_of(memory, stream)

    with AgentThread(memory, stream):
        pass

    assert kinds_of(memory, stream) == before
