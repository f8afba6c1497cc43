"""
Threads behind an HTTP API: start, write, read, watch as it happens, approve.

It needs FastAPI and uvicorn, which this package does not bring: `pip install fastapi uvicorn`.

    AGENT_TOKEN=sesame python examples/embed_fastapi.py
    curl -H "Authorization: Bearer sesame" -d '{"message": "What is 6 * 7?"}' \
        -H "Content-Type: application/json" http://127.0.0.1:8000/threads

Endpoints are plain functions, which FastAPI calls in its thread pool; turns run in another
one, so that a request never waits for a model. Who watches reads the stream, and so may ask
any process of any machine, before, during or after the turn.
"""

from __future__ import annotations

import hmac
import json
import os
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Annotated, Any

import msgspec
import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException, Request
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field

from local_store import open_store
from messagedb_agent.engine import Agent, AgentThread, session
from messagedb_agent.engine.follow import Follower
from messagedb_agent.engine.live import Announcer, Ears
from messagedb_agent.errors import (
    AgentError,
    ClaimLostError,
    RunHandedOverError,
    ThreadBusyError,
    ThreadEndedError,
    ThreadNotFoundError,
    UsageError,
)
from messagedb_agent.events import RecordedEvent
from messagedb_agent.llm import Delta, create_llm_client
from messagedb_agent.projections.transcript import entry
from messagedb_agent.store import MessageDBClient, build_stream_name
from messagedb_agent.tools import ToolRegistry, builtin_tools

TURNS_AT_ONCE = 4
STATUS_CODES: dict[type[AgentError], int] = {
    ThreadNotFoundError: 404,
    ThreadEndedError: 409,
    UsageError: 422,
}


class Message(BaseModel):
    """What somebody says."""

    message: str = Field(min_length=1, max_length=100_000)


class Verdict(BaseModel):
    """What a person decides about one pending call."""

    call_id: str
    allow: bool
    reason: str | None = None


class Threads:
    """Drives threads, `TURNS_AT_ONCE` at a time; what it is asked for is in the stream first."""

    def __init__(self, store: MessageDBClient, agent: Agent, announcer: Announcer) -> None:
        self.store = store
        self.agent = agent
        self._announcer = announcer
        self._pool = ThreadPoolExecutor(TURNS_AT_ONCE, "turn")
        self._running: set[AgentThread] = set()
        self._mutex = threading.Lock()
        self.leaving = threading.Event()

    def drive(self, stream_name: str) -> None:
        """Let a thread go on, soon."""
        self._pool.submit(self._drive, stream_name)

    def close(self) -> None:
        """Let each turn end after the step it is in; `drive` goes on with it another time."""
        with self._mutex:
            self.leaving.set()
            for thread in self._running:
                thread.hand_over()
        self._pool.shutdown(cancel_futures=True)

    def _drive(self, stream_name: str) -> None:
        while not self.leaving.is_set():
            try:
                self._run(stream_name)
            except (ThreadBusyError, ClaimLostError):
                # Whoever drives it may be about to stop: see that the new message is answered.
                follower = Follower(self.store, stream_name, self.agent.deciders())
                if follower.wait(self.leaving) is None:
                    continue
            except RunHandedOverError:
                pass
            return

    def _run(self, stream_name: str) -> None:
        voice = self._announcer.voice(stream_name)
        with AgentThread(
            self.store, stream_name, observers=(voice.on_event,), on_delta=voice.on_delta
        ) as thread:
            with self._mutex:
                if self.leaving.is_set():
                    return
                self._running.add(thread)
            voice.begin()
            try:
                thread.run(self.agent)
            finally:
                with self._mutex:
                    self._running.discard(thread)


def frames(threads: Threads, stream_name: str, seen: int) -> Iterator[str]:
    """
    Server-sent events: `entry` for each recorded event after position `seen`, `delta` for
    pieces of the answer while it is generated, `stop` when the thread needs nothing more.
    """
    waiting: list[str] = []

    def on_event(record: RecordedEvent) -> None:
        waiting.append(frame("entry", as_entry(record), record.position))

    def on_delta(delta: Delta) -> None:
        waiting.append(frame("delta", {"kind": delta.kind, "text": delta.text}))

    with Ears(threads.store.session, stream_name) as ears:
        follower = Follower(
            threads.store, stream_name, threads.agent.deciders(), (on_event,), seen,
            ears=ears, on_delta=on_delta,
        )  # fmt: skip
        while not threads.leaving.is_set():
            result = follower.look()
            yield from waiting
            waiting.clear()
            if result is not None:
                yield frame("stop", {"reason": result.stop, "error": result.error})
                return
            follower.pause(0.5, threads.leaving)
            # A comment: the only way to find out that nobody listens any more is to write.
            yield ": still here\n\n"


