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


def review(records: Sequence[RecordedEvent], at: int | None = None) -> Review:
    """
    Derive the request of the last claim, or of the last one up to a position.

    Raises `UsageError` when no model was called up to there.
    """
    position, claim = _find(records, at)
    recipe = claim.projected_context if isinstance(claim.projected_context, Mapping) else {}
    upto, recorded = recipe.get("upto_position"), recipe.get("sha256")
    end = min(upto, position - 1) if isinstance(upto, int) else position - 1
    context = LLM_CONTEXT.fold(record.event for record in records if record.position <= end)
    # The claim itself lets messages in that waited for the last exchange to end.
    context = LLM_CONTEXT.apply(context, claim)
    configured = context.configuration.sha256 if context.configuration else ""
    return Review(
        position=position,
        request=_request(context, claim),
        sha256=ContextDigest().of(context.messages, configured),
        recorded_sha256=recorded if isinstance(recorded, str) else None,
    )


def _find(records: Sequence[RecordedEvent], at: int | None) -> tuple[int, LLMCallRequested]:
    for record in reversed(records):
        if isinstance(record.event, LLMCallRequested) and (at is None or record.position <= at):
            return record.position, record.event
    where = "in this thread" if at is None else f"up to position {at}"
    raise UsageError(f"no model was called {where}")


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
