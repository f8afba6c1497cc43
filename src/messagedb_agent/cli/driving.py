"""One command's way with one thread: drive it here, or follow whoever does."""

from __future__ import annotations

import argparse
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from messagedb_agent.cli.ask import Answer, ask_about
from messagedb_agent.cli.interrupt import interruptible
from messagedb_agent.cli.mcp import tool_servers
from messagedb_agent.cli.observing import telemetry_for
from messagedb_agent.cli.outcome import EXIT_CODES, explain
from messagedb_agent.cli.reporter import Reporter
from messagedb_agent.cli.structured import checked
from messagedb_agent.cli.terminal import is_interactive, tell
from messagedb_agent.cli.wiring import agent_for
from messagedb_agent.config import Config
from messagedb_agent.engine.clock import utc_now
from messagedb_agent.engine.contents import Contents
from messagedb_agent.engine.costs import look_up
from messagedb_agent.engine.follow import Follower
from messagedb_agent.engine.live import Announcer, Ears
from messagedb_agent.engine.observing import Observation, observed
from messagedb_agent.engine.result import RunResult
from messagedb_agent.engine.session import (
    approve,
    deny,
    read_state,
)
from messagedb_agent.engine.settle import PATIENCE, settle_late
from messagedb_agent.engine.thread import AgentThread
from messagedb_agent.errors import ClaimLostError, ThreadBusyError, UsageError
from messagedb_agent.llm.base import Delta
from messagedb_agent.llm.catalog import OFFLINE
from messagedb_agent.projections.thread_state import ThreadState
from messagedb_agent.projections.timers import is_overdue
from messagedb_agent.projections.tool_calls import CallState
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.store.stream import parse_stream_name
from messagedb_agent.tools.base import ToolProgress
from messagedb_agent.workers.reminder import RemindingStore

if TYPE_CHECKING:
    from messagedb_agent.tools.mcp import McpServers


def nothing(*_: object) -> None:
    """Nothing to prepare."""


def drive(
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
    in_chat = getattr(options, "in_chat", False)
    reporter = Reporter(
        options.format,
        thread_id,
        Contents(store),
        show_thinking=options.show_thinking,
        introduce=not in_chat,
    )
    with (
        reporter,
        telemetry_for(config) as telemetry,
        observed(thread_id, telemetry) as observation,
        tool_servers(options, config) as servers,
    ):
        run = _Run(
            options, config, store, stream_name, reporter, observation=observation, servers=servers
        )
        result = _drive_or_follow(run, prepare, when_busy, may_follow=not options.no_follow)
        result = checked(options, result, run.drive)
        reporter.finish(result, stream_name)
        explain(result, thread_id, in_chat=in_chat)
    _look_up_price(result, run.model_before)
    return EXIT_CODES[result.stop]


def _look_up_price(result: RunResult, model_before: str) -> None:
    """
    Who first uses a model in a thread sees that its price is at hand for `list` and `show`.

    The answer has been read by then, and price tables need much that an SDK has loaded.
    """
    model_name = _model_of(result.state)
    if result.stop == "done" and model_name != model_before:
        look_up(model_name)


def _model_of(state: ThreadState) -> str:
    return state.context.configuration.model_name if state.context.configuration else OFFLINE


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
        servers: McpServers | None,
    ) -> None:
        self._options = options
        self._config = config
        self._store = store
        self._stream_name = stream_name
        self._reporter = reporter
        self._observation = observation
        self._servers = servers
        self.was_opened = False
        self.model_before = OFFLINE

    def drive(self, prepare: Callable[[AgentThread], None]) -> RunResult:
        """Run the thread. Raises `ThreadBusyError` when another process does."""
        reporter = self._reporter
        announcer = Announcer(self._store)
        voice = announcer.voice(self._stream_name)

        def on_delta(delta: Delta) -> None:
            reporter.on_delta(delta)
            voice.on_delta(delta)

        def on_progress(told: ToolProgress) -> None:
            reporter.on_progress(told)
            voice.on_progress(told)

        with (
            announcer,
            self._observation.driving() as (observers, annotate),
            AgentThread(
                RemindingStore(self._store),
                self._stream_name,
                observers=(reporter.on_event, *observers, voice.on_event),
                on_delta=on_delta,
                on_progress=on_progress,
                annotate=annotate,
            ) as thread,
        ):
            self._opened(thread.state)
            agent = agent_for(self._options, self._config, thread.state, self._servers)
            reporter.begin()
            self._observation.begin(thread.run_id)
            voice.begin()
            prepare(thread)
            with interruptible(thread):
                result = thread.run(agent)
                while result.stop == "waiting" and self._may_ask():
                    if not _ask(self._store, self._stream_name, result.state):
                        break
                    thread.catch_up()
                    result = thread.run(agent)
            return result

    def _opened(self, state: ThreadState) -> None:
        if not self.was_opened:
            self.was_opened, self.model_before = True, _model_of(state)

    def follow(self) -> RunResult:
        """Show what the driver does; take over when there is none any more."""
        reporter = self._reporter
        state = read_state(self._store, self._stream_name)
        agent = agent_for(self._options, self._config, state, self._servers)
        with Ears(self._store.session, self._stream_name) as ears:
            follower = Follower(
                self._store,
                self._stream_name,
                agent.deciders(),
                (reporter.on_event,),
                ears=ears,
                on_delta=reporter.on_delta,
                on_progress=reporter.on_progress,
            )
            follower.look()
            reporter.begin()
            while True:
                result = follower.wait(threading.Event())
                if result is not None:
                    return result
                try:
                    return self.drive(nothing)
                except (ThreadBusyError, ClaimLostError):
                    if is_overdue(follower.state, utc_now() - PATIENCE):
                        settle_late(self._store, self._stream_name)

    def _may_ask(self) -> bool:
        return self._options.format == "text" and is_interactive()


def _ask(store: MessageDBClient, stream_name: str, state: ThreadState) -> bool:
    """Ask the person about each pending call. False when they want to decide later."""
    for call in state.calls.pending:
        answer = ask_about(call)
        if answer is None:
            return False
        try:
            _record(store, stream_name, call, answer)
        except UsageError as error:
            # Somebody was quicker; the next look at the thread shows what that decided.
            tell(str(error))
    return True


def _record(store: MessageDBClient, stream_name: str, call: CallState, answer: Answer) -> None:
    if not answer.allowed:
        deny(store, stream_name, (call,), rejected_by=answer.who, reason=answer.reason)
        return
    approve(
        store,
        stream_name,
        (call,),
        approved_by=answer.who,
        edited_arguments=answer.edited_arguments,
        remember=answer.remember,
    )
