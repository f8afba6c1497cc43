"""What threads cost, in the list and in the status line."""

from __future__ import annotations

from textual.pilot import Pilot

from messagedb_agent.events.agent import LLMResponseReceived
from messagedb_agent.events.system import SessionStarted, ThreadForked
from messagedb_agent.events.user import UserMessageAdded
from tests.tui.conftest import Desk, play, shows, text_of, until

USAGE = {"input_tokens": 100_000, "output_tokens": 1000, "total_tokens": 101_000}


def costing(desk: Desk, name: str, model_name: str) -> str:
    return desk.write(
        name,
        [
            SessionStarted(thread_id=name),
            UserMessageAdded(message=f"about {name}"),
            LLMResponseReceived(response_text="yes", model_name=model_name, token_usage=USAGE),
        ],
    )


def test_the_price_table_tells_what_a_thread_cost(desk: Desk) -> None:
    app = desk.app(costing(desk, "gold", "anthropic:claude-sonnet-4-5"))
    costing(desk, "tin", "openai:of-my-own")
    costing(desk, "air", "offline")

    async def story(pilot: Pilot[None]) -> None:
        await until(pilot, shows(pilot, "101k tokens │ $0.3150 │"))
        await pilot.press("ctrl+t")
        await until(pilot, shows(pilot, "active · now · $0.3150"))
        shown = text_of(app)
        assert "active · now · $?" in shown, "nobody knows the price"
        assert shown.count("$") == 3, "what costs nothing needs no price"

    play(app, story, size=(120, 30))


def test_a_fork_does_not_pay_again_for_what_it_shares(desk: Desk) -> None:
    origin = costing(desk, "gold", "anthropic:claude-sonnet-4-5")
    app = desk.app(desk.write("fork", [ThreadForked(origin_stream_name=origin, origin_position=2)]))

    async def story(pilot: Pilot[None]) -> None:
        await until(pilot, shows(pilot, "◆ yes"))
        assert "tokens" not in text_of(app).split("·")[-1]

    play(app, story)
