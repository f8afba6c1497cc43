"""Traces and metrics of a process, from its settings to their last byte."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping

from messagedb_agent.errors import ConfigurationError
from messagedb_agent.observability import semconv
from messagedb_agent.observability.observer import SpanObserver
from messagedb_agent.observability.redaction import Redactor
from messagedb_agent.observability.spans import AGENT_NAME, Span

try:
    from opentelemetry.sdk.metrics.export import MetricExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace.export import SpanExporter

    from messagedb_agent.observability.exporters import (
        Health,
        environment,
        metric_exporters,
        span_exporters,
    )
    from messagedb_agent.observability.metrics import Meter
    from messagedb_agent.observability.tracing import Tracer
except ImportError as error:
    raise ConfigurationError(
        f"ENABLE_TRACING needs the `otel` extra, as in messagedb-agent[otel]: {error}"
    ) from error

FLUSH_SECONDS = 2.0
FLUSH_SECONDS_IN_TROUBLE = 0.2


class Telemetry:
    """
    Sends spans and metrics where the OTEL_ variables of `environ` say.

    Importing this module imports the SDK: do so only when telemetry is wanted. Raises
    `ConfigurationError` when a variable names what is not there. `close` when done.
    """

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        environ = os.environ if environ is None else environ
        redactor = Redactor(environ)
        self._is_flushed = False
        self._health = Health()
        self._health.attach()
        wanted = environ.get(semconv.CAPTURE_CONTENT_VARIABLE, "").strip().lower()
        self._capture_content = wanted in semconv.CAPTURING
        with environment(environ):
            resource = Resource.create(_service())
            spans, metrics = span_exporters(), metric_exporters()
            self._exporters: tuple[SpanExporter | MetricExporter, ...] = (*spans, *metrics)
            self._tracer = Tracer(spans, resource, redactor)
            self._meter = Meter(metrics, resource) if metrics else None

    def observe(self, thread_id: str) -> SpanObserver:
        """An observer for one thread, to be closed when this process drives it no more."""
        return SpanObserver(
            self._emit,
            thread_id=thread_id,
            sampled=self._tracer.is_sampled,
            capture_content=self._capture_content,
        )

    def close(self) -> None:
        """
        Send what is left.

        Waits for a collector that answers, for a moment at most, and not at all for one that
        does not.
        """
        self._health.settled.clear()
        threading.Thread(target=self._flush, name="telemetry flush", daemon=True).start()
        self._health.settled.wait(
            FLUSH_SECONDS_IN_TROUBLE if self._health.is_in_trouble else FLUSH_SECONDS
        )
        self._health.silence()
        if not self._is_flushed:
            for exporter in self._exporters:
                exporter.shutdown()  # or they go on trying behind the back of the program

    def _emit(self, span: Span) -> None:
        self._tracer(span)
        if self._meter is not None:
            self._meter(span)

    def _flush(self) -> None:
        self._tracer.shut_down()
        if self._meter is not None:
            self._meter.shut_down()
        self._is_flushed = True
        self._health.settled.set()


def _service() -> dict[str, str]:
    named = "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    return {} if named or os.environ.get("OTEL_SERVICE_NAME") else {"service.name": AGENT_NAME}
