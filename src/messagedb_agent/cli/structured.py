"""Answers that have to follow a schema: judged when the turn is over, and asked for once more."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from messagedb_agent.cli.model import SCHEMA, parameters_for
from messagedb_agent.cli.terminal import tell
from messagedb_agent.engine.result import RunResult
from messagedb_agent.engine.thread import AgentThread

_ANSWERED = ("done", "truncated")

Drive = Callable[[Callable[[AgentThread], None]], RunResult]


def checked(options: argparse.Namespace, result: RunResult, drive: Drive) -> RunResult:
    """
    The result, or that of a second try when the answer does not follow the schema.

    The correction is a message like any other: it is in the thread, for everybody to see.
    """
    schema = parameters_for(options, result.state).get(SCHEMA)
    if schema is None or result.stop not in _ANSWERED:
        return result
    from messagedb_agent.llm.structured import correction, violation

    problem = violation(result.response or "", schema)
    if problem is None:
        return result
    tell(f"the answer does not follow the schema ({problem}); asking once more")
    message = correction(problem, schema)
    result = drive(lambda thread: thread.send(message))
    problem = violation(result.response or "", schema) if result.stop in _ANSWERED else None
    if problem is None:
        return result
    return RunResult("failed", result.state, f"the answer does not follow the schema: {problem}")
