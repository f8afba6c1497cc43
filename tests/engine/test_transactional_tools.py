"""Tools whose work and whose event are one commit, side by side with others."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import psycopg
import pytest

from messagedb_agent.cli.interrupt import interruptible
from messagedb_agent.engine.thread import AgentThread
from messagedb_agent.engine.travel import rewind_thread
from messagedb_agent.errors import ClaimLostError, ToolError
from messagedb_agent.events import (
    ToolExecutionCompleted,
    ToolExecutionFailed,
    ToolExecutionRequested,
    TurnInterrupted,
    UserMessageAdded,
)
from messagedb_agent.events.base import RecordedEvent
from messagedb_agent.llm.scripted import ScriptedModel
from messagedb_agent.store.base import NewEvent
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.tools import Tool, ToolContext, tool
from tests.engine.helpers import (
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
from tests.waiting import wait_for_wanted_lock

PATIENCE = 20.0

# Transactional tools


@pytest.fixture
def ledger(message_db: dict[str, Any]) -> Iterator[psycopg.Connection[Any]]:
    """A table that tools write to, looked at from outside."""
    with psycopg.connect(**message_db, autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS ledger (entry text)")
        connection.execute("TRUNCATE ledger")
        yield connection


def entries(ledger: psycopg.Connection[Any]) -> list[str]:
    return [row[0] for row in ledger.execute("SELECT entry FROM ledger ORDER BY 1")]


@tool(permission="allow", transactional=True)
def book(entry: str, context: ToolContext) -> str:
    """Write an entry into the ledger; "bad" ones are refused after they were written."""
    assert context.connection is not None
    context.connection.execute("INSERT INTO ledger VALUES (%s)", (entry,))
    if entry == "bad":
        raise ToolError("that is no entry")
    if entry == "syntax":
        context.connection.execute("SELEC")
    if entry == "commit":
        context.connection.commit()
    if entry.isupper():
        with suppress(psycopg.Error):
            context.connection.execute(entry.encode())
        context.connection.execute("INSERT INTO ledger VALUES ('later')")
    return f"booked {entry}"


def test_the_effect_of_a_transactional_tool_and_its_event_are_there_together(
    client: MessageDBClient, ledger: psycopg.Connection[Any], stream: str
) -> None:
    made = calls(call("book", "a", entry="one"), call("book", "b", entry="two"))
    result = say(client, stream, "hi", agent_of([made, {"text": "done"}], book))

    assert result.response == "done"
    assert entries(ledger) == ["one", "two"]
    assert [type(event) for event in outcomes(client, stream).values()] == [
        ToolExecutionCompleted
    ] * 2
    assert violations(list(client.read(stream))) == []


@pytest.mark.parametrize(
    "entry",
    ["bad", "syntax", "commit", "COMMIT", "ROLLBACK", "COMMIT AND CHAIN", "ROLLBACK AND CHAIN"],
)
def test_the_effect_of_a_transactional_tool_that_fails_is_undone(
    client: MessageDBClient, ledger: psycopg.Connection[Any], stream: str, entry: str
) -> None:
    made = calls(call("book", "a", entry=entry), call("book", "b", entry="good"))
    result = say(client, stream, "hi", agent_of([made, {"text": "done"}], book))

    assert result.response == "done"
    assert entries(ledger) == ["good"]
    assert type(outcomes(client, stream)["a"]) is ToolExecutionFailed
    assert violations(list(client.read(stream))) == []


def test_the_effect_of_a_transactional_tool_whose_claim_was_lost_is_undone(
    client: MessageDBClient, ledger: psycopg.Connection[Any], stream: str
) -> None:
    @tool(permission="allow", transactional=True)
    def overtaken(context: ToolContext) -> str:
        """Write while another process takes the call over."""
        assert context.connection is not None
        context.connection.execute("INSERT INTO ledger VALUES ('mine')")
        claim = ToolExecutionRequested(tool_name="overtaken", tool_call_id="a", attempt=2)
        client.append(stream, [NewEvent(event=claim)])
        return "too late"

    with pytest.raises(ClaimLostError):
        say(client, stream, "hi", agent_of([calls(call("overtaken", "a"))], overtaken))

    assert entries(ledger) == []
    assert outcomes(client, stream) == {}


def test_the_effect_of_a_transactional_tool_that_a_rewind_has_left_behind_is_undone(
    client: MessageDBClient, ledger: psycopg.Connection[Any], stream: str
) -> None:
    @tool(permission="allow", transactional=True)
    def overtaken(context: ToolContext) -> str:
        """Write while another process ends the turn, rewinds it, and makes the call anew."""
        connected(context).execute("INSERT INTO ledger VALUES ('mine')")
        failed = ToolExecutionFailed(tool_name="overtaken", tool_call_id="a")
        client.append(stream, [NewEvent(event=failed), NewEvent(event=TurnInterrupted())])
        rewind_thread(client, stream, 4)
        claim = ToolExecutionRequested(tool_name="overtaken", tool_call_id="a")
        client.append(stream, [NewEvent(event=claim)])
        return "too late"

    with pytest.raises(ClaimLostError):
        say(client, stream, "hi", agent_of([calls(call("overtaken", "a"))], overtaken))

    assert entries(ledger) == []
    assert kinds_of(client, stream)[-1] == "ToolExecutionRequested"


def test_a_run_that_was_overtaken_while_it_was_cut_off_records_no_second_outcome(
    client: MessageDBClient, stream: str
) -> None:
    over = threading.Event()

    @tool(permission="allow")
    def slow() -> str:
        """Answer when somebody else has answered."""
        assert over.wait(PATIENCE)
        return "late"

    @tool(permission="allow", transactional=True)
    def cut_off(context: ToolContext) -> None:
        """Lose the connection while another process takes both calls over."""
        for name in ("slow", "cut_off"):
            claim = ToolExecutionRequested(tool_name=name, tool_call_id=name, attempt=2)
            done = ToolExecutionCompleted(tool_name=name, tool_call_id=name, result="theirs")
            client.append(stream, [NewEvent(event=claim), NewEvent(event=done)])
        over.set()
        assert context.connection is not None
        context.connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    made = calls(call("slow", "slow"), call("cut_off", "cut_off"))
    with pytest.raises(ClaimLostError):
        say(client, stream, "hi", agent_of([made, {"text": "on"}], slow, cut_off))

    assert violations(list(client.read(stream))) == []


def test_a_message_that_arrives_meanwhile_undoes_nothing(
    client: MessageDBClient, ledger: psycopg.Connection[Any], stream: str
) -> None:
    @tool(permission="allow", transactional=True)
    def patient(context: ToolContext) -> str:
        """Write while the user goes on talking."""
        assert context.connection is not None
        context.connection.execute("INSERT INTO ledger VALUES ('mine')")
        client.append(stream, [NewEvent(event=UserMessageAdded(message="and another"))])
        return "ok"

    model = ScriptedModel([calls(call("patient", "a")), {"text": "both"}])
    result = say(client, stream, "hi", agent_of(model, patient))

    assert (result.response, entries(ledger)) == ("both", ["mine"])
    assert violations(list(client.read(stream))) == []


def test_a_transactional_tool_is_run_again_after_a_serialization_failure(
    client: MessageDBClient, ledger: psycopg.Connection[Any], stream: str
) -> None:
    tries: list[int] = []

    @tool(permission="allow", transactional=True)
    def contended(context: ToolContext) -> int:
        """Fail as a database does that asks for another try."""
        assert context.connection is not None
        tries.append(1)
        context.connection.execute("INSERT INTO ledger VALUES ('mine')")
        if len(tries) < 3:
            context.connection.execute(
                "DO $$BEGIN RAISE EXCEPTION 'conflict' USING ERRCODE = '40001'; END$$"
            )
        return len(tries)

    say(client, stream, "hi", agent_of([calls(call("contended", "a")), {"text": "ok"}], contended))

    outcome = outcomes(client, stream)["a"]
    assert isinstance(outcome, ToolExecutionCompleted)
    assert (outcome.result, entries(ledger)) == (3, ["mine"])
    assert kinds_of(client, stream).count("ToolExecutionRequested") == 1


def test_a_transactional_tool_needs_a_store_with_a_database(
    memory: MemoryStore, stream: str
) -> None:
    made = calls(call("book", "a", entry="one"))
    say(memory, stream, "hi", agent_of([made, {"text": "done"}], book))

    outcome = outcomes(memory, stream)["a"]
    assert isinstance(outcome, ToolExecutionFailed)
    assert "database" in outcome.error_message


def test_transactional_and_other_calls_of_one_response_all_end(
    client: MessageDBClient, ledger: psycopg.Connection[Any], stream: str
) -> None:
    @tool(permission="allow")
    def plain() -> str:
        """Do nothing much."""
        return "plain"

    made = calls(
        call("plain", "a"),
        call("book", "b", entry="x"),
        call("plain", "c"),
        call("book", "d", entry="bad"),
    )
    tools: tuple[Tool, ...] = (plain, book)

    assert say(client, stream, "hi", agent_of([made, {"text": "done"}], *tools)).response == "done"
    assert set(outcomes(client, stream)) == {"a", "b", "c", "d"}
    assert entries(ledger) == ["x"]
    assert violations(list(client.read(stream))) == []


# Side by side


class Recorded:
    """An observer that tells when the outcome of a call is in the stream."""

    def __init__(self) -> None:
        self._events: dict[str, threading.Event] = {}

    def __call__(self, record: RecordedEvent) -> None:
        if isinstance(record.event, ToolExecutionCompleted):
            self.of(str(record.event.call_id)).set()

    def of(self, call_id: str) -> threading.Event:
        return self._events.setdefault(call_id, threading.Event())


def drive(client: MessageDBClient, stream: str, made: Any, *tools: Tool, **more: Any) -> Recorded:
    """One turn, in which the model asks for these calls."""
    recorded = more.pop("recorded", None) or Recorded()
    with AgentThread(client, stream, observers=[recorded]) as thread:
        thread.start("hi")
        assert thread.run(agent_of([made, {"text": "done"}], *tools, **more)).response == "done"
    assert violations(list(client.read(stream))) == []
    return recorded


def results(client: MessageDBClient, stream: str) -> dict[str | None, Any]:
    return {
        call_id: outcome.result if isinstance(outcome, ToolExecutionCompleted) else None
        for call_id, outcome in outcomes(client, stream).items()
    }


def connected(context: ToolContext) -> psycopg.Connection[Any]:
    assert context.connection is not None
    return context.connection


@tool(permission="allow")
def quick() -> str:
    """Answer at once."""
    return "quick"


def test_a_slow_transactional_call_does_not_delay_the_record_of_another(
    client: MessageDBClient, ledger: psycopg.Connection[Any], stream: str
) -> None:
    recorded = Recorded()

    @tool(permission="allow", transactional=True)
    def slow(context: ToolContext) -> bool:
        """End when the other's result is in the stream."""
        connected(context).execute("INSERT INTO ledger VALUES ('slow')")
        return recorded.of("quick").wait(PATIENCE)

    made = calls(call("slow", "slow"), call("quick", "quick"))
    drive(client, stream, made, slow, quick, recorded=recorded)

    assert list(results(client, stream).items()) == [("quick", "quick"), ("slow", True)]
    assert entries(ledger) == ["slow"]


