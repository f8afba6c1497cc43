"""worker: drive threads for others."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from messagedb_agent.cli.mcp import tool_servers
from messagedb_agent.cli.observing import telemetry_for
from messagedb_agent.cli.terminal import complain, tell
from messagedb_agent.cli.wiring import agent_for, category_of, configuration, tools_for, writer
from messagedb_agent.config import Config
from messagedb_agent.engine.agent import Agent
from messagedb_agent.engine.live import Announcer
from messagedb_agent.events.json_text import canonical
from messagedb_agent.projections.thread_state import THREAD_STATE, ThreadState
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.tools.mcp import McpServers
from messagedb_agent.workers.driver import Driver
from messagedb_agent.workers.limits import parse_limit
from messagedb_agent.workers.schema import install
from messagedb_agent.workers.service import (
    WorkerService,
    WorkerSettings,
    instance_name,
    worker_conninfo,
)

# The announcer, the watch, hints, and one to spare.
_SPARE_CONNECTIONS = 4
_KEPT_AGENTS = 50


def run(options: argparse.Namespace) -> int:
    """Drive threads until SIGTERM or SIGINT."""
    config, name = configuration(options), instance_name()
    _silence_the_queue(config)
    conninfo: dict[str, Any] = {}

    def adapted(given: Mapping[str, Any]) -> Mapping[str, Any]:
        conninfo.update(worker_conninfo(given, name))
        return conninfo

    connections = min(options.concurrency, options.connections) + _SPARE_CONNECTIONS
    with (
        tool_servers(options, config) as servers,
        writer(
            config,
            # All at once: the first of many threads would wait for them.
            min_connections=connections,
            max_connections=connections,
            settings=adapted,
        ) as store,
        Announcer(store) as announcer,
        telemetry_for(config) as telemetry,
    ):
        agents = _agents(options, config, servers)
        # Wrong options are told now, not at the first job.
        agents(THREAD_STATE.initial)
        _have_queue(store, category_of(options))
        driver = Driver(
            store,
            agents,
            limits=tuple(map(parse_limit, options.limit)),
            announcer=announcer,
            telemetry=telemetry,
            complain=complain,
        )
        return _serve(options, WorkerService(name, conninfo, driver, _settings(options), complain))


def _settings(options: argparse.Namespace) -> WorkerSettings:
    return WorkerSettings(
        queue=options.queue, concurrency=options.concurrency, grace_seconds=options.grace
    )


def _serve(options: argparse.Namespace, service: WorkerService) -> int:
    finished = service.serve(lambda: tell(f"{service.name} serves queue {options.queue}"))
    tell("stopped" if finished else "stopped before all steps had ended; others go on with them")
    return 0


def _have_queue(store: MessageDBClient, category: str) -> None:
    with store.connection() as connection:
        if note := install(connection, category):
            complain(note)


def _silence_the_queue(config: Config) -> None:
    """What it reports is dealt with, and told to the operator in one line."""
    if config.log_level != "DEBUG":
        logging.getLogger("procrastinate").setLevel(logging.CRITICAL)


def _agents(
    options: argparse.Namespace, config: Config, servers: McpServers | None
) -> Callable[[ThreadState], Agent]:
    """
    The agent of each thread. Those with the same model share it: clients hold connections.

    The tools of MCP servers are each thread's own, since a thread keeps what it has recorded.
    """
    kept: dict[tuple[str, str, bytes] | None, Agent] = {}

    def agent(state: ThreadState) -> Agent:
        current = state.context.configuration
        key = (
            (current.model_name, current.system_prompt, canonical(current.parameters))
            if current
            else None
        )
        if key not in kept:
            if len(kept) >= _KEPT_AGENTS:
                kept.clear()
            kept[key] = agent_for(options, config, state, servers)
            return kept[key]
        if servers is None:
            return kept[key]
        return msgspec.structs.replace(kept[key], tools=tools_for(state, servers))

    return agent
