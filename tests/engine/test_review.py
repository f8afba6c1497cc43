from __future__ import annotations

import pytest

from messagedb_agent.engine.agent import Agent
from messagedb_agent.engine.review import review
from messagedb_agent.engine.thread import AgentThread
from messagedb_agent.errors import UsageError
from messagedb_agent.events.agent import LLMCallRequested
from messagedb_agent.events.base import Event, RecordedEvent
from messagedb_agent.events.user import UserMessageAdded
from messagedb_agent.llm.scripted import ScriptedModel
from messagedb_agent.store.base import NewEvent
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.tools import ToolRegistry, builtin_tools

STREAM = "agent:v0-t"
STEPS = (
    {"tool_calls": [{"name": "echo", "arguments": {"text": "a"}}]},
    {"text": "one", "errors": [{"error_type": "overloaded", "retry_after": 0}]},
    {"text": "two"},
)


def conversation() -> tuple[ScriptedModel, list[RecordedEvent]]:
    store, model = MemoryStore(), ScriptedModel(STEPS)
    agent = Agent(llm=model, tools=ToolRegistry(*builtin_tools()))
    with AgentThread(store, STREAM) as thread:
        thread.start("héllo \ud800")
        thread.run(agent)
        thread.send("and?")
        thread.run(agent)
    return model, list(store.read(STREAM))


def recorded(*events: Event) -> list[RecordedEvent]:
    store = MemoryStore()
    store.append(STREAM, [NewEvent(event=event) for event in events])
    return list(store.read(STREAM))


def test_every_request_is_derived_as_it_was_made() -> None:
    model, records = conversation()
    claims = [
        number
        for number, record in enumerate(records)
        if isinstance(record.event, LLMCallRequested)
    ]

    reviews = [review(records[: number + 1]) for number in claims]

    assert [found.matches for found in reviews] == [True] * 4
    assert [list(found.request.messages) for found in reviews] == [
        list(request.messages) for request in model.requests
    ]
    assert [found.request.attempt for found in reviews] == [1, 1, 2, 1]
    assert reviews[0].request.system_prompt == model.requests[0].system_prompt
    assert reviews[0].request.tools == model.requests[0].tools


def test_it_is_the_last_request_of_the_history() -> None:
    _, records = conversation()

    assert review(records).position == max(
        record.position for record in records if isinstance(record.event, LLMCallRequested)
    )


def test_a_claim_of_an_earlier_program_has_nothing_to_compare_with() -> None:
    found = review(recorded(UserMessageAdded(message="hi"), LLMCallRequested(model_name="m")))

    assert (found.request.model_name, len(found.request.messages), found.matches) == ("m", 1, None)


def test_a_changed_history_is_noticed() -> None:
    _, records = conversation()
    claim = next(record for record in records if isinstance(record.event, LLMCallRequested))

    (first,) = recorded(UserMessageAdded(message="something else"))

    assert review([first, claim]).matches is False


def test_a_thread_that_asked_no_model_has_no_request() -> None:
    with pytest.raises(UsageError, match="no model was called"):
        review(recorded(UserMessageAdded(message="hi")))
