"""What a thread is doing, in words for the status line. Pure."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from messagedb_agent.engine.costs import cost_in_words
from messagedb_agent.projections.thread_state import ThreadState
from messagedb_agent.tui.text import one_line

Condition: TypeAlias = Literal[
    "opening", "new", "ready", "busy", "elsewhere", "unfinished", "waiting", "halted", "ended"
]


class Activity(msgspec.Struct, frozen=True):
    """
    The condition of a thread, and the words for it.

    busy: driven by this program. elsewhere: somebody else is driving it, for events keep
    coming. unfinished: there is more to do, and nothing shows that anybody does it.
    """

    condition: Condition
    words: str


_HALTED = {
    "failed": "failed · ^r tries again",
    "interrupted": "interrupted · ^r goes on",
    "limit": "stopped at a limit · ^r goes on",
}


def activity(state: ThreadState | None, *, driving: bool, recent: bool) -> Activity:
    """`driving`: a run of this program has the thread; `recent`: an event just arrived."""
    if driving:
        return Activity("busy", _doing(state))
    if state is None:
        return Activity("opening", "opening …")
    if state.session.status == "new":
        return Activity("new", "new thread")
    if state.session.is_ended:
        return Activity("ended", "ended · ^r reopens")
    if state.calls.pending:
        return Activity("waiting", "needs approval · ^y")
    if state.turn.halted:
        return Activity("halted", _HALTED[state.turn.halted])
    if state.calls.open or state.context.claimed or state.context.wants_answer:
        if recent:
            return Activity("elsewhere", f"{_doing(state)}, elsewhere")
        return Activity("unfinished", "unfinished · ^r takes over")
    return Activity("ready", "ready")


def _doing(state: ThreadState | None) -> str:
    if state is None:
        return "starting"
    running = [call for call in state.calls.open if call.attempts]
    if running:
        more = f" and {len(running) - 1} more" if len(running) > 1 else ""
        return f"running {one_line(running[0].call.name, 24)}{more}"
    return "asking the model" if state.context.claimed else "working"


def facts(state: ThreadState | None, total_tokens: int, cost: str) -> list[str]:
    """Tokens, cost and step of a thread, as far as there are any."""
    told = [f"{tokens(total_tokens)} tokens"] if total_tokens else []
    if total_tokens and cost:
        told.append(cost)
    if state is not None and state.turn.steps:
        told.append(f"step {state.turn.steps}")
    return told


def price(cost: float | None) -> str:
    """US dollars; None when a price is not known."""
    return "$?" if cost is None else cost_in_words(cost)


def tokens(count: int) -> str:
    """A number of tokens, in thousands or millions when it is long."""
    if count < 10_000:
        return f"{count:,}"
    return f"{count // 1000}k" if count < 1_000_000 else f"{count / 1e6:.1f}M"
