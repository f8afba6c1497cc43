"""A model that says what a script tells it to: for tests and demonstrations."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from messagedb_agent.cancellation import NEVER, Cancellation
from messagedb_agent.errors import ModelCallError, ModelUnavailableError
from messagedb_agent.events.agent import ToolCall
from messagedb_agent.events.base import JSONObject
from messagedb_agent.events.first_look import looked_at
from messagedb_agent.llm.base import (
    Completion,
    Delta,
    ModelRequest,
    StopReason,
    Usage,
    ignore_delta,
)
from messagedb_agent.llm.retry import RETRYABLE_TYPES
from messagedb_agent.llm.streaming import stop_if_cancelled, words
from messagedb_agent.projections.messages import AssistantMessage


class ScriptedCall(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A tool call of a step; without an `id` it gets one that is unique in the thread."""

    name: str
    arguments: Any = {}
    id: str = ""


class ScriptedError(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A failing attempt; `partial` is the text that was streamed before it failed."""

    error_type: str
    message: str = ""
    retryable: bool | None = None
    retry_after: float | None = None
    partial: str = ""


class ScriptedStep(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    One answer of the model.

    The first attempts fail as `errors` says. `delay_seconds` passes before the answer
    begins, `chunk_delay_seconds` between its words.
    """

    text: str = ""
    thinking: str = ""
    tool_calls: tuple[ScriptedCall, ...] = ()
    stop_reason: StopReason | None = None
    usage: Usage = Usage()
    delay_seconds: float = 0.0
    chunk_delay_seconds: float = 0.0
    errors: tuple[ScriptedError, ...] = ()


@looked_at
class Script(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a script file holds; `repeat` starts over when the steps are used up."""

    steps: tuple[ScriptedStep, ...]
    repeat: bool = False


class ScriptedModel:
    """
    Gives the step whose number is the number of answers already in the request.

    Nothing is counted in this process, so any other process can take the thread over.
    `requests` keeps what was asked, for tests to look at.
    """

    def __init__(
        self,
        steps: Sequence[ScriptedStep | JSONObject],
        model_name: str = "scripted",
        *,
        repeat: bool = False,
    ) -> None:
        self._steps = tuple(
            step if isinstance(step, ScriptedStep) else msgspec.convert(step, ScriptedStep)
            for step in steps
        )
        self._model_name = model_name
        self._repeat = repeat
        self.requests: list[ModelRequest] = []

    @property
    def model_name(self) -> str:
        """The name as configured, which is what events record."""
        return self._model_name

    def complete(
        self,
        request: ModelRequest,
        *,
        on_delta: Callable[[Delta], None] = ignore_delta,
        cancelled: Cancellation = NEVER,
    ) -> Completion:
        """Answer with the step that is due, or fail as it says."""
        self.requests.append(request)
        number = sum(isinstance(message, AssistantMessage) for message in request.messages)
        step = self._step(number)
        _pause(cancelled, step.delay_seconds)
        if request.attempt <= len(step.errors):
            _fail(step.errors[request.attempt - 1], on_delta)
        if step.thinking:
            on_delta(Delta(step.thinking, "thinking"))
        for piece in words(step.text):
            on_delta(Delta(piece))
            _pause(cancelled, step.chunk_delay_seconds)
        return Completion(
            text=step.text,
            tool_calls=_tool_calls(step, number),
            model_name=self._model_name,
            usage=step.usage,
            stop_reason=step.stop_reason or ("tool_use" if step.tool_calls else "end_turn"),
        )

    def _step(self, number: int) -> ScriptedStep:
        if self._steps and (self._repeat or number < len(self._steps)):
            return self._steps[number % len(self._steps)]
        raise ModelCallError(
            f"the script has {len(self._steps)} steps and was asked for step {number + 1}; "
            "add a step to it",
            error_type="invalid_request",
        )


def _tool_calls(step: ScriptedStep, number: int) -> tuple[ToolCall, ...]:
    return tuple(
        ToolCall(call.id or f"scripted_{number}_{index}", call.name, call.arguments)
        for index, call in enumerate(step.tool_calls)
    )


def _pause(cancelled: Cancellation, seconds: float) -> None:
    if seconds > 0:
        cancelled.wait(seconds)
    stop_if_cancelled(cancelled)


def _fail(error: ScriptedError, on_delta: Callable[[Delta], None]) -> None:
    for piece in words(error.partial):
        on_delta(Delta(piece))
    retryable = error.error_type in RETRYABLE_TYPES if error.retryable is None else error.retryable
    raise ModelCallError(
        error.message or f"the script says that this attempt fails: {error.error_type}",
        error_type=error.error_type,
        retryable=retryable,
        retry_after=error.retry_after,
    )


def load_script(path: str | Path) -> ScriptedModel:
    """Read a script: a JSON object `{"steps": [...], "repeat": false}`, or only the steps."""
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
        script = msgspec.convert(
            {"steps": document} if isinstance(document, list) else document, Script
        )
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ModelUnavailableError(f"can't read the model script {path}: {reason}") from error
    except (ValueError, RecursionError) as error:
        line = " ".join(str(error).split())
        raise ModelUnavailableError(f"the model script {path} is wrong: {line}") from error
    return ScriptedModel(script.steps, f"scripted:{path}", repeat=script.repeat)