def test_a_slow_call_does_not_delay_the_record_of_a_transactional_one(
    client: MessageDBClient, ledger: psycopg.Connection[Any], stream: str
) -> None:
    recorded = Recorded()

    @tool(permission="allow")
    def slow() -> bool:
        """End when the other's result is in the stream."""
        return recorded.of("book").wait(PATIENCE)

    made = calls(call("slow", "slow"), call("book", "book", entry="one"))
    drive(client, stream, made, slow, book, recorded=recorded)

    assert list(results(client, stream).items()) == [("book", "booked one"), ("slow", True)]


def test_a_slow_transactional_call_does_not_delay_the_record_of_a_transactional_one(
    client: MessageDBClient, ledger: psycopg.Connection[Any], stream: str
) -> None:
    recorded = Recorded()

    @tool(permission="allow", transactional=True)
    def slow(context: ToolContext) -> bool:
        """End when the other's result is in the stream."""
        connected(context).execute("INSERT INTO ledger VALUES ('slow')")
        return recorded.of("book").wait(PATIENCE)

    made = calls(call("slow", "slow"), call("book", "book", entry="one"))
    drive(client, stream, made, slow, book, recorded=recorded)

    assert list(results(client, stream).items()) == [("book", "booked one"), ("slow", True)]
    assert entries(ledger) == ["one", "slow"]


