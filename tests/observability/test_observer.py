from __future__ import annotations

from typing import Any

import msgspec
import pytest

from messagedb_agent.engine.limits import Limits
from messagedb_agent.engine.session import add_message, approve, find_pending, read_state
from messagedb_agent.engine.thread import AgentThread
from messagedb_agent.events.base import RecordedEvent
from messagedb_agent.events.json_text import from_json
from messagedb_agent.events.user import UserMessageAdded
from messagedb_agent.llm.base import Completion
from messagedb_agent.llm.scripted import ScriptedModel
from messagedb_agent.observability import semconv
from messagedb_agent.observability.identity import (
    parse,
    run_span_id_of,
    trace_id_of,
    written_within,
)
from messagedb_agent.observability.spans import Span
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.tools.define import tool
from tests.observability.conversation import (
    ANSWER,
    ASK,
    STREAM,
    KilledError,
    agent,
    drive,
    observer,
    say,
)


def message_in(store: MemoryStore) -> RecordedEvent:
    return next(r for r in store.read(STREAM) if isinstance(r.event, UserMessageAdded))


def outline(spans: list[Span]) -> list[tuple[str, str | None]]:
    return [(span.name, span.error_type) for span in spans]


class DyingModel(ScriptedModel):
    """The process ends when this is asked for the second time."""

    def complete(self, *args: Any, **options: Any) -> Completion:
        if len(self.requests) == 1:
            raise KilledError
        return super().complete(*args, **options)


def kill_a_run(store: MemoryStore) -> list[Span]:
    spans: list[Span] = []
    driven = agent()
    watch = observer(spans)
    dying = type(driven)(
        llm=DyingModel((ASK, ANSWER)), tools=driven.tools, policy=driven.policy, retry=driven.retry
    )
    with AgentThread(store, STREAM, observers=(watch,), annotate=watch.annotate) as thread:
        thread.start("what?")
        with pytest.raises(KilledError):
            thread.run(dying)
    return spans


def test_a_turn_is_a_run_with_its_steps() -> None:
    store, spans = MemoryStore(), list[Span]()

    drive(store, observer(spans), agent(), say("what?"))

    *steps, run = spans
    assert sorted(step.name for step in steps) == [
        "chat scripted",
        "chat scripted",
        "execute_tool calculate",
        "execute_tool echo",
    ]
    assert run.name == "invoke_agent messagedb-agent"
    assert run.parent_id is None
    assert {step.parent_id for step in steps} == {run.ref.span_id}
    assert {span.ref.trace_id for span in spans} == {trace_id_of(message_in(store).id)}
    assert len({span.ref.span_id for span in spans}) == 5
    assert all(run.start <= step.start <= step.end <= run.end for step in steps)


def test_spans_carry_what_the_events_say() -> None:
    spans: list[Span] = []

    drive(MemoryStore(), observer(spans), agent(), say("what?"))

    chat, run = spans[0], spans[-1]
    assert chat.is_client
    assert chat.attributes[semconv.USAGE_INPUT_TOKENS] == 10
    assert chat.attributes[semconv.RESPONSE_FINISH_REASONS] == ["tool_use"]
    assert run.attributes[semconv.USAGE_INPUT_TOKENS] == 30
    assert run.attributes[semconv.OUR_STOP] == "done"
    content = {
        semconv.INPUT_MESSAGES,
        semconv.OUTPUT_MESSAGES,
        semconv.TOOL_CALL_ARGUMENTS,
        semconv.TOOL_CALL_RESULT,
    }
    assert all(content.isdisjoint(span.attributes) for span in spans)


def test_every_event_of_the_engine_says_in_which_span_it_was_written() -> None:
    store, spans = MemoryStore(), list[Span]()

    drive(store, observer(spans), agent(), say("what?"))

    assert {written_within(record) for record in store.read(STREAM)} == {spans[-1].ref}
    metadata = from_json(next(store.read(STREAM)).metadata_text or "")
    assert parse(metadata["traceparent"]) == spans[-1].ref


def test_nothing_is_added_when_nobody_traces() -> None:
    store = MemoryStore()
    with AgentThread(store, STREAM) as thread:
        thread.start("what?")
        thread.run(agent())

    assert all("traceparent" not in (r.metadata_text or "") for r in store.read(STREAM))


def test_each_attempt_is_a_span() -> None:
    spans: list[Span] = []
    failing = {**ANSWER, "errors": [{"error_type": "overloaded", "message": "busy"}]}

    drive(MemoryStore(), observer(spans), agent(failing), say("what?"))

    assert outline(spans) == [
        ("chat scripted", "overloaded"),
        ("chat scripted", None),
        ("invoke_agent messagedb-agent", None),
    ]
    assert spans[0].error_message is None


def test_a_failed_turn_is_a_failed_run() -> None:
    spans: list[Span] = []
    failing = {"errors": [{"error_type": "authentication", "message": "no"}]}

    drive(MemoryStore(), observer(spans), agent(failing), say("what?"))

    assert outline(spans)[-1] == ("invoke_agent messagedb-agent", "authentication")


