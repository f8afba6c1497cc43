"""An event type and a projection of your own, folded from the same stream as the agent's."""

from __future__ import annotations

import msgspec

from local_store import open_store
from messagedb_agent.engine.agent import Agent
from messagedb_agent.engine.thread import AgentThread
from messagedb_agent.events import Event, ToolExecutionCompleted, register
from messagedb_agent.llm import create_llm_client
from messagedb_agent.projections import Projection
from messagedb_agent.store.base import NewEvent
from messagedb_agent.store.stream import build_stream_name, generate_thread_id
from messagedb_agent.tools import ToolRegistry, builtin_tools


@register
class AnswerRated(Event, frozen=True, kw_only=True):
    """Somebody says how good the last answer was, from 1 to 5."""

    stars: int
    comment: str | None = None


class Quality(msgspec.Struct, frozen=True):
    """How a thread went: tool time spent, and what people thought of it."""

    tool_ms: float = 0
    stars: tuple[int, ...] = ()


def _spend(state: Quality, event: ToolExecutionCompleted) -> Quality:
    return Quality(state.tool_ms + event.execution_time_ms, state.stars)


def _rate(state: Quality, event: AnswerRated) -> Quality:
    return Quality(state.tool_ms, (*state.stars, event.stars))


QUALITY: Projection[Quality] = Projection(
    name="quality",
    version=1,
    initial=Quality(),
    handlers={ToolExecutionCompleted: _spend, AnswerRated: _rate},
)


def main() -> None:
    """Run a turn, rate it, and fold the whole; then fold on from where the fold was."""
    agent = Agent(llm=create_llm_client("offline"), tools=ToolRegistry(*builtin_tools()))
    stream_name = build_stream_name("agent", "v0", generate_thread_id())
    with open_store() as store:
        with AgentThread(store, stream_name) as thread:
            thread.start("What is 6 * 7?")
            thread.run(agent)
        store.append(stream_name, [NewEvent(event=AnswerRated(stars=5, comment="correct"))])
        so_far = QUALITY.at_start().advance(store.read(stream_name))
        print("stars:", so_far.state.stars, "tools were used:", so_far.state.tool_ms > 0)

        store.append(stream_name, [NewEvent(event=AnswerRated(stars=4))])
        new = store.read(stream_name, position=so_far.version + 1)
        print("stars:", so_far.advance(new).state.stars)


if __name__ == "__main__":
    main()
