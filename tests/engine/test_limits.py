from __future__ import annotations

from typing import Any

from messagedb_agent.engine.limits import Limits, within
from messagedb_agent.events.agent import LLMResponseReceived, ToolCall
from messagedb_agent.events.base import Event
from messagedb_agent.events.system import LimitReached
from messagedb_agent.events.user import TurnResumed, UserMessageAdded
from messagedb_agent.llm.base import Completion, ModelRequest
from messagedb_agent.llm.scripted import ScriptedModel
from messagedb_agent.projections.next_step import Record
from messagedb_agent.projections.thread_state import THREAD_STATE
from messagedb_agent.store.memory import MemoryStore
from tests.engine.helpers import agent_of, go_on, kinds_of, say

ASKED = UserMessageAdded(message="go")


def answer(number: int, model: str = "m") -> LLMResponseReceived:
    return LLMResponseReceived(
        tool_calls=(ToolCall("c", "echo", {"text": str(number)}),),
        model_name=model,
        token_usage={"total_tokens": 10},
    )


def a_cent_for_ten_tokens(model_name: str, usage: Any) -> float | None:
    return None if model_name == "free" else usage["total_tokens"] / 1000


def stopped(limits: Limits, *history: Event) -> LimitReached | None:
    decision = within(limits)(THREAD_STATE.fold(history))
    if not isinstance(decision, Record):
        return None
    (event,) = decision.events
    assert isinstance(event, LimitReached)
    return event


BUDGET = Limits(max_cost=0.02, price=a_cent_for_ten_tokens)


def test_a_turn_stops_when_its_budget_is_used_up() -> None:
    assert stopped(BUDGET, ASKED, answer(1)) is None
    assert stopped(BUDGET, ASKED, answer(1), answer(2)) == LimitReached(
        limit="max_cost", value=0.02, maximum=0.02
    )


def test_what_has_no_price_costs_nothing() -> None:
    assert stopped(BUDGET, ASKED, *(answer(n, "free") for n in range(9))) is None


def test_a_message_and_continue_start_the_count_anew() -> None:
    spent = (ASKED, answer(1), answer(2))

    assert stopped(BUDGET, *spent, TurnResumed()) is None
    assert stopped(BUDGET, *spent, ASKED) is None


def test_a_model_call_ends_with_the_time_of_the_run(memory: MemoryStore, stream: str) -> None:
    class Slow(ScriptedModel):
        def complete(self, request: ModelRequest, **more: Any) -> Completion:
            if not self.requests:
                more["cancelled"].wait(20)
            return super().complete(request, **more)

    model = Slow([{"text": "done"}])

    result = say(memory, stream, "hi", agent_of(model, limits=Limits(max_seconds=0.05)))

    assert result.stop == "limit"
    assert kinds_of(memory, stream)[-2:] == ["LLMCallFailed", "LimitReached"]
    assert go_on(memory, stream, agent_of(model)).response == "done"
