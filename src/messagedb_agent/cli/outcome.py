"""How a command that waited for an answer ends: its exit code, and what it says about it."""

from __future__ import annotations

import json

from messagedb_agent.cli.terminal import complain, tell
from messagedb_agent.engine.result import RunResult

EXIT_CODES = {
    "done": 0,
    "truncated": 0,
    "ended": 0,
    "failed": 1,
    "refused": 1,
    "waiting": 3,
    "limit": 4,
    "interrupted": 130,
}


_GOING_ON = {
    "max_tokens": "ask it to go on, or give it a higher --max-output-tokens",
    "context_window": "start a new thread",
}


def explain(result: RunResult, thread_id: str) -> None:
    """Say on stderr why a turn stopped, if that is not plain from its answer."""
    match result.stop:
        case "done" if not (result.response or "").strip():
            complain(f"the model gave an empty answer; `./cli message {thread_id} MSG` asks again")
        case "failed":
            complain(
                f"{result.error or 'the turn failed'}; `./cli continue {thread_id}` tries again"
            )
        case "refused":
            complain(str(result.error))
        case "truncated":
            complain(f"{result.error}; {_GOING_ON[result.state.turn.stop_reason or '']}")
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
