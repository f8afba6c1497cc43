"""How a command that waited for an answer ends: its exit code, and what it says about it."""

from __future__ import annotations

import json

from messagedb_agent.cli.terminal import complain, tell
from messagedb_agent.engine.result import RunResult
from messagedb_agent.projections.tool_calls import CallState

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


def explain(result: RunResult, thread_id: str, *, in_chat: bool = False) -> None:
    """Say on stderr why a turn stopped, if that is not plain from its answer, and what to do."""
    go_on = "/continue" if in_chat else f"./cli continue {thread_id}"
    match result.stop:
        case "done" if not (result.response or "").strip():
            again = "ask again" if in_chat else f"`./cli message {thread_id} MSG` asks again"
            complain(f"the model gave an empty answer; {again}")
        case "failed":
            complain(f"{result.error or 'the turn failed'}; `{go_on}` tries again")
        case "refused":
            complain(str(result.error))
        case "truncated":
            complain(f"{result.error}; {_GOING_ON[result.state.turn.stop_reason or '']}")
        case "waiting":
            for call in result.pending:
                _ask_for(call, thread_id, in_chat=in_chat)
        case "limit":
            limit = result.state.turn.limit
            name = limit.limit if limit else "a limit"
            complain(f"stopped at {name}; `{go_on}` goes on")
        case "interrupted":
            tell("")
            complain(f"interrupted; `{go_on}` goes on")


def _ask_for(call: CallState, thread_id: str, *, in_chat: bool) -> None:
    what = f"{call.call.name} {json.dumps(call.arguments)[:300]} waits for approval"
    if in_chat:
        complain(f"{what}: `/approve {call.call.id}` or `/deny [REASON]`")
    else:
        complain(
            f"{what}: `./cli approve {thread_id} {call.call.id}` or "
            f"`./cli deny {thread_id} {call.call.id}`, then `./cli continue {thread_id}`"
        )
