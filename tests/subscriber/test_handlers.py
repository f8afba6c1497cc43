from __future__ import annotations

import json
from typing import Any

import pytest

from messagedb_agent.events import (
    RecordedEvent,
    SessionStarted,
    ToolExecutionCompleted,
    UserMessageAdded,
)
from messagedb_agent.events.codec import EventRow, decode
from messagedb_agent.store import MessageDBClient
from messagedb_agent.store.base import NewEvent
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.subscriber import (
    ConversationPrinter,
    LoggingHandler,
    MetricsHandler,
    Subscriber,
    route,
)

EVENTS = [
    NewEvent(event=SessionStarted(thread_id="a")),
    NewEvent(event=UserMessageAdded(message="What is\n6 * 7?", timestamp="")),
    NewEvent(event=ToolExecutionCompleted(tool_name="calculate", result=42, execution_time_ms=1.0)),
]


def recorded(stream_name: str = "agent:v0-thread") -> tuple[RecordedEvent, ...]:
    return MemoryStore().append(stream_name, [NewEvent(event=new.event) for new in EVENTS])


def printed(*records: RecordedEvent, output: Any) -> str:
    lines: list[str] = []
    printer = ConversationPrinter(lines.append, output)
    for record in records:
        printer(record)
    return "".join(lines)


def test_events_are_led_to_the_handler_of_their_type() -> None:
    seen: list[tuple[str, str]] = []
    handler = route(
        {
            UserMessageAdded: lambda record: seen.append(("user", record.type)),
            "SessionStarted": lambda record: seen.append(("session", record.type)),
        },
        otherwise=lambda record: seen.append(("other", record.type)),
    )

    for record in recorded():
        handler(record)

    assert seen == [
        ("session", "SessionStarted"),
        ("user", "UserMessageAdded"),
        ("other", "ToolExecutionCompleted"),
    ]


def test_a_subscriber_reads_only_what_is_routed(store: MessageDBClient, category: str) -> None:
    store.append(f"{category}-a", [NewEvent(event=new.event) for new in EVENTS])
    seen: list[str] = []

    async def later(record: RecordedEvent) -> None:
        seen.append(record.type)

    router = route({UserMessageAdded: later})
    with Subscriber(store, category, router) as subscriber:
        subscriber.run_once()

    assert router.event_types == frozenset({"UserMessageAdded"})
    assert seen == ["UserMessageAdded"]


def test_text_is_one_line_for_each_event() -> None:
    lines = printed(*recorded(), output="text").splitlines()

    assert [line.split(" ", 1)[1] for line in lines] == [
        "thread system: started",
        "thread user: What is 6 * 7?",
        "thread tool result: calculate = 42 (1 ms)",
    ]


def test_pretty_shows_texts_whole_and_where_the_thread_changes() -> None:
    records = recorded()[1:2]
    other = recorded("agent:v0-other")[1:2]

    lines = printed(*records, *records, *other, output="pretty").splitlines()

    assert lines[0] == "── thread thread ──"
    assert lines[2:4] == ["    What is", "    6 * 7?"]
    assert lines[7:9] == ["", "── thread other ──"]
    assert sum("──" in line for line in lines) == 2


def test_json_is_one_object_for_each_line() -> None:
    record = recorded()[1]

    line = printed(record, output="json")

    assert line.endswith("}\n")
    assert json.loads(line) == {
        "id": record.id,
        "stream_name": "agent:v0-thread",
        "type": "UserMessageAdded",
        "position": 1,
        "global_position": record.global_position,
        "time": f"{record.time.isoformat()}Z",
        "data": {"message": "What is\n6 * 7?", "timestamp": ""},
    }


def test_json_has_fields_that_this_program_does_not_know() -> None:
    data = '{"message": "hello", "timestamp": "", "mood": "fine"}'
    record = recorded()[1]
    row = EventRow(record.id, "a-b", "UserMessageAdded", 0, 1, data, None, record.time)

    shown = json.loads(printed(decode(row), output="json"))

    assert shown["data"]["mood"] == "fine"


def test_logging_names_the_event_and_keeps_its_data_out() -> None:
    lines: list[tuple[str, dict[str, Any]]] = []

    class Log:
        def info(self, event: str, **values: Any) -> None:
            lines.append((event, values))

    LoggingHandler(Log())(recorded()[1])

    ((event, values),) = lines
    assert event == "event"
    assert values["type"] == "UserMessageAdded"
    assert values["stream_name"] == "agent:v0-thread"
    assert "6 * 7" not in str(values)


def test_metrics_count_what_is_handled_and_what_fails() -> None:
    def handle(record: RecordedEvent) -> None:
        if record.position == 0:
            raise ValueError("the first one")

    ticks = iter(range(100))
    metrics = MetricsHandler(handle, clock=lambda: float(next(ticks)))
    first, *rest = recorded()
    with pytest.raises(ValueError, match="the first one"):
        metrics(first)
    for record in rest:
        metrics(record)

    assert metrics.handled == {"UserMessageAdded": 1, "ToolExecutionCompleted": 1}
    assert metrics.failed == {"SessionStarted": 1}
    assert metrics.seconds == 3
    assert metrics.last_global_position == rest[-1].global_position
