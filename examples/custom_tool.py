"""Tools of your own: plain functions with type hints, a docstring and terms."""

from __future__ import annotations

from typing import Literal

from local_store import open_store
from messagedb_agent.engine.agent import Agent
from messagedb_agent.engine.thread import AgentThread
from messagedb_agent.errors import ToolError
from messagedb_agent.llm.scripted import ScriptedModel
from messagedb_agent.store.stream import build_stream_name, generate_thread_id
from messagedb_agent.tools import ToolContext, ToolRegistry, tool

STOCK = {"apple": 12, "pear": 0}


@tool(permission="allow", recovery="retry")
def stock_of(fruit: str, unit: Literal["pieces", "dozens"] = "pieces") -> float:
    """
    Tell how much of a fruit is in stock.

    Args:
        fruit: Name of the fruit, singular.
        unit: What to count in.
    """
    if fruit not in STOCK:
        # Written for the model, which reads it as the result of its call.
        raise ToolError(f"there is no fruit named {fruit!r}; there are: {', '.join(STOCK)}")
    return STOCK[fruit] / (12 if unit == "dozens" else 1)


@tool(permission="allow")
def order(fruit: str, pieces: int, context: ToolContext) -> str:
    """Order fruit. The context is not a parameter that the model sees."""
    # The supplier can recognise a second attempt by this key.
    return f"ordered {pieces} x {fruit}, key {context.idempotency_key[:8]}"


def main() -> None:
    """A scripted model stands in for a real one: what it calls is known beforehand."""
    model = ScriptedModel(
        [
            {
                "tool_calls": [
                    {"name": "stock_of", "arguments": {"fruit": "apple", "unit": "dozens"}},
                    {"name": "stock_of", "arguments": {"fruit": "plum"}},
                    {"name": "stock_of", "arguments": {"fruit": "pear", "unit": "tons"}},
                ]
            },
            {"tool_calls": [{"name": "order", "arguments": {"fruit": "pear", "pieces": 30}}]},
            {"text": "A dozen apples are left. I ordered 30 pears."},
        ]
    )
    agent = Agent(llm=model, tools=ToolRegistry(stock_of, order))
    stream_name = build_stream_name("agent", "v0", generate_thread_id())
    with open_store() as store, AgentThread(store, stream_name) as thread:
        thread.start("How is our stock? Order what is missing.")
        result = thread.run(agent)
        for message in result.state.context.messages:
            print(message)


if __name__ == "__main__":
    main()