def test_a_turn_that_met_a_limit_names_it() -> None:
    spans: list[Span] = []
    limited = msgspec.structs.replace(agent(), limits=Limits(max_steps=1))

    drive(MemoryStore(), observer(spans), limited, say("what?"))

    assert outline(spans)[-1] == ("invoke_agent messagedb-agent", "max_steps")


def test_a_turn_that_waits_goes_on_in_the_same_trace() -> None:
    @tool
    def sign(text: str) -> str:
        """Sign."""
        return text

    store = MemoryStore()
    first, second = list[Span](), list[Span]()
    asks = {"tool_calls": [{"name": "sign", "arguments": {"text": "x"}}]}
    driven = agent(asks, ANSWER, tools=(sign,), allow=False)

    assert drive(store, observer(first), driven, say("sign")).stop == "waiting"
    approve(store, STREAM, find_pending(read_state(store, STREAM), None))
    assert drive(store, observer(second), driven).stop == "done"

    assert outline(first) == [("chat scripted", None), ("invoke_agent messagedb-agent", None)]
    assert first[-1].attributes[semconv.OUR_STOP] == "waiting"
    assert [span.name for span in second] == [
        "execute_tool sign",
        "chat scripted",
        "invoke_agent messagedb-agent",
    ]
    assert {span.ref.trace_id for span in (*first, *second)} == {first[0].ref.trace_id}
    assert second[-1].parent_id == first[-1].ref.span_id
    assert second[0].parent_id == second[-1].ref.span_id


def test_what_a_killed_process_could_not_tell_is_told_by_the_next() -> None:
    store, after = MemoryStore(), list[Span]()
    before = kill_a_run(store)

    drive(store, observer(after), agent())

    assert outline(after) == [
        *outline(before),
        ("chat scripted", "interrupted"),
        ("invoke_agent messagedb-agent", "interrupted"),
        ("chat scripted", None),
        ("invoke_agent messagedb-agent", None),
    ]
    recovered, root, (chat, run) = after[:-3], after[-3], after[-2:]
    assert all(span.recovered for span in (*recovered, root))
    assert not any(span.recovered for span in (chat, run))
    assert [span.ref for span in before] == [span.ref for span in after[: len(before)]]
    assert root.parent_id is None
    assert root.ref.span_id == run_span_id_of(message_in(store).id)
    assert {span.parent_id for span in recovered} == {root.ref.span_id}
    assert (run.parent_id, chat.parent_id) == (root.ref.span_id, run.ref.span_id)
    assert {span.ref.trace_id for span in after} == {root.ref.trace_id}


def test_what_was_recovered_once_is_not_told_again() -> None:
    store = MemoryStore()
    kill_a_run(store)
    drive(store, observer(), agent())
    spans: list[Span] = []

    drive(store, observer(spans), agent(ASK, ANSWER, ANSWER), say("and?"))

    assert [span.name for span in spans] == ["chat scripted", "invoke_agent messagedb-agent"]


def test_a_turn_that_is_resumed_keeps_its_trace_and_the_next_one_gets_its_own() -> None:
    store, spans = MemoryStore(), list[Span]()
    watch = observer(spans)
    failing = {**ANSWER, "errors": [{"error_type": "authentication"}]}
    with AgentThread(store, STREAM, observers=(watch,), annotate=watch.annotate) as thread:
        thread.start("what?")
        thread.run(agent(failing))
        thread.resume()
        thread.run(agent(ANSWER))
        thread.send("and?")
        thread.run(agent(ANSWER, ANSWER))

    runs = [span for span in spans if span.name.startswith("invoke_agent")]
    assert [run.error_type for run in runs] == ["authentication", None, None]
    assert runs[1].ref.trace_id == runs[0].ref.trace_id != runs[2].ref.trace_id
    assert runs[1].parent_id == runs[0].ref.span_id
    assert runs[2].parent_id is None


def test_a_message_that_arrives_during_a_turn_belongs_to_it() -> None:
    store, spans = MemoryStore(), list[Span]()

    class Interjected(ScriptedModel):
        def complete(self, *args: Any, **options: Any) -> Completion:
            if not self.requests:
                add_message(store, STREAM, "also this")
            return super().complete(*args, **options)

    driven = agent()
    interjected = type(driven)(llm=Interjected((ANSWER, ANSWER)))
    drive(store, observer(spans), interjected, say("what?"))

    assert outline(spans) == [
        ("chat scripted", None),
        ("chat scripted", None),
        ("invoke_agent messagedb-agent", None),
    ]
    assert len({span.ref.trace_id for span in spans}) == 1


def test_a_trace_that_is_not_sampled_says_so_in_the_events() -> None:
    store = MemoryStore()

    drive(store, observer(sampled=lambda _trace_id: False), agent(), say("what?"))

    authors = {written_within(record) for record in store.read(STREAM)}
    assert [author.sampled for author in authors if author] == [False]


def test_a_fault_of_the_observer_does_not_stop_the_agent(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def emit(_span: Span) -> None:
        raise ZeroDivisionError("oops")

    watch = observer()
    watch._emit = emit

    assert drive(MemoryStore(), watch, agent(), say("what?")).stop == "done"
    assert capsys.readouterr().err.count("ZeroDivisionError: oops") == 1
