"""workers: see who drives threads for others, and what waits for them."""

from __future__ import annotations

import argparse
import json

from messagedb_agent.cli.terminal import paint, say, visible
from messagedb_agent.cli.wiring import configuration, reader
from messagedb_agent.workers.status import Instance, Job, Overview, overview


def run(options: argparse.Namespace) -> int:
    """Print the workers and the queue."""
    with reader(configuration(options)) as connection:
        found = overview(connection)
    if options.format == "json":
        say(json.dumps(found.as_object(), indent=2))
        return 0
    if not found.has_queue:
        say("no worker has run here yet; the first `./cli worker` takes up all that was left to it")
        return 0
    if all(instance.is_stalled for instance in found.instances):
        say("no worker runs; `./cli worker` starts one")
    for instance in found.instances:
        _print_instance(instance)
    _print_waiting(found)
    return 0


def _print_instance(instance: Instance) -> None:
    say(f"{paint(visible(instance.name), 'bold')}  {_state(instance)}")
    for job in instance.jobs:
        say(f"  {visible(job.thread)}  {job.seconds:.0f} s, last event {visible(job.last_event)}")


def _state(instance: Instance) -> str:
    since = f"{instance.heartbeat_seconds:.0f} s"
    if instance.is_gone:
        return f"{paint('gone', 'dim')}, no heartbeat for {since}"
    if instance.is_stalled:
        stalled = paint("stalled", "red")
        return f"{stalled}, no heartbeat for {since}; others will take its threads"
    return (
        f"{paint('alive', 'green')}, heartbeat {since} ago, queue {visible(instance.queue)}, "
        f"{len(instance.jobs)} of {instance.concurrency} busy"
    )


def _print_waiting(found: Overview) -> None:
    say(
        f"waiting: {found.ready} ready, {found.blocked} behind a running job of their thread, "
        f"{found.limited} for a slot of a limit, {found.scheduled} for a later time, "
        f"{found.abandoned} to be put back"
    )
    for job in found.waiting:
        say(f"  {visible(job.thread)}  {_when(job)}, last event {visible(job.last_event)}")


def _when(job: Job) -> str:
    if job.waits_for is not None:
        return f"{job.seconds:.0f} s for a slot of {visible(job.waits_for)}"
    return f"{job.seconds:.0f} s" if job.due_in_seconds is None else _in(job.due_in_seconds)


def _in(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"in {seconds / size:.0f} {unit}"
    return f"in {seconds:.0f} s"