def frame(event: str, data: dict[str, Any], position: int | None = None) -> str:
    """One server-sent event; its id is what a browser sends as Last-Event-ID on reconnecting."""
    head = f"id: {position}\n" if position is not None else ""
    return f"{head}event: {event}\ndata: {json.dumps(data)}\n\n"


def as_entry(record: RecordedEvent) -> dict[str, Any]:
    """A recorded event as people read it."""
    told = entry(record.event)
    return {"position": record.position, "who": told.voice, "text": told.text}


bearer = HTTPBearer()


def check_token(
    request: Request, given: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]
) -> None:
    """Let only those in who know the token."""
    expected: str = request.app.state.token
    if not hmac.compare_digest(given.credentials.encode(), expected.encode()):
        raise HTTPException(401, "wrong token")


def threads_of(request: Request) -> Threads:
    """What `lifespan` made."""
    threads: Threads = request.app.state.threads
    return threads


Here = Annotated[Threads, Depends(threads_of)]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """One pool of connections from the start of the server to its end."""
    app.state.token = os.environ["AGENT_TOKEN"]
    model = create_llm_client(os.environ.get("MODEL_NAME", "offline"))
    agent = Agent(llm=model, tools=ToolRegistry(*builtin_tools()))
    with open_store() as store, Announcer(store) as announcer:
        app.state.threads = threads = Threads(store, agent, announcer)
        try:
            yield
        finally:
            threads.close()


app = FastAPI(title="Threads", lifespan=lifespan, dependencies=[Depends(check_token)])


@app.exception_handler(AgentError)
def on_agent_error(_request: Request, error: AgentError) -> JSONResponse:
    """One clear line, as on the command line."""
    found = (code for kind, code in STATUS_CODES.items() if isinstance(error, kind))
    return JSONResponse({"detail": str(error)}, next(found, 503))


def stream_of(thread_id: str) -> str:
    """The stream of a thread."""
    return build_stream_name("agent", "v0", thread_id)


@app.post("/threads", status_code=202)
def start(body: Message, threads: Here) -> dict[str, str]:
    """Begin a thread. It is recorded when this returns; the answer is in its stream later."""
    thread_id = session.start_session(threads.store, body.message)
    threads.drive(stream_of(thread_id))
    return {"thread_id": thread_id}


@app.post("/threads/{thread_id}/messages", status_code=202)
def add_message(thread_id: str, body: Message, threads: Here) -> dict[str, str]:
    """Say something in a thread, whatever it is doing."""
    session.add_message(threads.store, stream_of(thread_id), body.message)
    threads.drive(stream_of(thread_id))
    return {"thread_id": thread_id}


@app.get("/threads/{thread_id}")
def show(thread_id: str, threads: Here) -> dict[str, Any]:
    """The conversation, and the calls that wait for a person."""
    state = session.read_state(threads.store, stream_of(thread_id))
    return {
        "thread_id": thread_id,
        "messages": [msgspec.to_builtins(message) for message in state.context.messages],
        "pending": [
            {"call_id": call.call.id, "tool": call.call.name, "arguments": call.arguments}
            for call in state.calls.pending
        ],
    }


@app.get("/threads/{thread_id}/stream")
def stream(
    thread_id: str, threads: Here, last_event_id: Annotated[int, Header()] = -1
) -> StreamingResponse:
    """What happens in a thread, as it happens."""
    session.read_state(threads.store, stream_of(thread_id))  # 404 has to come before the first byte
    return StreamingResponse(
        frames(threads, stream_of(thread_id), last_event_id), media_type="text/event-stream"
    )


@app.post("/threads/{thread_id}/approvals", status_code=202)
def decide(thread_id: str, body: Verdict, threads: Here) -> dict[str, str]:
    """Let a pending call run, or refuse it; then the turn goes on."""
    stream_name = stream_of(thread_id)
    pending = session.find_pending(session.read_state(threads.store, stream_name), body.call_id)
    if body.allow:
        session.approve(threads.store, stream_name, pending, approved_by="api")
    else:
        session.deny(threads.store, stream_name, pending, rejected_by="api", reason=body.reason)
    threads.drive(stream_name)
    return {"thread_id": thread_id}


def main() -> None:
    """Serve this machine only; anything further belongs behind TLS."""
    if not os.environ.get("AGENT_TOKEN"):
        raise SystemExit("set AGENT_TOKEN: without one, anybody could use the tools here")
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8000")))


if __name__ == "__main__":
    main()
