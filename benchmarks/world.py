"""What the benchmarks run in: a database, threads with a past, an agent that costs nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, LiteralString
from uuid import uuid4

import msgspec
import psycopg

from messagedb_agent.cancellation import NEVER, Cancellation
from messagedb_agent.engine.agent import Agent
from messagedb_agent.events import agent, tool, user
from messagedb_agent.events.base import Event
from messagedb_agent.events.codec import EncodedEvent, encode
from messagedb_agent.llm.base import Completion, Delta, ModelRequest, ignore_delta
from messagedb_agent.projections.messages import ToolResult
from messagedb_agent.store import schema
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.store.connections import connection_settings
from messagedb_agent.store.embedded import EmbeddedServer
from messagedb_agent.tools import ToolRegistry
from messagedb_agent.tools import tool as as_tool

# Written past `write_message`, which takes its time; what is measured never is.
_FILL: LiteralString = """
    INSERT INTO message_store.messages (stream_name, position, type, data, metadata)
    SELECT $1 || CASE WHEN $2::bigint = 1 THEN '' ELSE md5(thread::text) END,
           turn * cardinality($4::text[]) + place - 1, type, data::jsonb, metadata::jsonb
    FROM generate_series(1, $2::bigint) AS thread, generate_series(0, $3::bigint - 1) AS turn,
         unnest($4::text[], $5::text[], $6::text[]) WITH ORDINALITY
             AS event (type, data, metadata, place)
    ORDER BY thread, turn, place
"""


@as_tool(permission="allow")
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


class InstantModel:
    """Asks for one tool call, then answers; it looks at the last message only."""

    model_name = "instant"

    def complete(
        self,
        request: ModelRequest,
        *,
        on_delta: Callable[[Delta], None] = ignore_delta,
        cancelled: Cancellation = NEVER,
    ) -> Completion:
        """The answer, at once."""
        del on_delta, cancelled
        if isinstance(request.messages[-1], ToolResult):
            return Completion(text="It is 42.", model_name=self.model_name)
        call = agent.ToolCall("call_0", "add", {"a": 20, "b": 22})
        return Completion(tool_calls=(call,), model_name=self.model_name, stop_reason="tool_use")


AGENT = Agent(llm=InstantModel(), tools=ToolRegistry(add), system_prompt="Be quick.")

_CALL: dict[str, Any] = {"tool_id": "call_0", "tool_call_id": "call_0", "tool_index": 0}
_RECIPE = {
    "upto_position": 12345,
    "projection": "llm_context",
    "projection_version": 1,
    "message_count": 1234,
    "configuration_sha256": "0" * 64,
    "tools_sha256": "1" * 64,
    "sha256": "f" * 64,
}
_USAGE = {"input_tokens": 1200, "output_tokens": 30, "total_tokens": 1230}

TURN: tuple[Event, ...] = (
    user.UserMessageAdded(message="What is 20 plus 22?", timestamp="2025-01-01T12:00:00.000Z"),
    agent.LLMCallRequested(model_name="instant", projected_context=_RECIPE),
    agent.LLMResponseReceived(
        tool_calls=(agent.ToolCall("call_0", "add", {"a": 20, "b": 22}),),
        model_name="instant",
        token_usage=_USAGE,
        stop_reason="tool_use",
        latency_ms=1,
    ),
    tool.ToolExecutionRequested(tool_name="add", arguments={"a": 20, "b": 22}, **_CALL),
    tool.ToolExecutionCompleted(tool_name="add", result=42, execution_time_ms=0.1, **_CALL),
    agent.LLMCallRequested(model_name="instant", projected_context=_RECIPE),
    agent.LLMResponseReceived(
        response_text="It is 42.",
        model_name="instant",
        token_usage=_USAGE,
        stop_reason="end_turn",
        latency_ms=1,
    ),
)
"""A turn as the engine writes it: message, tool call, answer."""

COMMITS = (TURN[:2], TURN[2:4], TURN[4:6], TURN[6:])
"""The same turn, by commits."""


def encoded(events: tuple[Event, ...] = TURN) -> tuple[EncodedEvent, ...]:
    """Events as `write_message` takes them, with the metadata that the engine adds."""
    stream_name = new_stream()
    metadata = {
        "correlationStreamName": stream_name,
        "causationMessageStreamName": stream_name,
        "causationMessagePosition": 12345,
    }
    return tuple(encode(event, metadata) for event in events)


def new_stream() -> str:
    """The name of a stream that does not exist."""
    return f"agent:v0-{uuid4()}"


class World(msgspec.Struct, frozen=True):
    """A database with Message DB in it; `home` is where the embedded server keeps it."""

    conninfo: Mapping[str, str]
    home: Path

    @contextmanager
    def store(self, *, durable: bool = True) -> Iterator[MessageDBClient]:
        """The event store; not durable, its commits do not wait for the disk."""
        with MessageDBClient(self.settings(durable=durable)) as store:
            store.health_check()
            yield store

    def connect(self, *, durable: bool = True) -> psycopg.Connection[Any]:
        """A bare connection with the same settings as the store's."""
        return psycopg.connect(autocommit=True, **self.settings(durable=durable))

    def settings(self, *, durable: bool = True) -> dict[str, Any]:
        """The libpq parameters of a connection."""
        settings = connection_settings(self.conninfo)
        if not durable:
            settings["options"] += " -c synchronous_commit=off"
        return settings

    def fill(self, prefix: str, *, threads: int = 1, turns: int) -> None:
        """Write threads with a past; a single one is called just `prefix`."""
        rows = encoded()
        columns = [list(column) for column in zip(*rows, strict=True)]
        with self.connect() as connection:
            connection.execute("SET statement_timeout = 0")
            psycopg.RawCursor(connection).execute(_FILL, (prefix, threads, turns, *columns))
            connection.execute("VACUUM (ANALYZE) message_store.messages")


@contextmanager
def new_world() -> Iterator[World]:
    """A private server in a folder that is gone afterwards, as users have it."""
    with tempfile.TemporaryDirectory(prefix="mdba-bench-", ignore_cleanup_errors=True) as folder:
        # Open to the user that root's server runs as, or it would live elsewhere, and stay there.
        Path(folder).chmod(0o711)
        home = Path(folder) / "home"
        server = EmbeddedServer(home)
        try:
            with server.acquire() as lease:
                with psycopg.connect(autocommit=True, **connection_settings(lease.conninfo)) as own:
                    schema.install(own)
                yield World(lease.conninfo, home)
        finally:
            server.stop()
