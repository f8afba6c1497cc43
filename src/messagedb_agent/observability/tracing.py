"""Spans on their way out: from our own to OpenTelemetry's."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from messagedb_agent.observability.identity import SpanRef
from messagedb_agent.observability.redaction import Redactor
from messagedb_agent.observability.semconv import OPERATION_INVOKE_AGENT, OUR_RECOVERED
from messagedb_agent.observability.spans import AGENT_NAME, Span

_LONGEST_TEXT = 32_768


class _GivenIds(IdGenerator):
    """Hands out the ids that the next span is to have."""

    next = SpanRef(0, 0)

    def generate_trace_id(self) -> int:
        return self.next.trace_id

    def generate_span_id(self) -> int:
        return self.next.span_id


class Tracer:
    """
    Gives spans to exporters, in batches, from a thread of the SDK's own.

    It has its own provider and leaves the global one alone: libraries that instrument
    themselves stay silent unless the program around sets one up for them.
    """

    def __init__(
        self, exporters: Sequence[SpanExporter], resource: Resource, redactor: Redactor
    ) -> None:
        self._ids = _GivenIds()
        self._redactor = redactor
        self._mutex = threading.Lock()
        self._provider = TracerProvider(
            resource=resource, id_generator=self._ids, shutdown_on_exit=False
        )
        for exporter in exporters:
            self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("messagedb_agent")

    def is_sampled(self, trace_id: int) -> bool:
        """What OTEL_TRACES_SAMPLER says about a trace; the same in every process."""
        name = f"{OPERATION_INVOKE_AGENT} {AGENT_NAME}"
        decision = self._provider.sampler.should_sample(None, trace_id, name).decision
        return decision is Decision.RECORD_AND_SAMPLE

    def __call__(self, span: Span) -> None:
        """Take a finished span."""
        attributes = {key: self._attribute(value) for key, value in span.attributes.items()}
        if span.recovered:
            attributes[OUR_RECOVERED] = True
        with self._mutex:
            self._ids.next = span.ref
            started = self._tracer.start_span(
                span.name,
                context=_parent(span),
                kind=SpanKind.CLIENT if span.is_client else SpanKind.INTERNAL,
                attributes=attributes,
                start_time=span.start,
            )
        if span.error_type is not None:
            message = span.error_message
            description = self._redactor.text(message) if message else span.error_type
            started.set_status(Status(StatusCode.ERROR, description[:_LONGEST_TEXT]))
        started.end(span.end)

    def shut_down(self) -> None:
        """Send what has not been sent, and stop. Takes as long as the exporters take."""
        self._provider.shutdown()

    def _attribute(self, value: Any) -> Any:
        kept = self._redactor.value(value)
        if isinstance(kept, dict) or (isinstance(kept, list) and not _is_texts(kept)):
            kept = json.dumps(kept, ensure_ascii=False, default=str)
        if isinstance(kept, str):
            # Half a surrogate pair fits into an event, but not into a span.
            return kept[:_LONGEST_TEXT].encode("utf-8", "replace").decode()
        return "null" if kept is None else kept


def _is_texts(values: list[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def _parent(span: Span) -> Any:
    if span.parent_id is None:
        return set_span_in_context(NonRecordingSpan(SpanContext(0, 0, is_remote=True)))
    flags = TraceFlags(TraceFlags.SAMPLED if span.ref.sampled else TraceFlags.DEFAULT)
    context = SpanContext(span.ref.trace_id, span.parent_id, is_remote=True, trace_flags=flags)
    return set_span_in_context(NonRecordingSpan(context))
