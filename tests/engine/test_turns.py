"""Turns as they go when nothing goes wrong, and when a model does."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from messagedb_agent.engine.limits import Limits
from messagedb_agent.engine.session import add_message, terminate_session
from messagedb_agent.engine.thread import AgentThread
from messagedb_agent.errors import ThreadBusyError, ThreadEndedError
from messagedb_agent.events import (
    AgentConfigured,
    LimitReached,
    LLMCallFailed,
    LLMCallRequested,
    LLMResponseReceived,
    ToolExecutionCompleted,
)
from messagedb_agent.events.base import RecordedEvent
from messagedb_agent.events.json_text import digest
from messagedb_agent.llm.base import Delta
from messagedb_agent.llm.scripted import ScriptedModel
from messagedb_agent.projections.messages import ToolResult
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.tools import tool
from tests.engine.helpers import (
    CountingStore,
    agent_of,
    call,
    calls,
    events_of,
    go_on,
    kinds_of,
    outcomes,
    say,
    violations,
)


@tool(permission="allow")
def look(at: str) -> dict[str, Any]:
    """Look at something."""
    return {"zeta": at, "a": [1, 2], "bb": None}


TOOL_TURN = [calls(call("look", at="x")), {"text": "done"}]


def test_a_turn_with_a_tool_is_told_in_order(memory: MemoryStore, stream: str) -> None:
    result = say(memory, stream, "hi", agent_of(TOOL_TURN, look))

    assert (result.stop, result.response) == ("done", "done")
    assert kinds_of(memory, stream) == [
        "SessionStarted",
        "UserMessageAdded",
        "AgentConfigured",
        "LLMCallRequested",
        "LLMResponseReceived",
        "ToolExecutionRequested",
        "ToolExecutionCompleted",
        "LLMCallRequested",
        "LLMResponseReceived",
    ]


def test_a_turn_with_a_tool_is_at_most_four_commits(client: MessageDBClient, stream: str) -> None:
    store = CountingStore(client)

    say(store, stream, "hi", agent_of(TOOL_TURN, look))

    assert store.commits <= 4
    assert violations(list(client.read(stream))) == []


def test_what_the_engine_writes_says_what_it_follows_from(memory: MemoryStore, stream: str) -> None:
    say(memory, stream, "hi", agent_of(TOOL_TURN, look))

    for record in memory.read(stream):
        metadata = json.loads(record.metadata_text or "{}")
        assert metadata["correlationStreamName"] == stream
        if record.position < 2:
            # What a person says follows from nothing in the stream.
            assert "causationMessagePosition" not in metadata
        else:
            assert metadata["causationMessageStreamName"] == stream
            assert 0 < metadata["causationMessagePosition"] < record.position


def test_observers_see_each_event_once_and_in_order(memory: MemoryStore, stream: str) -> None:
    seen: list[RecordedEvent] = []
    with AgentThread(memory, stream, observers=[seen.append]) as thread:
        thread.start("hi")
        thread.run(agent_of(TOOL_TURN, look))

    assert seen == list(memory.read(stream))


def test_pieces_of_the_answer_are_given_and_not_stored(memory: MemoryStore, stream: str) -> None:
    pieces: list[Delta] = []
    with AgentThread(memory, stream, on_delta=pieces.append) as thread:
        thread.start("hi")
        thread.run(agent_of([{"text": "one two", "thinking": "hm"}]))

    assert "".join(piece.text for piece in pieces if piece.kind == "text") == "one two"
    assert len(kinds_of(memory, stream)) == 5


def as_sent(model: ScriptedModel) -> list[str]:
    """Each request in the very bytes that an adapter would begin with, order of keys included."""
    return [
        json.dumps([request.system_prompt, request.tools])
        + "".join(repr(message) for message in request.messages)
        for request in model.requests
    ]


def test_each_request_continues_the_last_one_byte_for_byte_whoever_sends_it(
    client: MessageDBClient, stream: str
) -> None:
    step = calls({"name": "look", "arguments": {"zeta": 1, "at": "x", "b": {"yy": 1, "x": 2}}})
    model = ScriptedModel([step, {"text": "one"}, step, {"text": "two"}])
    say(client, stream, "hi", agent_of(model, look))
    say(client, stream, "more", agent_of(model, look))

    sent = as_sent(model)

    assert len(sent) == 4
    for before, after in pairwise(sent):
        assert after.startswith(before)


def test_a_recipe_tells_what_was_sent(memory: MemoryStore, stream: str) -> None:
    model = ScriptedModel(TOOL_TURN)
    say(memory, stream, "hi", agent_of(model, look))

    recipes = [
        e.projected_context for e in events_of(memory, stream) if isinstance(e, LLMCallRequested)
    ]

    assert [recipe["message_count"] for recipe in recipes] == [
        len(request.messages) for request in model.requests
    ]
    assert recipes[0]["sha256"] != recipes[1]["sha256"]


def test_a_recipe_refers_to_the_prompt_and_the_tools(memory: MemoryStore, stream: str) -> None:
    model = ScriptedModel(TOOL_TURN)
    agent = agent_of(model, look)
    say(memory, stream, "hi", agent)
    with AgentThread(memory, stream) as thread:
        thread.send("and now?")
        thread.run(msgspec.structs.replace(agent, system_prompt="Be brief."))

    events = events_of(memory, stream)
    configured = [e for e in events if isinstance(e, AgentConfigured)]
    recipes = [e.projected_context for e in events if isinstance(e, LLMCallRequested)]
    assert [e.system_prompt for e in configured][1:] == ["Be brief."]
    referred = {recipe["configuration_sha256"] for recipe in recipes}
    assert referred == {e.sha256 for e in configured}
    assert {recipe["tools_sha256"] for recipe in recipes} == {digest(list(configured[0].tools))}


def test_another_process_derives_the_same_recipe(memory: MemoryStore, stream: str) -> None:
    """The digest hashes what is new in one run, and everything in the next one."""
    turns = [*TOOL_TURN, {"text": "two"}, {"text": "three"}]
    agent = agent_of(turns, look)
    say(memory, stream, "hi", agent)
    with AgentThread(memory, stream) as thread:
        thread.send("more")
        thread.run(agent)
        thread.send("and more")
        thread.run(agent)
    other = MemoryStore()
    for message in ("hi", "more", "and more"):
        say(other, stream, message, agent)

    def digests(store: MemoryStore) -> list[str]:
        return [
            e.projected_context["sha256"]
            for e in events_of(store, stream)
            if isinstance(e, LLMCallRequested)
        ]

    assert digests(memory) == digests(other)


def test_a_call_of_a_tool_that_does_not_exist_tells_the_model_so(
    memory: MemoryStore, stream: str
) -> None:
    model = ScriptedModel([calls(call("nosuch", "a")), {"text": "sorry"}])

    say(memory, stream, "hi", agent_of(model, look))

    result = model.requests[-1].messages[-1]
    assert isinstance(result, ToolResult)
    assert result.is_error
    assert "nosuch" in result.result


@pytest.mark.parametrize("arguments", ["{bad", {}, {"at": 3}, {"at": "x", "more": 1}, [1], None])
def test_arguments_that_do_not_fit_tell_the_model_so(
    memory: MemoryStore, stream: str, arguments: Any
) -> None:
    made = calls({"name": "look", "arguments": arguments, "id": "a"})

    result = say(memory, stream, "hi", agent_of([made, {"text": "sorry"}], look))

    assert result.response == "sorry"
    assert type(outcomes(memory, stream)["a"]).__name__ == "ToolExecutionFailed"


def test_calls_without_ids_or_with_the_same_id_get_one_result_each(
    memory: MemoryStore, stream: str
) -> None:
    made = calls(call("look", "a", at="x"), call("look", "a", at="y"), call("look", "a", at="z"))

    say(memory, stream, "hi", agent_of([made, {"text": "done"}], look))

    results = [
        e.result["zeta"] for e in events_of(memory, stream) if isinstance(e, ToolExecutionCompleted)
    ]
    assert sorted(results) == ["x", "y", "z"]
    assert violations(list(memory.read(stream))) == []


FAILURES = [{"error_type": "overloaded"}, {"error_type": "rate_limit", "retry_after": 0}]


def test_a_failed_attempt_is_recorded_and_repeated(memory: MemoryStore, stream: str) -> None:
    result = say(memory, stream, "hi", agent_of([{"text": "at last", "errors": FAILURES}]))

    failed = [e for e in events_of(memory, stream) if isinstance(e, LLMCallFailed)]
    claims = [e for e in events_of(memory, stream) if isinstance(e, LLMCallRequested)]
    answer = events_of(memory, stream)[-1]
    assert result.response == "at last"
    assert [(e.retry_count, e.error_type, e.retryable) for e in failed] == [
        (0, "overloaded", True),
        (1, "rate_limit", True),
    ]
    assert [e.attempt for e in claims] == [1, 2, 3]
    assert isinstance(answer, LLMResponseReceived)
    assert answer.retry_count == 2


def test_a_failure_that_is_final_ends_the_turn_and_can_be_resumed(
    memory: MemoryStore, stream: str
) -> None:
    broken = agent_of([{"errors": [{"error_type": "authentication", "message": "bad key"}]}])

    result = say(memory, stream, "hi", broken)

    assert (result.stop, result.error) == ("failed", "bad key")
    assert go_on(memory, stream, agent_of([{"text": "better"}])).response == "better"
    assert violations(list(memory.read(stream))) == []


def test_attempts_end_some_time(memory: MemoryStore, stream: str) -> None:
    always = agent_of([{"errors": [{"error_type": "overloaded", "message": "busy"}] * 50}])

    result = say(memory, stream, "hi", always)

    failed = [e for e in events_of(memory, stream) if isinstance(e, LLMCallFailed)]
    assert (result.stop, len(failed)) == ("failed", 5)
    assert [event.retryable for event in failed] == [True] * 4 + [False]


def test_a_message_can_follow_a_failed_turn(memory: MemoryStore, stream: str) -> None:
    say(memory, stream, "hi", agent_of([{"errors": [{"error_type": "invalid_request"}]}]))

    model = ScriptedModel([{"text": "yes"}])
    assert say(memory, stream, "still there?", agent_of(model)).response == "yes"
    assert len(model.requests[0].messages) == 2


LOOK_FOR_EVER = ScriptedModel([calls(call("look", at="x"))], repeat=True)


@pytest.mark.parametrize(
    ("limits", "name"),
    [
        (Limits(max_steps=4, max_repeats=None), "max_steps"),
        (Limits(max_repeats=3), "max_repeats"),
        (Limits(max_tokens=20, max_repeats=None), "max_tokens"),
    ],
)
def test_a_turn_that_meets_a_limit_stops_and_goes_on_when_told_to(
    memory: MemoryStore, stream: str, limits: Limits, name: str
) -> None:
    step = {**calls(call("look", at="x")), "usage": {"total_tokens": 10}}
    endless = agent_of(ScriptedModel([step], repeat=True), look, limits=limits)

    result = say(memory, stream, "hi", endless)

    last = events_of(memory, stream)[-1]
    assert result.stop == "limit"
    assert isinstance(last, LimitReached)
    assert last.limit == name
    # Going on begins a new count, and a thread at its limit does nothing by itself.
    before = memory.version(stream)
    with AgentThread(memory, stream) as thread:
        assert thread.run(endless).stop == "limit"
    assert memory.version(stream) == before
    assert go_on(memory, stream, endless).stop == "limit"
    assert memory.version(stream) > before + 1
    assert violations(list(memory.read(stream))) == []


def test_different_calls_are_no_loop(memory: MemoryStore, stream: str) -> None:
    steps = [calls(call("look", at=str(number))) for number in range(8)]

    result = say(memory, stream, "hi", agent_of([*steps, {"text": "done"}], look))

    assert result.stop == "done"


def test_a_thread_has_one_driver(memory: MemoryStore, stream: str) -> None:
    with (
        AgentThread(memory, stream),
        pytest.raises(ThreadBusyError),
        AgentThread(memory, stream),
    ):
        pass


def test_an_ended_thread_takes_no_message(memory: MemoryStore, stream: str) -> None:
    agent = agent_of([{"text": "hello"}])
    say(memory, stream, "hi", agent)
    terminate_session(memory, stream)
    terminate_session(memory, stream)

    with pytest.raises(ThreadEndedError):
        add_message(memory, stream, "more")
    with pytest.raises(ThreadEndedError):
        say(memory, stream, "more", agent)
    assert kinds_of(memory, stream)[-2:] == ["SessionTerminationRequested", "SessionCompleted"]
    assert go_on(memory, stream, agent).stop == "ended"


@pytest.mark.parametrize("moment", ["while the model answers", "while the tool runs"])
def test_a_message_that_arrives_while_the_agent_acts_is_taken_up_next(
    memory: MemoryStore, stream: str, moment: str
) -> None:
    def interject() -> None:
        if len(events_of(memory, stream)) < 8:
            add_message(memory, stream, "wait, also this")

    @tool(permission="allow")
    def slow() -> str:
        """Be overtaken by the user."""
        if moment == "while the tool runs":
            interject()
        return "ok"

    class Model(ScriptedModel):
        def complete(self, request: Any, **more: Any) -> Any:
            if moment == "while the model answers":
                interject()
            return super().complete(request, **more)

    model = Model([calls(call("slow")), {"text": "both done"}])
    result = say(memory, stream, "do this", agent_of(model, slow))

    assert result.response == "both done"
    assert len(model.requests) == 2
    assert [type(m).__name__ for m in model.requests[-1].messages] == [
        "UserMessage",
        "AssistantMessage",
        "ToolResult",
        "UserMessage",
    ]
    assert violations(list(memory.read(stream))) == []


def test_a_message_that_arrives_with_the_last_answer_is_answered_too(
    memory: MemoryStore, stream: str
) -> None:
    class Model(ScriptedModel):
        def complete(self, request: Any, **more: Any) -> Any:
            if len(self.requests) == 0:
                add_message(memory, stream, "one more thing")
            return super().complete(request, **more)

    result = say(memory, stream, "hi", agent_of(Model([{"text": "one"}, {"text": "two"}])))

    assert result.response == "two"
    assert violations(list(memory.read(stream))) == []
