"""From settings to the parts that commands work with."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from messagedb_agent.cli.home import folder_of_rates, home_of
from messagedb_agent.config import Config, load_config
from messagedb_agent.engine.costs import keep_rates_in
from messagedb_agent.errors import SchemaMissingError, UsageError
from messagedb_agent.observability.logging import configure
from messagedb_agent.store.quick import PsycopgQueries, QuickConnection, quick_connection
from messagedb_agent.store.stream import build_category, build_stream_name
from messagedb_agent.store.threads import find_stream, thread_exists

if TYPE_CHECKING:
    from messagedb_agent.engine.agent import Agent
    from messagedb_agent.engine.approvals import PolicyRule
    from messagedb_agent.projections.thread_state import ThreadState
    from messagedb_agent.store.client import MessageDBClient
    from messagedb_agent.store.embedded import EmbeddedServer
    from messagedb_agent.tools import ToolRegistry
    from messagedb_agent.tools.mcp import McpServers


def configuration(options: argparse.Namespace) -> Config:
    """The settings of this call."""
    file = Path(options.config) if options.config else None
    config = load_config(os.environ, file)
    if options.shards is not None:
        config = config._replace(shards=options.shards)
    # SDKs, libpq and HTTP clients read the environment themselves.
    for name, value in config.environ.items():
        os.environ.setdefault(name, value)
    _share_certificates(os.environ)
    configure(
        config.log_level, config.log_format, environ=config.environ, content=config.log_content
    )
    keep_rates_in(lambda: folder_of_rates(config))
    return config


def _share_certificates(environ: MutableMapping[str, str]) -> None:
    """One file of certificates is enough, although SDKs and Google's tokens ask for two."""
    names = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
    for name, other in (names, names[::-1]):
        if environ.get(name):
            environ.setdefault(other, environ[name])


def category_of(options: argparse.Namespace) -> str:
    """The Message DB category that the options name."""
    return build_category(options.category, options.version)


def embedded_server(config: Config) -> EmbeddedServer:
    """The private server of this user."""
    from messagedb_agent.store.embedded import EmbeddedServer

    return EmbeddedServer(home_of(config))


def new_stream(options: argparse.Namespace, config: Config, thread_id: str) -> str:
    """The stream in which a thread with this id begins, if it does not exist."""
    return build_stream_name(options.category, options.version, thread_id, config.shards)


def refuse_known(options: argparse.Namespace, store: MessageDBClient, thread_id: str) -> None:
    """Raise `UsageError` for the id of a thread that exists, in whatever shard it began."""
    category = category_of(options)
    if store.query(lambda own: thread_exists(PsycopgQueries(own), category, thread_id)):
        raise UsageError(
            f"thread {thread_id} exists already; `./cli message` adds to it, or choose another id"
        )


@contextmanager
def database(config: Config) -> Iterator[Mapping[str, str]]:
    """
    Connection parameters of the database, which is up while the block runs.

    The embedded one is created, started and given its functions as needed.
    """
    if config.database is not None:
        yield config.database
        return
    from messagedb_agent.cli.progress import Progress

    # The lease has to outlive the block: without one the server stops when it seems idle.
    with ExitStack() as held:
        with Progress("starting the database"):
            lease = held.enter_context(embedded_server(config).acquire())
            if lease.how == "cold":
                install_schema(lease.conninfo, views=True)
        yield lease.conninfo


def install_schema(conninfo: Mapping[str, str], *, views: bool = False) -> None:
    """Put the Message DB functions, and the analytics views, into a database without them."""
    import psycopg

    from messagedb_agent.store.analytics import install_views
    from messagedb_agent.store.connections import connection_settings
    from messagedb_agent.store.schema import install

    with psycopg.connect(autocommit=True, **connection_settings(conninfo)) as connection:
        install(connection)
        if views:
            install_views(connection)


@contextmanager
def reader(config: Config) -> Iterator[QuickConnection]:
    """A connection for commands that only read."""
    with database(config) as conninfo, quick_connection(conninfo) as connection:
        if config.database is None and not _has_schema(connection):
            install_schema(conninfo, views=True)
        yield connection


