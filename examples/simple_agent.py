"""An agent in one page: ask it something, see what it did, ask again."""

from __future__ import annotations

from local_store import open_store
from messagedb_agent.engine.agent import Agent
from messagedb_agent.engine.thread import AgentThread
from messagedb_agent.llm import create_llm_client
from messagedb_agent.projections.transcript import entry
from messagedb_agent.store.stream import build_stream_name, generate_thread_id
from messagedb_agent.tools import ToolRegistry, builtin_tools


def main() -> None:
    """Two turns of one thread, each driven as by a process of its own."""
    agent = Agent(llm=create_llm_client("offline"), tools=ToolRegistry(*builtin_tools()))
    stream_name = build_stream_name("agent", "v0", generate_thread_id())
    with open_store() as store:
        with AgentThread(store, stream_name) as thread:
            thread.start("What is 6 * 7?")
            print(thread.run(agent).response)

        # Nothing is kept in this process: the stream is all that the next turn needs.
        with AgentThread(store, stream_name) as thread:
            thread.send("What is 42 / 4?")
            print(thread.run(agent).response)

        for record in store.read(stream_name):
            print(record.position, record.type, "|", entry(record.event).text.split("\n")[0])


if __name__ == "__main__":
    main()
