"""worker, workers: drive threads for others, and see who does."""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from messagedb_agent.cli.terminal import complain, paint, say, tell, visible
from messagedb_agent.cli.wiring import (
    agent_for,
    category_of,
    configuration,
    reader,
    writer,
)
from messagedb_agent.config import Config
from messagedb_agent.projections.thread_state import THREAD_STATE, ThreadState
from messagedb_agent.workers.status import Instance, Overview, overview

if TYPE_CHECKING:
    from messagedb_agent.engine.agent import Agent

# Beside one connection for each thread: the announcer, hints, and one to spare.
_SPARE_CONNECTIONS = 4
_KEPT_AGENTS = 50


def run(options: argparse.Namespace) -> int:
    """Drive threads until SIGTERM or SIGINT."""
    from messagedb_agent.engine.live import Announcer
    from messagedb_agent.workers.driver import Driver
    from messagedb_agent.workers.limits import parse_limit
    from messagedb_agent.workers.schema import install
    from messagedb_agent.workers.service import (
        WorkerService,
        WorkerSettings,
        instance_name,
        worker_conninfo,
    )

    config = configuration(options)
    limits = tuple(map(parse_limit, options.limit))
    settings = WorkerSettings(
        queue=options.queue, concurrency=options.concurrency, grace_seconds=options.grace
    )
    name = instance_name()
    if config.log_level != "DEBUG":
        # What it reports is dealt with, and told to the operator in one line.
        logging.getLogger("procrastinate").setLevel(logging.CRITICAL)
    agents = _agents(options, config)
    # Wrong options are told now, not at the first job.
    agents(THREAD_STATE.initial)
    with (
        writer(
            config,
            max_connections=options.concurrency + _SPARE_CONNECTIONS,
            settings=lambda conninfo: worker_conninfo(conninfo, name),
        ) as store,
        Announcer(store) as announcer,
    ):
        with store.connection() as connection:
            if note := install(connection, category_of(options)):
                complain(note)
        driver = Driver(store, agents, limits=limits, announcer=announcer, complain=complain)
        service = WorkerService(name, store.conninfo, driver, settings, complain)
        finished = service.serve(lambda: tell(f"{name} serves queue {settings.queue}"))
    tell("stopped" if finished else "stopped before all steps had ended; others go on with them")
    return 0


def _agents(options: argparse.Namespace, config: Config) -> Callable[[ThreadState], Agent]:
    """The agent of each thread, kept for those with the same model: clients hold connections."""
    kept: dict[tuple[str, str] | None, Agent] = {}

    def agent(state: ThreadState) -> Agent:
        current = state.context.configuration
        key = (current.model_name, current.system_prompt) if current else None
        if key not in kept:
            if len(kept) >= _KEPT_AGENTS:
                kept.clear()
            kept[key] = agent_for(options, config, state)
        return kept[key]

    return agent


def workers(options: argparse.Namespace) -> int:
    """Print the workers and the queue."""
    with reader(configuration(options)) as connection:
        found = overview(connection)
    if options.format == "json":
        say(json.dumps(found.as_object(), indent=2))
        return 0
    if not found.instances:
        say("no worker runs; `./cli worker` starts one")
    for instance in found.instances:
        _print_instance(instance)
    _print_waiting(found)
    return 0


def _print_instance(instance: Instance) -> None:
    state = paint("stalled", "red") if instance.is_stalled else paint("alive", "green")
    say(
        f"{paint(visible(instance.name), 'bold')}  {state}, heartbeat "
        f"{instance.heartbeat_seconds:.0f} s ago, queue {visible(instance.queue)}, "
        f"{len(instance.jobs)} of {instance.concurrency} busy"
    )
    for job in instance.jobs:
        say(f"  {visible(job.thread)}  {job.seconds:.0f} s, last event {visible(job.last_event)}")


def _print_waiting(found: Overview) -> None:
    say(
        f"waiting: {found.ready} ready, {found.blocked} behind a running job of their thread, "
        f"{found.scheduled} for a later time, {found.abandoned} to be put back"
    )
    for job in found.waiting:
        say(f"  {visible(job.thread)}  {job.seconds:.0f} s, last event {visible(job.last_event)}")