@contextmanager
def writer(
    config: Config,
    on_wait: Callable[[str], None] | None = None,
    *,
    min_connections: int = 0,
    max_connections: int = 10,
    settings: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict,
) -> Iterator[MessageDBClient]:
    """
    The event store, for commands that write.

    `on_wait` is told when it is waited for; `settings` may add connection parameters.
    """
    import logging

    from messagedb_agent.cli.terminal import complain
    from messagedb_agent.store.client import MessageDBClient

    # What the pool reports, the store deals with; it waits, goes on, or says so itself.
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)

    def revive() -> None:
        # A private server that died is brought back by whoever needs it.
        if config.database is None:
            embedded_server(config).acquire().close()

    with (
        database(config) as conninfo,
        MessageDBClient(
            settings(conninfo),
            min_connections=min_connections,
            max_connections=max_connections,
            on_wait=on_wait or complain,
            revive=revive,
        ) as store,
    ):
        _have_schema(store, config, conninfo)
        yield store


@contextmanager
def changing(options: argparse.Namespace) -> Iterator[tuple[MessageDBClient, str]]:
    """The store, and the stream of the thread that the options name, for who adds and leaves."""
    config = configuration(options)
    with reader(config) as connection:
        stream_name = find_stream(connection, category_of(options), options.thread)
    with writer(config) as store:
        yield store, stream_name


def _have_schema(store: MessageDBClient, config: Config, conninfo: Mapping[str, str]) -> None:
    """Our own database gets the functions if it misses them; anybody else's is left alone."""
    try:
        store.health_check()
    except SchemaMissingError:
        if config.database is not None:
            raise
        install_schema(conninfo, views=True)


def _has_schema(connection: QuickConnection) -> bool:
    rows = connection.query("SELECT to_regprocedure('message_store.message_store_version()')")
    return rows[0][0] is not None


def agent_for(
    options: argparse.Namespace,
    config: Config,
    state: ThreadState,
    servers: McpServers | None = None,
    *,
    on_problem: Callable[[str], None] | None = None,
) -> Agent:
    """
    The agent that the options and settings describe, with the tools of the MCP servers.

    What is wrong with a server is told to `on_problem`, or else on stderr.
    A thread keeps its model, prompt and parameters until the options say otherwise.
    """
    from messagedb_agent.cli import model
    from messagedb_agent.engine.agent import Agent
    from messagedb_agent.engine.approvals import ApprovalPolicy

    tools = tools_for(state, servers, on_problem)
    llm = model.model_for(options, config, state)
    return Agent(
        llm=llm,
        tools=tools,
        system_prompt=model.prompt_for(options, config, state),
        parameters=model.parameters_for(options, state),
        policy=ApprovalPolicy(
            allow_all=options.auto_approve,
            rules=_rules(options.policy),
            allowed=_known(options.allow, tools, servers),
            denied=_known(options.deny, tools, servers),
        ),
        limits=model.limits_for(options, config, llm.model_name),
        retry=model.retry_for(config),
        run_timeout=options.run_timeout or config.run_timeout,
        approval_timeout=options.approval_timeout or config.approval_timeout,
        workspace=_workspace(options.workspace),
    )


def tools_for(
    state: ThreadState,
    servers: McpServers | None,
    on_problem: Callable[[str], None] | None = None,
) -> ToolRegistry:
    """The builtin tools, and those that the servers offer to this thread."""
    from messagedb_agent.cli.mcp import tools_of
    from messagedb_agent.tools import ToolRegistry, builtin_tools

    return ToolRegistry(*builtin_tools(), *tools_of(servers, state, on_problem))


def _rules(file: str | None) -> tuple[PolicyRule, ...]:
    if not file:
        return ()
    from messagedb_agent.cli.policy import read_policy

    return read_policy(file)


def _known(names: list[str], tools: ToolRegistry, servers: McpServers | None) -> frozenset[str]:
    for name in names:
        # A server that is down now has no tools yet; that is no mistake of who named one.
        if name not in tools and not (servers is not None and servers.owns(name)):
            raise UsageError(f"there is no tool {name!r}; there are: {', '.join(tools.names)}")
    return frozenset(names)


def _workspace(folder: str | None) -> Path:
    path = Path(folder) if folder else Path.cwd()
    if not path.is_dir():
        raise UsageError(f"the workspace {folder} is not a folder")
    return path.resolve()
