"""start, message, continue: commands that drive a thread."""

from __future__ import annotations

import argparse
import json
import threading
from collections.abc import Callable

from messagedb_agent.cli.ask import ask_about
from messagedb_agent.cli.interrupt import interruptible
from messagedb_agent.cli.messages import message_of
from messagedb_agent.cli.observing import Observation, observed
from messagedb_agent.cli.reporter import Reporter
from messagedb_agent.cli.terminal import complain, is_interactive, say, tell
from messagedb_agent.cli.wiring import agent_for, category_of, configuration, reader, writer
from messagedb_agent.config import Config
from messagedb_agent.engine.follow import Follower
from messagedb_agent.engine.session import (
    add_message,
    approve,
    deny,
    read_state,
    reopen_session,
    start_session,
)
from messagedb_agent.engine.thread import AgentThread, RunResult
from messagedb_agent.errors import ClaimLostError, ThreadBusyError, ThreadEndedError, UsageError
from messagedb_agent.llm.catalog import OFFLINE, preload
from messagedb_agent.projections.thread_state import ThreadState
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.store.stream import build_stream_name, generate_thread_id, parse_stream_name
from messagedb_agent.store.threads import find_stream

_EXIT_CODES = {
    "done": 0,
    "truncated": 0,
    "ended": 0,
    "failed": 1,
    "refused": 1,
    "waiting": 3,
    "limit": 4,
    "interrupted": 130,
}


def start(options: argparse.Namespace) -> int:
    """Begin a thread and answer its first message."""
    config = configuration(options)
    preload(options.model or config.model_name or OFFLINE)
    text = message_of(options.message)
    thread_id = options.thread_id or generate_thread_id()
    stream_name = build_stream_name(options.category, options.version, thread_id)
    with writer(config) as store:
        if options.thread_id and store.version(stream_name) >= 0:
            raise UsageError(f"thread {thread_id} exists already; `./cli message` adds to it")
        if options.no_wait:
            start_session(
                store, text, thread_id=thread_id, category=options.category, version=options.version
            )
            return _say_added(options, stream_name)
        return _drive(
            options,
            config,
            store,
            stream_name,
            prepare=lambda thread: thread.start(text),
            when_busy=_nothing,
        )


def message(options: argparse.Namespace) -> int:
    """Add a message to a thread and answer it."""
    config = configuration(options)
    text = message_of(options.message)
    preload(options.model or config.model_name or OFFLINE)
    stream_name = _find(options, config)
    with writer(config) as store:
        if options.reopen:
            reopen_session(store, stream_name)
        if options.no_wait:
            add_message(store, stream_name, text)
            return _say_added(options, stream_name)
        return _drive(
            options,
            config,
            store,
            stream_name,
            prepare=lambda thread: thread.send(text),
            when_busy=lambda: add_message(store, stream_name, text),
        )


def carry_on(options: argparse.Namespace) -> int:
    """Go on with a thread."""
    config = configuration(options)
    preload(options.model or config.model_name or OFFLINE)
    stream_name = _find(options, config)
    with writer(config) as store:
        if read_state(store, stream_name).session.is_ended:
            thread_id = parse_stream_name(stream_name).thread_id
            raise ThreadEndedError(
                f"thread {thread_id} has ended; `./cli message {thread_id} MSG --reopen` reopens it"
            )
        return _drive(
            options,
            config,
            store,
            stream_name,
            prepare=AgentThread.resume,
            when_busy=_nothing,
        )


def _find(options: argparse.Namespace, config: Config) -> str:
    category = category_of(options)
    with reader(config) as connection:
        return find_stream(connection, category, options.thread)


def _nothing(*_: object) -> None:
    """Nothing to prepare."""


def _drive(
    options: argparse.Namespace,
    config: Config,
    store: MessageDBClient,
    stream_name: str,
    *,
    prepare: Callable[[AgentThread], None],
    when_busy: Callable[[], None],
) -> int:
    """Run the thread here, or follow whoever runs it until the turn is over."""
    thread_id = parse_stream_name(stream_name).thread_id
    reporter = Reporter(options.format, thread_id, show_thinking=options.show_thinking)
    with observed(config, thread_id) as observation:
        run = _Run(options, config, store, stream_name, reporter, observation=observation)
        result = _drive_or_follow(run, prepare, when_busy, may_follow=not options.no_follow)
        reporter.finish(result, stream_name)
        _explain(result, thread_id)
    return _EXIT_CODES[result.stop]