def test_transactional_calls_of_one_response_run_at_the_same_time_on_connections_of_their_own(
    client: MessageDBClient, stream: str
) -> None:
    together = threading.Barrier(3)

    @tool(permission="allow", transactional=True)
    def meet(context: ToolContext) -> int:
        """Wait for the others."""
        together.wait(PATIENCE)
        return connected(context).info.backend_pid

    drive(client, stream, calls(*(call("meet", number) for number in "abc")), meet)

    assert len(set(results(client, stream).values()) - {None}) == 3


def test_no_more_transactional_calls_run_at_once_than_are_allowed(
    client: MessageDBClient, stream: str
) -> None:
    running, most = 0, 0
    mutex, together = threading.Lock(), threading.Barrier(2)

    @tool(permission="allow", transactional=True)
    def count(context: ToolContext) -> None:
        """Count who is here."""
        nonlocal running, most
        connected(context)
        with mutex:
            running += 1
            most = max(most, running)
        together.wait(PATIENCE)
        with mutex:
            running -= 1

    made = calls(*(call("count", number) for number in "abcd"))
    drive(client, stream, made, count, max_parallel_tools=2)

    assert most == 2


class HeldCategory:
    """A tool's hold on the category by an event that it wrote, and a tool that ends meanwhile."""

    def __init__(self, client: MessageDBClient) -> None:
        self.stream = new_stream()
        self._client = client
        self._taken = taken = threading.Event()

        @tool(permission="allow")
        def other() -> bool:
            """End while nothing can be written."""
            return taken.wait(PATIENCE)

        self.other = other

    def take(self, context: ToolContext) -> None:
        """Write the event, with which the lock is held until the tool's transaction ends."""
        event = NewEvent(event=UserMessageAdded(message="from a tool"))
        self._client.append(self.stream, [event], connection=connected(context))
        self._taken.set()


