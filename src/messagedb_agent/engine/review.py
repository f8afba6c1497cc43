"""What the model saw: a request derived again from the stream, and checked against its claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from messagedb_agent.engine.recipe import ContextDigest
from messagedb_agent.errors import UsageError
from messagedb_agent.events.agent import LLMCallRequested
from messagedb_agent.events.base import RecordedEvent
from messagedb_agent.llm.base import ModelRequest
from messagedb_agent.projections.llm_context import LLM_CONTEXT, LLMContext

_VERDICTS = {
    True: "the very request that was made",
    False: "NOT the request that was made",
    None: "no digest was recorded to compare with",
}


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """
    The request of the claim at `position`.

    `recorded_sha256` is what the claim says about it, None when an earlier program made the
    claim; `sha256` is that of the request as derived now.
    """

    position: int
    request: ModelRequest
    sha256: str
    recorded_sha256: str | None

    @property
    def matches(self) -> bool | None:
        """Whether this is what was sent; None when nothing was recorded to compare with."""
        return None if self.recorded_sha256 is None else self.sha256 == self.recorded_sha256

    @property
    def verdict(self) -> str:
        """`matches` in words."""
        return _VERDICTS[self.matches]


def review(history: Sequence[RecordedEvent]) -> Review:
    """
    Derive the request of the last claim in a thread's history.

    Raises `UsageError` when no model was called in it.
    """
    number, claim = _last_claim(history)
    recipe = claim.projected_context if isinstance(claim.projected_context, Mapping) else {}
    recorded = recipe.get("sha256")
    context = LLM_CONTEXT.fold(record.event for record in history[:number])
    # The claim itself lets messages in that waited for the last exchange to end.
    context = LLM_CONTEXT.apply(context, claim)
    configured = context.configuration.sha256 if context.configuration else ""
    return Review(
        position=history[number].position,
        request=_request(context, claim),
        sha256=ContextDigest().of(context.messages, configured),
        recorded_sha256=recorded if isinstance(recorded, str) else None,
    )


def _last_claim(history: Sequence[RecordedEvent]) -> tuple[int, LLMCallRequested]:
    for number in reversed(range(len(history))):
        event = history[number].event
        if isinstance(event, LLMCallRequested):
            return number, event
    raise UsageError("no model was called in this thread, up to there")


def _request(context: LLMContext, claim: LLMCallRequested) -> ModelRequest:
    configuration = context.configuration
    if configuration is None:
        # Programs before this one did not record what each request carried.
        return ModelRequest(
            model_name=claim.model_name, system_prompt="", tools=(), messages=context.messages
        )
    return ModelRequest(
        model_name=configuration.model_name,
        system_prompt=configuration.system_prompt,
        tools=configuration.tools,
        messages=context.messages,
        parameters=configuration.parameters,
        attempt=claim.attempt,
    )
