"""Large results of tools: stored once, and given to the model as if they were in the thread."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from messagedb_agent.engine.attachments import Attachment, store_attachment
from messagedb_agent.engine.contents import (
    INLINE_BYTES,
    PREVIEW_CHARACTERS,
    Contents,
    referred_streams,
    result_stream,
    with_whole_results,
)
from messagedb_agent.engine.history import read_history
from messagedb_agent.engine.review import review
from messagedb_agent.engine.session import complete
from messagedb_agent.engine.transfer import export_thread, import_thread
from messagedb_agent.engine.travel import fork_thread, replay
from messagedb_agent.errors import ModelCallError
from messagedb_agent.events import (
    LLMCallFailed,
    LLMCallRequested,
    LLMResponseReceived,
    ToolCall,
    ToolExecutionCompleted,
    ToolResultStored,
)
from messagedb_agent.events.base import Event
from messagedb_agent.events.codec import as_stored
from messagedb_agent.events.json_text import canonical, to_json
from messagedb_agent.events.tool import StoredResult
from messagedb_agent.llm.adapters import anthropic_wire, gemini_wire, openai_wire
from messagedb_agent.llm.base import ModelRequest
from messagedb_agent.llm.scripted import ScriptedModel
from messagedb_agent.projections import project_to_llm_context
from messagedb_agent.projections.messages import LargeToolResult, Message, ToolResult, UserMessage
from messagedb_agent.projections.thread_state import ThreadState
from messagedb_agent.store.base import EventStore
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.store.snapshots import decode_state, encode_state
from messagedb_agent.testing.strategies import json_values
from messagedb_agent.tools import Tool, ToolContext, tool
from tests.engine.helpers import (
    CountingStore,
    Crash,
    CrashingStore,
    agent_of,
    call,
    calls,
    events_of,
    go_on,
    kinds_of,
    new_stream,
    outcomes,
    say,
    violations,
)

PAGE = {"title": "é", "text": "line\n" * INLINE_BYTES, "rows": [{"zz": 1.0, "a": None}]}


@tool(permission="allow", recovery="retry")
def fetch() -> Any:
    """Fetch a large page."""
    return PAGE


@tool(permission="allow", recovery="retry")
def shout(text: str, times: int) -> str:
    """Say it again and again."""
    return text * times


def completed(result: Any) -> ToolExecutionCompleted:
    return ToolExecutionCompleted(
        tool_name="fetch", result=result, tool_id="a", tool_call_id="a", tool_index=0
    )


def given_to_a_model(*events: Event) -> Sequence[Message]:
    """The messages after a call that ended with these events, as a reader of the stream has it."""
    asked = LLMResponseReceived(
        response_text="", tool_calls=(ToolCall("a", "fetch", {}),), model_name="m"
    )
    history = (LLMCallRequested(model_name="m"), asked, *events)
    return project_to_llm_context([as_stored(event) for event in history])


def sent(messages: Sequence[Message]) -> list[str]:
    """What goes over the wire, byte for byte, in each protocol."""
    request = ModelRequest(model_name="m", system_prompt="", tools=(), messages=messages)
    return [
        json.dumps(wire.to_request(request, "m"))
        for wire in (anthropic_wire, openai_wire, gemini_wire)
    ]


def stored_results(store: MemoryStore) -> list[str]:
    return [name for name in store._streams if name.startswith("agent_result:")]


def content_of(store: EventStore, stream: str, call_id: str = "a") -> ToolResultStored:
    outcome = outcomes(store, stream)[call_id]
    assert isinstance(outcome, ToolExecutionCompleted)
    assert outcome.stored is not None
    (record,) = store.read(result_stream(outcome.stored.sha256))
    assert isinstance(record.event, ToolResultStored)
    return record.event


@given(result=json_values(), padding=st.sampled_from((0, 1, INLINE_BYTES)))
def test_any_result_gives_the_request_that_it_would_give_within_the_thread(
    result: Any, padding: int
) -> None:
    value = {"": result, "padding": "x" * padding} if padding else result
    within = completed(value)
    store = MemoryStore()
    apart = Contents(store).set_aside(within)

    messages = Contents(store).resolve(given_to_a_model(apart))

    assert to_json(list(messages)) == to_json(list(given_to_a_model(within)))
    assert sent(messages) == sent(given_to_a_model(within))
    assert bool(stored_results(store)) is (len(canonical(value)) > INLINE_BYTES)


@given(text=st.text(min_size=1, max_size=20), times=st.integers(1, 2 * INLINE_BYTES))
def test_a_result_is_whole_again_and_its_event_is_small(text: str, times: int) -> None:
    store, event = MemoryStore(), completed(text * times)

    apart = Contents(store).set_aside(event)

    assert Contents(store).whole(as_stored(apart)) == as_stored(event)
    assert len(to_json(apart)) <= INLINE_BYTES + 500


def test_the_limit_is_on_the_bytes_of_the_json_text() -> None:
    contents = Contents(MemoryStore())
    fits = completed("é" * (INLINE_BYTES // 2 - 1))

    assert contents.set_aside(fits) is fits
    apart = contents.set_aside(completed("é" * (INLINE_BYTES // 2)))
    assert isinstance(apart, ToolExecutionCompleted)
    assert apart.stored is not None
    assert apart.stored.size == INLINE_BYTES + 2
    assert apart.result == "é" * PREVIEW_CHARACTERS + "…"


def test_a_turn_stores_a_large_result_as_json_and_gives_it_to_the_model(
    memory: MemoryStore, stream: str
) -> None:
    model = ScriptedModel([calls(call("fetch", "a")), {"text": "read"}])

    say(memory, stream, "read it", agent_of(model, fetch))

    result = model.requests[-1].messages[-1]
    assert isinstance(result, ToolResult)
    assert result == ToolResult("a", "fetch", PAGE)
    content = content_of(memory, stream)
    assert content.result == PAGE
    assert content.size == len(canonical(PAGE))
    row = memory._streams[stored_results(memory)[0]][0]
    assert len(row.data or "") < content.size + 200


def test_it_takes_one_more_commit_the_first_time_and_none_after_that(
    memory: MemoryStore,
) -> None:
    def commits_of_a_turn(asked: Any, *tools: Tool) -> int:
        store = CountingStore(memory)
        say(store, new_stream(), "hi", agent_of([calls(asked), {"text": "ok"}], *tools))
        return store.commits

    small = commits_of_a_turn(call("shout", "a", text="a", times=9), shout)

    assert small == 4
    assert commits_of_a_turn(call("fetch", "a"), fetch) == 5
    assert commits_of_a_turn(call("fetch", "a"), fetch) == 4


def test_many_identical_results_are_stored_once(memory: MemoryStore, stream: str) -> None:
    several = calls(*(call("fetch", f"c{number}") for number in range(8)))
    model = ScriptedModel([several] * 5 + [{"text": "read"}])

    say(memory, stream, "read them", agent_of(model, fetch))

    assert len(stored_results(memory)) == 1
    bytes_of_the_thread = sum(len(row.data or "") for row in memory._streams[stream])
    assert kinds_of(memory, stream).count("ToolExecutionCompleted") == 40
    assert bytes_of_the_thread < len(canonical(PAGE))
    assert [m.result for m in model.requests[-1].messages if isinstance(m, ToolResult)] == (
        [PAGE] * 40
    )


def test_each_request_extends_the_one_before_in_every_process(
    memory: MemoryStore, stream: str
) -> None:
    model = ScriptedModel([calls(call("fetch", "a")), {"text": "one"}, {"text": "two"}])
    say(memory, stream, "read it", agent_of(model, fetch))
    say(memory, stream, "again", agent_of(model, fetch))

    _, second, third = (list(request.messages) for request in model.requests)
    assert third[: len(second)] == second
    assert to_json(third[: len(second)]) == to_json(second)


def test_what_the_recipes_say_holds_for_references(memory: MemoryStore, stream: str) -> None:
    model = ScriptedModel([calls(call("fetch", "a")), {"text": "read"}])
    say(memory, stream, "read it", agent_of(model, fetch))
    records = read_history(memory, stream)

    found = review(records)

    assert list(replay(records)) == []
    assert found.matches
    assert isinstance(found.request.messages[-1], LargeToolResult)
    resolved = Contents(memory).resolve(found.request.messages)
    assert list(resolved) == list(model.requests[-1].messages)


def test_another_content_is_another_request(memory: MemoryStore, stream: str) -> None:
    model = ScriptedModel([calls(call("fetch", "a")), {"text": "read"}])
    say(memory, stream, "read it", agent_of(model, fetch))

    forged = [
        msgspec.structs.replace(record, event=_of_other_content(record.event))
        for record in read_history(memory, stream)
    ]

    assert [found.recorded for found in replay(forged)] == ["LLMCallRequested"]


def _of_other_content(event: Event) -> Event:
    if isinstance(event, ToolExecutionCompleted):
        return msgspec.structs.replace(event, stored=StoredResult("0" * 64, 20_000))
    return event


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_death_between_content_and_outcome_does_no_harm(
    memory: MemoryStore, stream: str, moment: Literal["before", "after"]
) -> None:
    model = ScriptedModel([calls(call("fetch", "a")), {"text": "read"}])
    # The third append is the content: after message and claim, and answer and claim.
    dying = CrashingStore(memory, 3 if moment == "before" else 2, moment)
    with pytest.raises(Crash):
        say(dying, stream, "read it", agent_of(model, fetch))
    assert len(stored_results(memory)) == 1
    assert "ToolExecutionCompleted" not in kinds_of(memory, stream)

    assert go_on(memory, stream, agent_of(model, fetch)).response == "read"

    assert violations(list(memory.read(stream))) == []
    assert len(stored_results(memory)) == 1
    assert content_of(memory, stream).result == PAGE


def test_a_result_that_is_not_stored_fails_the_turn_in_plain_words(
    memory: MemoryStore, stream: str
) -> None:
    model = ScriptedModel([calls(call("fetch", "a")), {"text": "read"}, {"text": "again"}])
    say(memory, stream, "read it", agent_of(model, fetch))
    (gone,) = stored_results(memory)
    memory._streams.pop(gone)

    ended = say(memory, stream, "again", agent_of(model, fetch))

    assert ended.stop == "failed"
    assert ended.error == f"a result of a tool of this thread is not in the store (stream {gone})"
    failure = events_of(memory, stream)[-1]
    assert isinstance(failure, LLMCallFailed)
    assert failure.retryable is False


def test_a_content_is_read_once_by_a_process() -> None:
    store = MemoryStore()
    apart = Contents(store).set_aside(completed(PAGE))
    messages = given_to_a_model(apart)
    contents = Contents(store)
    once = contents.resolve(messages)
    store._streams.clear()

    assert contents.resolve(messages) == once
    with pytest.raises(ModelCallError, match="agent_result:v0-"):
        Contents(store).resolve(messages)


def test_messages_without_references_are_not_touched() -> None:
    messages = given_to_a_model(completed("small"))

    assert Contents(MemoryStore()).resolve(messages) is messages


def test_a_context_that_grew_is_resolved_like_one_seen_for_the_first_time() -> None:
    store = MemoryStore()
    contents = Contents(store)
    large = given_to_a_model(contents.set_aside(completed(PAGE)))
    others = given_to_a_model(completed("small"))

    for messages in ([*others], [*others, *large], [*others, *large, *others], [*large], []):
        assert contents.resolve(messages) == Contents(store).resolve(messages)


def test_files_may_be_left_as_references() -> None:
    store = MemoryStore()
    block = store_attachment(store, Attachment("a.png", "image/png", b"picture"))
    apart = Contents(store).set_aside(completed(PAGE))
    messages = [UserMessage("look", (block,)), *given_to_a_model(apart)]

    resolved = Contents(store).resolve(messages, files=False)

    assert resolved[0] is messages[0]
    assert list(resolved[1:]) == list(given_to_a_model(completed(PAGE)))


def test_a_file_of_the_same_bytes_is_another_content() -> None:
    store = MemoryStore()
    store_attachment(store, Attachment("a.json", "application/json", canonical(PAGE)))

    apart = Contents(store).set_aside(completed(PAGE))

    assert Contents(store).whole(apart) == completed(PAGE)


def test_a_result_that_looks_like_a_reference_is_a_result(memory: MemoryStore, stream: str) -> None:
    lookalike = {"stored": {"sha256": "0" * 64, "size": 20_000}, "sha256": "0" * 64}
    event = completed(lookalike)

    assert Contents(memory).set_aside(event) is event
    assert given_to_a_model(event)[-1] == ToolResult("a", "fetch", lookalike)
    assert referred_streams([event]) == ()


def test_a_fork_shares_the_contents_of_its_origin(memory: MemoryStore, stream: str) -> None:
    steps = [calls(call("fetch", "a")), {"text": "read"}, {"text": "and"}]
    say(memory, stream, "read it", agent_of(steps, fetch))
    fork, model = new_stream(), ScriptedModel(steps)
    fork_thread(memory, stream, fork, message="go on")

    go_on(memory, fork, agent_of(model, fetch))

    assert ToolResult("a", "fetch", PAGE) in model.requests[-1].messages
    assert len(stored_results(memory)) == 1


def test_an_exported_thread_takes_its_results_along(memory: MemoryStore, stream: str) -> None:
    say(memory, stream, "read it", agent_of([calls(call("fetch", "a")), {"text": "ok"}], fetch))
    elsewhere = MemoryStore()

    import_thread(elsewhere, export_thread(memory, stream))
    import_thread(elsewhere, export_thread(memory, stream), rename="agent:v0-copy")

    for name in (stream, "agent:v0-copy"):
        whole = with_whole_results(elsewhere, read_history(elsewhere, name))
        results = [r.event.result for r in whole if isinstance(r.event, ToolExecutionCompleted)]
        assert results == [PAGE]


@tool(permission="allow", transactional=True)
def insert(context: ToolContext) -> Any:
    """Read much within a transaction."""
    assert context.connection is not None
    return PAGE


def test_a_transactional_tool_keeps_its_result_in_the_thread(
    client: MessageDBClient, stream: str
) -> None:
    model = ScriptedModel([calls(call("insert", "a")), {"text": "ok"}])

    say(client, stream, "go", agent_of(model, insert))

    outcome = outcomes(client, stream)["a"]
    assert isinstance(outcome, ToolExecutionCompleted)
    assert (outcome.result, outcome.stored) == (PAGE, None)


@tool(permission="ask")
def risky() -> Any:
    """Do something that people would rather do themselves."""
    return None


def test_a_result_that_a_person_gives_stays_in_the_thread(memory: MemoryStore, stream: str) -> None:
    model = ScriptedModel([calls(call("risky", "a")), {"text": "ok"}])
    waiting = say(memory, stream, "go", agent_of(model, risky))

    complete(memory, stream, waiting.pending[0], PAGE)
    go_on(memory, stream, agent_of(model, risky))

    assert stored_results(memory) == []
    assert model.requests[-1].messages[-1] == ToolResult("a", "risky", PAGE)


def test_postgresql_gives_back_what_was_stored(client: MessageDBClient, stream: str) -> None:
    model = ScriptedModel([calls(call("fetch", "a")), {"text": "ok"}, {"text": "ok"}])
    say(client, stream, "read it", agent_of(model, fetch))
    say(client, stream, "again", agent_of(model, fetch))

    assert content_of(client, stream).result == PAGE
    _, second, third = model.requests
    assert to_json(second.messages[-1]) == to_json(third.messages[len(second.messages) - 1])


def test_a_probe_may_find_a_large_result(memory: MemoryStore, stream: str) -> None:
    @tool(permission="allow", recovery="probe", probe=lambda _arguments, _context: PAGE)
    def slow() -> Any:
        """Do something that can be looked up."""
        return PAGE

    model = ScriptedModel([calls(call("slow", "a")), {"text": "ok"}])
    with pytest.raises(Crash):
        say(CrashingStore(memory, 2, "before"), stream, "go", agent_of(model, slow))

    go_on(memory, stream, agent_of(model, slow))

    assert content_of(memory, stream).result == PAGE


def test_a_snapshot_keeps_the_reference(memory: MemoryStore, stream: str) -> None:
    model = ScriptedModel([calls(call("fetch", "a")), {"text": "read"}])
    state = say(memory, stream, "read it", agent_of(model, fetch)).state

    kept = decode_state(ThreadState, encode_state(state))

    assert kept == state
    assert isinstance(kept.context.messages[-2], LargeToolResult)
    assert list(Contents(memory).resolve(kept.context.messages))[:-1] == list(
        model.requests[-1].messages
    )
