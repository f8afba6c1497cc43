"""
A worker with the tools of the nursery, put together as `./cli worker` puts one together.

`python -m tests.soak.worker DSN FOLDER CONCURRENCY CONNECTIONS MODEL_SECONDS` drives threads whose
first message is `SHAPE THREAD_ID`: which calls the model makes, and where it notes that.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

from messagedb_agent.engine.agent import Agent
from messagedb_agent.engine.live import Announcer
from messagedb_agent.llm.base import Completion, ModelRequest
from messagedb_agent.llm.scripted import ScriptedModel
from messagedb_agent.projections.messages import UserMessage
from messagedb_agent.projections.thread_state import ThreadState
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.tools import ToolRegistry
from messagedb_agent.workers.driver import Driver
from messagedb_agent.workers.schema import install
from messagedb_agent.workers.service import (
    WorkerService,
    WorkerSettings,
    instance_name,
    worker_conninfo,
)
from tests.soak import nursery
from tests.soak.nursery import Notes, book, call, fragile, look, probed

SHAPES: tuple[tuple[tuple[dict[str, Any], ...], ...], ...] = (
    ((call("book", entry="one"),),),
    ((call("look"),),),
    ((call("fragile"),),),
    ((call("book", entry="one"), call("look")), (call("probed"), call("book", entry="two"))),
)
"""What the model asks for, answer by answer, before its last one; a thread has one of these."""

_SPARE_CONNECTIONS = 4


class ShapedModel(ScriptedModel):
    """Follows the script of its thread's shape, and notes each time it is asked."""

    def __init__(self, seconds: float, shape: int, thread_id: str) -> None:
        steps = [{"tool_calls": list(calls), "delay_seconds": seconds} for calls in SHAPES[shape]]
        super().__init__([*steps, {"text": "done", "delay_seconds": seconds}], "shaped")
        self._thread_id = thread_id

    def complete(self, request: ModelRequest, **more: Any) -> Completion:
        Notes(nursery.FOLDER, self._thread_id).add("model", str(request.attempt))
        return super().complete(request, **more)


def agent_with(seconds: float, state: ThreadState) -> Agent:
    said = next(each for each in state.context.messages if isinstance(each, UserMessage))
    shape, thread_id = said.text.split()
    return Agent(
        llm=ShapedModel(seconds, int(shape), thread_id),
        tools=ToolRegistry(book, look, fragile, probed),
    )


def main(dsn: str, folder: Path, concurrency: int, connections: int, seconds: float) -> None:
    nursery.FOLDER = folder
    for name in ("psycopg.pool", "procrastinate"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    name = instance_name()
    conninfo = worker_conninfo({"dbname": dsn}, name)
    with (
        MessageDBClient(
            conninfo,
            min_connections=connections,
            max_connections=connections + _SPARE_CONNECTIONS,
            on_wait=complain,
        ) as store,
        Announcer(store) as announcer,
    ):
        with store.connection() as connection:
            install(connection, "agent:v0")
        driver = Driver(
            store,
            lambda state: agent_with(seconds, state),
            announcer=announcer,
            complain=complain,
        )
        settings = WorkerSettings(concurrency=concurrency)
        service = WorkerService(name, conninfo, driver, settings, complain)
        service.serve(lambda: complain("ready"))


def complain(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5]))
