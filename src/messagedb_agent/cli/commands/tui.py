"""tui: threads on a full screen."""

from __future__ import annotations

import argparse
import os
import sys
from functools import partial
from typing import TYPE_CHECKING

from messagedb_agent.cli.ask import who_am_i
from messagedb_agent.cli.mcp import tool_servers
from messagedb_agent.cli.observing import telemetry_beside_a_screen
from messagedb_agent.cli.terminal import tell
from messagedb_agent.cli.wiring import agent_for, category_of, configuration, reader, writer
from messagedb_agent.errors import ConfigurationError, UsageError
from messagedb_agent.store.stream import parse_stream_name
from messagedb_agent.store.threads import find_stream

if TYPE_CHECKING:
    from messagedb_agent.tui.app import AgentApp
    from messagedb_agent.tui.services import Services

LEAVING_SECONDS = 3.0


def run(options: argparse.Namespace) -> int:
    """Show the screen until somebody leaves it."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("the tui needs a terminal; `start` and `message` work without one")
    config = configuration(options)
    stream_name = None
    if options.thread_id:
        with reader(config) as connection:
            stream_name = find_stream(connection, category_of(options), options.thread_id)
    told = _Told()
    with (
        telemetry_beside_a_screen(config) as telemetry,
        tool_servers(options, config) as servers,
        writer(config, told.store_is_away) as store,
    ):
        from messagedb_agent.tui.services import Services
        from messagedb_agent.workers.reminder import RemindingStore

        services = Services(
            store=store,
            run_store=RemindingStore(store),
            make_agent=partial(
                agent_for, options, config, servers=servers, on_problem=told.problem
            ),
            telemetry=telemetry,
            who=who_am_i(),
            category=options.category,
            version=options.version,
            shards=config.shards,
        )
        app = _app(services, stream_name)
        told.app = app
        app.run()
        app.runner.close(LEAVING_SECONDS)
    return _leave(app)


class _Told:
    """Leads to the screen, once there is one, what others would say on stderr."""

    def __init__(self) -> None:
        self.app: AgentApp | None = None
        self._known: set[str] = set()

    def store_is_away(self, reason: str) -> None:
        from messagedb_agent.tui.messages import StoreChanged

        if self.app is not None:
            self.app.post_safely(StoreChanged(reason))

    def problem(self, problem: str) -> None:
        from messagedb_agent.tui.messages import Failed

        # Each run finds the same servers down.
        if self.app is not None and problem not in self._known:
            self._known.add(problem)
            self.app.post_safely(Failed(problem))


def _app(services: Services, stream_name: str | None) -> AgentApp:
    try:
        from messagedb_agent.tui.app import AgentApp
    except ModuleNotFoundError as missing:
        raise ConfigurationError(
            f"the tui needs the package {missing.name}; `pip install 'messagedb-agent[tui]'`"
        ) from missing
    app = AgentApp(services, stream_name)
    if is_light(os.environ.get("COLORFGBG", "")) and "TEXTUAL_THEME" not in os.environ:
        app.theme = "textual-light"
    return app


def is_light(colours: str) -> bool:
    """Whether a terminal that describes itself like this in COLORFGBG is a light one."""
    return colours.rpartition(";")[2] in ("7", "15")


def _leave(app: AgentApp) -> int:
    conversation = app.conversation
    if conversation.state is not None and conversation.state.session.status != "new":
        thread_id = parse_stream_name(conversation.stream_name).thread_id
        tell(f"thread {thread_id}; `./tui --thread-id {thread_id}` goes on")
    return app.return_code or 0