def test_a_transactional_call_that_writes_events_itself_does_not_hang_with_another_that_ends(
    client: MessageDBClient, ledger: psycopg.Connection[Any], stream: str
) -> None:
    held = HeldCategory(client)

    @tool(permission="allow", transactional=True)
    def tell(context: ToolContext) -> None:
        """Write an event of the category, whose lock is held from then on, and keep it for long."""
        held.take(context)
        wait_for_wanted_lock(ledger)

    made = calls(call("tell", "tell"), call("other", "other"), call("book", "book", entry="one"))
    drive(client, stream, made, tell, held.other, book)

    assert set(results(client, stream)) == {"tell", "other", "book"}
    assert kinds_of(client, held.stream) == ["UserMessageAdded"]


def test_transactional_calls_that_lock_each_other_out_run_again(
    client: MessageDBClient, ledger: psycopg.Connection[Any], stream: str
) -> None:
    ledger.execute("INSERT INTO ledger VALUES ('a'), ('b')")
    together, tries = threading.Barrier(2), []

    @tool(permission="allow", transactional=True)
    def swap(first: str, second: str, context: ToolContext) -> None:
        """Lock one entry and then the other; the first time, both calls at once."""
        update = "UPDATE ledger SET entry = entry WHERE entry = %s"
        connected(context).execute(update, (first,))
        tries.append(first)
        if len(tries) <= 2:
            together.wait(PATIENCE)
        connected(context).execute(update, (second,))

    made = calls(call("swap", "x", first="a", second="b"), call("swap", "y", first="b", second="a"))
    drive(client, stream, made, swap)

    assert len(tries) == 3
    assert {type(outcome) for outcome in outcomes(client, stream).values()} == {
        ToolExecutionCompleted
    }


def test_the_event_of_a_transactional_call_tells_what_it_came_from_like_any_other(
    client: MessageDBClient, ledger: psycopg.Connection[Any], stream: str
) -> None:
    def annotate(_new: Any) -> Mapping[str, Any]:
        return {"traceparent": "this run"}

    agent = agent_of([calls(call("book", "a", entry="one")), {"text": "done"}], book)
    with AgentThread(client, stream, annotate=annotate) as thread:
        thread.start("hi")
        thread.run(agent)

    done = next(r for r in client.read(stream) if isinstance(r.event, ToolExecutionCompleted))
    metadata = json.loads(done.metadata_text or "")
    assert metadata["traceparent"] == "this run"
    assert metadata["causationMessagePosition"] == done.position - 1
    assert metadata["correlationStreamName"] == stream


# Given up


@pytest.fixture
def never() -> Iterator[threading.Event]:
    """Something to wait for in vain; it comes when the test is over."""
    event = threading.Event()
    yield event
    event.set()


def assert_ended(outcome: object, error_type: str) -> None:
    assert isinstance(outcome, ToolExecutionFailed)
    assert outcome.error_type == error_type


def sleep_in_the_database(context: ToolContext, _never: threading.Event) -> None:
    connected(context).execute("SELECT pg_sleep(60)")


def take_no_notice(_context: ToolContext, never: threading.Event) -> None:
    never.wait(PATIENCE)


def swallow_what_goes_wrong(context: ToolContext, never: threading.Event) -> None:
    while not never.is_set():
        with suppress(psycopg.Error):
            connected(context).execute("SELECT pg_sleep(0.01)")


