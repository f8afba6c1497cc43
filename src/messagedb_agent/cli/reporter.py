"""What a run shows while it goes on, and what it says at the end."""

from __future__ import annotations

import json
import sys
from typing import Any, Self

from messagedb_agent.cli.progress import Progress
from messagedb_agent.cli.terminal import has_colour, paint, say, tell, visible, write
from messagedb_agent.engine.contents import Contents
from messagedb_agent.engine.costs import add_call, no_usage
from messagedb_agent.engine.result import RunResult
from messagedb_agent.events import agent, tool
from messagedb_agent.events.base import Event, RecordedEvent
from messagedb_agent.events.codec import encode
from messagedb_agent.events.json_text import from_json
from messagedb_agent.llm.base import Delta
from messagedb_agent.projections.transcript import entry
from messagedb_agent.tools.base import ToolProgress

_SHOWN = (
    tool.ToolExecutionRequested,
    tool.ToolExecutionCompleted,
    tool.ToolExecutionFailed,
)
_LONGEST_LINE = 200


class Reporter:
    """
    Follows one run in one output format.

    The answer goes to stdout, all else to stderr. On a terminal the answer appears as it is
    generated; into a pipe it is written when it is complete and recorded.
    """

    def __init__(
        self,
        output: str,
        thread_id: str,
        contents: Contents,
        *,
        show_thinking: bool = False,
        introduce: bool = True,
    ) -> None:
        self._output = output
        self._thread_id = thread_id
        self._contents = contents
        self._show_thinking = show_thinking
        self._introduce = introduce
        self._streams = output == "text" and sys.stdout.isatty()
        self._streamed = ""
        self._calls: dict[str, dict[str, Any]] = {}
        self._usage = no_usage()
        self._live = False
        self._seen = -1
        self._waiting = Waiting()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._waiting.end()

    def begin(self) -> None:
        """From here on events are new, not history."""
        if self._live:
            return
        self._live = True
        if self._output == "text" and self._introduce:
            tell(paint(f"thread {self._thread_id}", "dim", stream=sys.stderr))

    def on_delta(self, delta: Delta) -> None:
        """A piece of the answer."""
        if self._streams and (delta.kind == "text" or self._show_thinking):
            self._waiting.end()
        if not self._streams:
            return
        if delta.kind == "thinking":
            if self._show_thinking:
                write(sys.stderr, paint(visible(delta.text), "dim", stream=sys.stderr))
            return
        self._streamed += delta.text
        write(sys.stdout, visible(delta.text))

    def on_progress(self, told: ToolProgress) -> None:
        """A tool said how far it is."""
        if self._output == "text" and sys.stderr.isatty():
            line = visible(" ".join(f"… {told.tool_name}: {told.text}".split()))
            tell(paint(line[:_LONGEST_LINE], "dim", stream=sys.stderr))

    def on_event(self, record: RecordedEvent) -> None:
        """An event was recorded."""
        if record.position <= self._seen:
            return
        self._seen = record.position
        if not self._live:
            return
        self._waiting.end()
        self._collect(record.event)
        if self._output == "jsonl":
            say(json.dumps(as_object(record)))
        elif self._output == "text" and _is_worth_a_line(record.event):
            self._finish_line()
            tell(_line(record))
        self._waiting.after(record.event)

    def finish(self, result: RunResult, stream_name: str) -> None:
        """The run is over."""
        self._waiting.end()
        if self._output == "json":
            say(json.dumps(self._summary(result, stream_name)))
        elif self._output == "text":
            self._finish_text(result)

    def _finish_text(self, result: RunResult) -> None:
        if result.stop in ("done", "truncated", "refused") and result.response is not None:
            if self._streams and self._streamed == result.response:
                self._finish_line()
            else:
                self._finish_line()
                shown = sys.stdout.isatty()
                say(visible(result.response) if shown else result.response)

    def _finish_line(self) -> None:
        if self._streamed and not self._streamed.endswith("\n"):
            write(sys.stdout, "\n")
        self._streamed = ""

    def _collect(self, event: Any) -> None:
        if isinstance(event, agent.LLMResponseReceived):
            if self._output == "json":
                add_call(self._usage, event.model_name, event.token_usage)
            for call in event.tool_calls:
                self._calls[call.id] = {
                    "id": call.id,
                    "name": call.name,
                    "arguments": call.arguments,
                }
        elif isinstance(event, tool.ToolExecutionCompleted) and self._output == "json":
            self._calls.setdefault(str(event.call_id), {"id": event.call_id})["result"] = (
                self._contents.whole(event).result
            )
        elif isinstance(event, tool.ToolExecutionFailed):
            self._calls.setdefault(str(event.call_id), {"id": event.call_id})["error"] = (
                event.error_message
            )

    def _summary(self, result: RunResult, stream_name: str) -> dict[str, Any]:
        return {
            "thread_id": self._thread_id,
            "stream_name": stream_name,
            "status": status_of(result),
            "stop": result.stop,
            "response": result.response,
            "tool_calls": list(self._calls.values()),
            "usage": self._usage,
            "pending_approvals": [
                {"id": call.call.id, "name": call.call.name, "arguments": call.arguments}
                for call in result.pending
            ],
            "error": result.error,
        }


class Waiting:
    """Tells on a terminal what a run waits for: the model, or tools."""

    def __init__(self) -> None:
        self._progress = Progress()
        self._tools: dict[str | None, str] = {}

    def after(self, event: Event) -> None:
        """An event was recorded and shown."""
        match event:
            case agent.LLMCallRequested(model_name=name):
                self._progress.begin(f"waiting for {visible(name)}")
            case tool.ToolExecutionRequested(tool_name=name):
                self._tools[event.call_id] = visible(name)
            case tool.ToolExecutionCompleted() | tool.ToolExecutionFailed():
                self._tools.pop(event.call_id, None)
        if self._tools:
            self._progress.begin(f"running {', '.join(self._tools.values())}")

    def end(self) -> None:
        """Something else is to be written."""
        self._progress.end()


def status_of(result: RunResult) -> str:
    """The status of the thread after a run, in the words of `list`."""
    state = result.state
    if state.session.is_ended:
        return state.session.status
    if state.calls.pending:
        return "waiting"
    return state.turn.halted or "active"


def as_object(record: RecordedEvent) -> dict[str, Any]:
    """A recorded event in the form of `show --format json`."""
    encoded = encode(record.event)
    return {
        "id": record.id,
        "type": record.type,
        "position": record.position,
        "global_position": record.global_position,
        "time": f"{record.time.isoformat()}Z",
        "data": from_json(encoded.data),
    }


def _is_worth_a_line(event: Event) -> bool:
    if isinstance(event, agent.LLMCallFailed):
        # The last failure is what the command itself ends with.
        return bool(event.retryable) and event.error_type != "interrupted"
    return isinstance(event, _SHOWN)


def _line(record: RecordedEvent) -> str:
    shown = entry(record.event)
    sign = {"tool_call": "→", "tool_result": "←", "error": "!"}.get(shown.voice, "·")
    colour = "red" if shown.voice == "error" else "cyan"
    text = visible(" ".join(f"{sign} {shown.text}".split()))
    if len(text) > _LONGEST_LINE:
        text = f"{text[: _LONGEST_LINE - 1]}…"
    return paint(text, colour, stream=sys.stderr) if has_colour(sys.stderr) else text