def _drive_or_follow(
    run: _Run,
    prepare: Callable[[AgentThread], None],
    when_busy: Callable[[], None],
    *,
    may_follow: bool,
) -> RunResult:
    try:
        return run.drive(prepare)
    except ThreadBusyError as busy:
        if not run.was_opened:
            when_busy()
        if not may_follow:
            raise
        tell(f"{busy}; following")
    except ClaimLostError as lost:
        if not may_follow:
            raise
        tell(f"{lost}; following")
    return run.follow()


class _Run:
    """One command's way with one thread."""

    def __init__(
        self,
        options: argparse.Namespace,
        config: Config,
        store: MessageDBClient,
        stream_name: str,
        reporter: Reporter,
        *,
        observation: Observation,
    ) -> None:
        self._options = options
        self._config = config
        self._store = store
        self._stream_name = stream_name
        self._reporter = reporter
        self._observation = observation
        self.was_opened = False

    def drive(self, prepare: Callable[[AgentThread], None]) -> RunResult:
        """Run the thread. Raises `ThreadBusyError` when another process does."""
        reporter = self._reporter
        with (
            self._observation.driving() as (observers, annotate),
            AgentThread(
                self._store,
                self._stream_name,
                observers=(reporter.on_event, *observers),
                on_delta=reporter.on_delta,
                annotate=annotate,
            ) as thread,
        ):
            self.was_opened = True
            agent = agent_for(self._options, self._config, thread.state)
            reporter.begin()
            self._observation.begin()
            prepare(thread)
            with interruptible(thread):
                result = thread.run(agent)
                while result.stop == "waiting" and self._may_ask():
                    if not _ask(self._store, self._stream_name, result.state):
                        break
                    thread.catch_up()
                    result = thread.run(agent)
            return result

    def follow(self) -> RunResult:
        """Show what the driver does; take over when there is none any more."""
        reporter = self._reporter
        state = read_state(self._store, self._stream_name)
        agent = agent_for(self._options, self._config, state)
        follower = Follower(self._store, self._stream_name, agent.deciders(), (reporter.on_event,))
        follower.look()
        reporter.begin()
        while True:
            result = follower.wait(threading.Event())
            if result is not None:
                return result
            try:
                return self.drive(_nothing)
            except (ThreadBusyError, ClaimLostError):
                continue

    def _may_ask(self) -> bool:
        return self._options.format == "text" and is_interactive()


def _ask(store: MessageDBClient, stream_name: str, state: ThreadState) -> bool:
    """Ask the person about each pending call. False when they want to decide later."""
    for call in state.calls.pending:
        answer = ask_about(call)
        if answer is None:
            return False
        if answer.allowed:
            approve(
                store,
                stream_name,
                (call,),
                approved_by=answer.who,
                edited_arguments=answer.edited_arguments,
                remember=answer.remember,
            )
        else:
            deny(store, stream_name, (call,), rejected_by=answer.who, reason=answer.reason)
    return True


def _explain(result: RunResult, thread_id: str) -> None:
    match result.stop:
        case "failed":
            complain(
                f"{result.error or 'the turn failed'}; `./cli continue {thread_id}` tries again"
            )
        case "refused":
            complain("the model refused to answer")
        case "truncated":
            complain("the answer ended early, at the model's limit")
        case "waiting":
            for call in result.pending:
                arguments = json.dumps(call.arguments)
                complain(
                    f"{call.call.name} {arguments[:300]} waits for approval: "
                    f"`./cli approve {thread_id} {call.call.id}` or "
                    f"`./cli deny {thread_id} {call.call.id}`, "
                    f"then `./cli continue {thread_id}`"
                )
        case "limit":
            limit = result.state.turn.limit
            name = limit.limit if limit else "a limit"
            complain(f"stopped at {name}; `./cli continue {thread_id}` goes on")
        case "interrupted":
            tell("")
            complain(f"interrupted; `./cli continue {thread_id}` goes on")


def _say_added(options: argparse.Namespace, stream_name: str) -> int:
    thread_id = parse_stream_name(stream_name).thread_id
    if options.format == "text":
        say(thread_id)
    else:
        say(json.dumps({"thread_id": thread_id, "stream_name": stream_name, "stop": "added"}))
    return 0
