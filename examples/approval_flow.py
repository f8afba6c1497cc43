"""A tool that has to be approved: the run ends, somebody decides, another run goes on."""

from __future__ import annotations

from local_store import open_store
from messagedb_agent.engine import session
from messagedb_agent.engine.agent import Agent
from messagedb_agent.engine.thread import AgentThread
from messagedb_agent.llm.scripted import ScriptedModel
from messagedb_agent.store.stream import build_stream_name, generate_thread_id
from messagedb_agent.tools import ToolRegistry, tool


@tool  # permission="ask" is what a tool gets that does not say otherwise
def send_mail(to: str, text: str) -> str:
    """Send a mail."""
    return f"sent to {to}: {text}"


def main() -> None:
    """One call is approved with other arguments, one is refused with a reason."""
    model = ScriptedModel(
        [
            {
                "tool_calls": [
                    {"name": "send_mail", "arguments": {"to": "all", "text": "Hi"}, "id": "one"},
                    {"name": "send_mail", "arguments": {"to": "boss", "text": "Yo"}, "id": "two"},
                ]
            },
            {"text": "One mail went out, the other one was refused."},
        ]
    )
    agent = Agent(llm=model, tools=ToolRegistry(send_mail))
    stream_name = build_stream_name("agent", "v0", generate_thread_id())
    with open_store() as store:
        with AgentThread(store, stream_name) as thread:
            thread.start("Greet everybody.")
            result = thread.run(agent)
        print(result.stop, [call.call.id for call in result.pending])

        # Any process may answer, at any time: pending approvals live in the stream.
        state = session.read_state(store, stream_name)
        session.approve(
            store,
            stream_name,
            session.find_pending(state, "one"),
            approved_by="alice",
            edited_arguments={"to": "team", "text": "Hi"},
        )
        session.deny(
            store,
            stream_name,
            session.find_pending(state, "two"),
            rejected_by="alice",
            reason="write more politely",
        )

        with AgentThread(store, stream_name) as thread:
            result = thread.run(agent)
        for message in result.state.context.messages:
            print(message)


if __name__ == "__main__":
    main()
