from __future__ import annotations

from typing import Any

import pytest

from messagedb_agent.llm.adapters.anthropic_thinking import thinking_fields

LOW = {"thinking": {"effort": "low"}}


@pytest.mark.parametrize(
    "model", ["claude-sonnet-4-6", "claude-opus-5-5", "claude-haiku-5-5", "claude-fable-5-2"]
)
def test_newer_models_get_an_effort(model: str) -> None:
    assert thinking_fields(LOW, model) == {
        "max_tokens": 16_000,
        "thinking": {"type": "adaptive", "display": "summarized"},
        "output_config": {"effort": "low"},
    }


@pytest.mark.parametrize(
    "model",
    [
        "claude-sonnet-4-5@20250929",
        "claude-haiku-4-5",
        "claude-opus-4-1-20250805",
        "claude-opus-4@20250514",
        "claude-3-7-sonnet-20250219",
    ],
)
def test_older_models_get_a_budget(model: str) -> None:
    assert thinking_fields(LOW, model) == {
        "max_tokens": 18_048,
        "thinking": {"type": "enabled", "budget_tokens": 2_048},
    }


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, {"max_tokens": 16_000}),
        ({"max_output_tokens": 99}, {"max_tokens": 99}),
        (
            {"thinking": {"budget": 5_000}},
            {"max_tokens": 21_000, "thinking": {"type": "enabled", "budget_tokens": 5_000}},
        ),
        (
            {"thinking": {"effort": "high"}, "max_output_tokens": 6_000},
            {"max_tokens": 6_000, "thinking": {"type": "enabled", "budget_tokens": 3_000}},
        ),
    ],
)
def test_the_limit_leaves_room_for_an_answer(
    parameters: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert thinking_fields(parameters, "claude-sonnet-4-5") == expected