@pytest.mark.parametrize("wait", [sleep_in_the_database, take_no_notice, swallow_what_goes_wrong])
def test_a_transactional_call_whose_time_is_over_is_rolled_back(
    client: MessageDBClient,
    ledger: psycopg.Connection[Any],
    stream: str,
    never: threading.Event,
    wait: Callable[[ToolContext, threading.Event], None],
) -> None:
    gone = threading.Event()

    @tool(permission="allow", transactional=True, timeout=0.3)
    def late(context: ToolContext) -> str:
        """Write, and come back much later."""
        connected(context).execute("INSERT INTO ledger VALUES ('late')")
        try:
            wait(context, never)
        finally:
            gone.set()
        return "too late"

    drive(client, stream, calls(call("late", "a")), late)

    assert_ended(outcomes(client, stream)["a"], "timeout")
    # The table is free, whatever the tool goes on doing.
    ledger.execute("TRUNCATE ledger")
    never.set()
    assert gone.wait(PATIENCE)
    assert entries(ledger) == []
    assert list(outcomes(client, stream)) == ["a"]


def test_a_call_that_holds_the_category_lock_when_its_time_is_over_gives_it_to_the_others(
    client: MessageDBClient, ledger: psycopg.Connection[Any], stream: str, never: threading.Event
) -> None:
    held = HeldCategory(client)

    @tool(permission="allow", transactional=True, timeout=1)
    def tell(context: ToolContext) -> None:
        """Write an event of the category, and never end."""
        held.take(context)
        never.wait(PATIENCE)

    drive(client, stream, calls(call("tell", "tell"), call("other", "other")), tell, held.other)

    assert_ended(outcomes(client, stream)["tell"], "timeout")
    assert results(client, stream)["other"] is True
    assert kinds_of(client, held.stream) == []


def press_ctrl_c() -> None:
    main = threading.main_thread().ident
    assert main is not None
    signal.pthread_kill(main, signal.SIGINT)


def interrupted_turn(client: MessageDBClient, stream: str, made: Any, *tools: Tool) -> None:
    """A turn that somebody interrupts by Ctrl+C; it can go on afterwards."""
    agent = agent_of([made, {"text": "done"}], *tools)
    with AgentThread(client, stream) as thread, interruptible(thread):
        thread.start("hi")
        assert thread.run(agent).stop == "interrupted"
    assert isinstance(events_of(client, stream)[-1], TurnInterrupted)
    assert go_on(client, stream, agent).response == "done"
    assert violations(list(client.read(stream))) == []


def test_ctrl_c_rolls_a_transactional_call_back(
    client: MessageDBClient, ledger: psycopg.Connection[Any], stream: str
) -> None:
    @tool(permission="allow", transactional=True)
    def pressed(context: ToolContext) -> str:
        """Write, and end although the user has had enough."""
        connected(context).execute("INSERT INTO ledger VALUES ('interrupted')")
        press_ctrl_c()
        context.cancelled.wait(PATIENCE)
        return "too late"

    interrupted_turn(client, stream, calls(call("pressed", "a")), pressed)

    assert_ended(outcomes(client, stream)["a"], "interrupted")
    assert entries(ledger) == []


def test_ctrl_c_reaches_a_transactional_call_while_the_engine_waits_for_its_lock(
    client: MessageDBClient, ledger: psycopg.Connection[Any], stream: str
) -> None:
    held = HeldCategory(client)

    @tool(permission="allow", transactional=True)
    def pressed(context: ToolContext) -> None:
        """Hold the category lock until told to stop."""
        held.take(context)
        wait_for_wanted_lock(ledger)
        press_ctrl_c()
        context.cancelled.wait(PATIENCE)

    made = calls(call("pressed", "pressed"), call("other", "other"))
    interrupted_turn(client, stream, made, pressed, held.other)

    assert_ended(outcomes(client, stream)["pressed"], "interrupted")
    assert results(client, stream)["other"] is True
    assert kinds_of(client, held.stream) == []


def test_a_transactional_call_that_is_about_to_commit_is_not_interrupted_any_more(
    client: MessageDBClient,
    ledger: psycopg.Connection[Any],
    message_db: dict[str, Any],
    stream: str,
) -> None:
    with psycopg.connect(**message_db) as elsewhere:

        def interrupt() -> None:
            wait_for_wanted_lock(ledger)
            press_ctrl_c()
            elsewhere.commit()

        bystander = threading.Thread(target=interrupt)

        @tool(permission="allow", transactional=True)
        def held_up(context: ToolContext) -> None:
            """Come to an end while somebody else writes in the category."""
            connected(context).execute("INSERT INTO ledger VALUES ('mine')")
            elsewhere.execute("SELECT message_store.acquire_lock(%s)", (stream,))
            bystander.start()

        interrupted_turn(client, stream, calls(call("held_up", "a")), held_up)
        bystander.join(PATIENCE)

    assert isinstance(outcomes(client, stream)["a"], ToolExecutionCompleted)
    assert entries(ledger) == ["mine"]
