"""What workers do and what waits for them, read from the queue."""

from __future__ import annotations

from typing import Any

import msgspec

from messagedb_agent.store.quick import QuickConnection, Row

STALLED_AFTER_SECONDS = 8.0
"""As in the rounds, which this module does not import: it has to be quick."""

GONE_SECONDS = 30
"""For how long a worker is listed whose heart stopped and whose threads others have."""

_LISTED = 50

_EXISTS = "SELECT to_regclass('agent_queue.instances')"

_INSTANCES = f"""
    SELECT worker.id, instance.name, instance.host, instance.pid, instance.queue_name,
           instance.concurrency, extract(epoch FROM now() - worker.last_heartbeat),
           to_char(instance.started_at AT TIME ZONE 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
    FROM agent_queue.instances AS instance
    JOIN agent_queue.procrastinate_workers AS worker ON worker.id = instance.worker_id
    WHERE worker.last_heartbeat > now() - interval '{GONE_SECONDS} seconds'
       OR EXISTS (SELECT FROM agent_queue.procrastinate_jobs AS job
                  WHERE job.worker_id = worker.id AND job.status = 'doing')
    ORDER BY instance.started_at
"""  # noqa: S608 - made of constants

_JOBS = """
    SELECT job.worker_id, job.lock, job.status,
           extract(epoch FROM clock_timestamp() - job.since),
           (SELECT type FROM message_store.messages
            WHERE stream_name = job.lock ORDER BY position DESC LIMIT 1),
           extract(epoch FROM nullif(greatest(job.scheduled_at, now()), now()) - now()),
           job.waits_for
    FROM agent_queue.procrastinate_jobs AS job
    WHERE job.status = 'doing' OR job.id IN (
        SELECT id FROM agent_queue.procrastinate_jobs WHERE status = 'todo'
        ORDER BY scheduled_at NULLS FIRST, priority DESC, id LIMIT $1)
    ORDER BY job.scheduled_at NULLS FIRST, job.priority DESC, job.id
"""

_COUNTS = """
    SELECT count(*) FILTER (WHERE status = 'todo' AND NOT later AND NOT behind),
           count(*) FILTER (WHERE status = 'todo' AND NOT later AND behind),
           count(*) FILTER (WHERE status = 'todo' AND later AND waits_for IS NULL),
           count(*) FILTER (WHERE status = 'todo' AND later AND waits_for IS NOT NULL),
           count(*) FILTER (WHERE status IN ('failed', 'aborted'))
    FROM (
        SELECT status, waits_for, coalesce(scheduled_at > now(), false) AS later,
               EXISTS (SELECT FROM agent_queue.procrastinate_jobs AS other
                       WHERE other.lock = job.lock AND other.status = 'doing') AS behind
        FROM agent_queue.procrastinate_jobs AS job
    ) AS jobs
"""


class Job(msgspec.Struct, frozen=True):
    """
    A thread in the queue: for how long it has been as it is, and its last event's type.

    `due_in_seconds` is set for one whose time has not come, and `waits_for` if that is the turn of
    those that have a limit's slots.
    """

    thread: str
    seconds: float
    last_event: str
    due_in_seconds: float | None = None
    waits_for: str | None = None


class Instance(msgspec.Struct, frozen=True):
    """
    One worker, as its last heartbeat left it.

    Stalled without one for a while; gone once others have its threads as well.
    """

    worker_id: int
    name: str
    host: str
    pid: int
    queue: str
    concurrency: int
    heartbeat_seconds: float
    started_at: str
    is_stalled: bool
    is_gone: bool
    jobs: tuple[Job, ...]


class Overview(msgspec.Struct, frozen=True):
    """
    All workers, and how much waits; `waiting` lists the first threads of it.

    Without a queue it is not known what waits: the first worker makes one and looks for it.
    """

    instances: tuple[Instance, ...] = ()
    ready: int = 0
    blocked: int = 0
    scheduled: int = 0
    limited: int = 0
    abandoned: int = 0
    waiting: tuple[Job, ...] = ()
    has_queue: bool = True

    def as_object(self) -> dict[str, Any]:
        """For JSON."""
        result: dict[str, Any] = msgspec.to_builtins(self)
        return result


def overview(connection: QuickConnection) -> Overview:
    """Look at the queue; a database without one has no workers yet."""
    if connection.query(_EXISTS)[0][0] is None:
        return Overview(has_queue=False)
    jobs = connection.query(_JOBS, (str(_LISTED),))
    ready, blocked, scheduled, limited, abandoned = (
        int(value or 0) for value in connection.query(_COUNTS)[0]
    )
    return Overview(
        tuple(_instance(row, jobs) for row in connection.query(_INSTANCES)),
        ready=ready,
        blocked=blocked,
        scheduled=scheduled,
        limited=limited,
        abandoned=abandoned,
        waiting=tuple(_job(row) for row in jobs if row[2] == "todo"),
    )


def _instance(row: Row, jobs: list[Row]) -> Instance:
    number, name, host, pid, queue, concurrency, age, started = row
    mine = tuple(_job(job) for job in jobs if job[0] == number and job[2] == "doing")
    is_stalled = float(age or 0) > STALLED_AFTER_SECONDS
    return Instance(
        worker_id=int(number or 0),
        name=name or "",
        host=host or "",
        pid=int(pid or 0),
        queue=queue or "",
        concurrency=int(concurrency or 0),
        heartbeat_seconds=float(age or 0),
        started_at=started or "",
        is_stalled=is_stalled,
        is_gone=is_stalled and not mine,
        jobs=mine,
    )


def _job(row: Row) -> Job:
    name, seconds, last_event, due, limit = row[1], row[3], row[4], row[5], row[6]
    thread = (name or "").partition("-")[2]
    return Job(
        thread,
        float(seconds or 0),
        last_event or "none",
        due_in_seconds=float(due) if due else None,
        waits_for=limit if due else None,
    )
