"""How Claude is told to think: newer models go by an effort, older ones by a budget. Pure."""

from __future__ import annotations

import re
from typing import Any

from messagedb_agent.events.base import JSONObject

DEFAULT_MAX_TOKENS = 16_000
BUDGETS = {"low": 2_048, "medium": 8_192, "high": 16_384}
SMALLEST_BUDGET = 1_024

# Claude 3 to 4.5, with or without a date, know budgets only.
_KNOWS_BUDGETS_ONLY = re.compile(r"claude-(?:3|(?:opus|sonnet|haiku)-4(?:-[0-5])?(?:[-@]\d{8})?$)")


def thinking_fields(parameters: JSONObject, model: str) -> dict[str, Any]:
    """The fields of a request that say how long to think and how long to answer."""
    thinking = parameters.get("thinking") or {}
    effort, budget = str(thinking.get("effort") or "").lower(), thinking.get("budget")
    limit = parameters.get("max_output_tokens")
    if effort and _KNOWS_BUDGETS_ONLY.match(model):
        budget = BUDGETS.get(effort, BUDGETS["high"])
        budget = max(SMALLEST_BUDGET, min(budget, limit // 2)) if limit else budget
    if budget:
        # The limit counts the thinking as well, and has to leave room for an answer.
        return {
            "max_tokens": limit or DEFAULT_MAX_TOKENS + budget,
            "thinking": {"type": "enabled", "budget_tokens": budget},
        }
    fields: dict[str, Any] = {"max_tokens": limit or DEFAULT_MAX_TOKENS}
    if effort:
        fields["thinking"] = {"type": "adaptive", "display": "summarized"}
        fields["output_config"] = {"effort": effort}
    return fields
