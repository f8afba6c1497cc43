"""Metrics of runs, steps and tokens, counted from the same spans that are traced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExporter, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from messagedb_agent.observability import semconv
from messagedb_agent.observability.spans import Span

_KEPT = (
    semconv.OPERATION_NAME,
    semconv.PROVIDER_NAME,
    semconv.REQUEST_MODEL,
    semconv.RESPONSE_MODEL,
    semconv.ERROR_TYPE,
)
_TOOL_KEPT = (semconv.TOOL_NAME, semconv.ERROR_TYPE)
_RUN_KEPT = (semconv.REQUEST_MODEL, semconv.OUR_STOP)


class Meter:
    """Counts finished spans. Recovered ones are left out: nobody knows how long they took."""

    def __init__(self, exporters: Sequence[MetricExporter], resource: Resource) -> None:
        readers = [PeriodicExportingMetricReader(exporter) for exporter in exporters]
        self._provider = MeterProvider(readers, resource=resource, shutdown_on_exit=False)
        meter = self._provider.get_meter("messagedb_agent")
        self._duration = meter.create_histogram(
            semconv.METRIC_OPERATION_DURATION,
            unit="s",
            description="GenAI operation duration.",
            explicit_bucket_boundaries_advisory=list(semconv.DURATION_BUCKETS),
        )
        self._tokens = meter.create_histogram(
            semconv.METRIC_TOKEN_USAGE,
            unit="{token}",
            description="Number of input and output tokens used.",
            explicit_bucket_boundaries_advisory=list(semconv.TOKEN_BUCKETS),
        )
        self._tools = meter.create_histogram(
            semconv.METRIC_TOOL_DURATION,
            unit="s",
            description="Duration of tool calls; failures have an error.type.",
            explicit_bucket_boundaries_advisory=list(semconv.DURATION_BUCKETS),
        )
        self._runs = meter.create_counter(
            semconv.METRIC_RUNS, unit="{run}", description="Runs of turns, by how they stopped."
        )

    def __call__(self, span: Span) -> None:
        """Take a finished span."""
        if span.recovered:
            return
        attributes = span.attributes
        match attributes[semconv.OPERATION_NAME]:
            case semconv.OPERATION_CHAT:
                self._count_tokens(attributes)
                self._duration.record(span.seconds, _only(_KEPT, attributes))
            case semconv.OPERATION_EXECUTE_TOOL:
                self._tools.record(span.seconds, _only(_TOOL_KEPT, attributes))
            case _:
                self._runs.add(1, _only(_RUN_KEPT, attributes))

    def shut_down(self) -> None:
        """Send what has not been sent, and stop. Takes as long as the exporters take."""
        self._provider.shutdown()

    def _count_tokens(self, attributes: Mapping[str, Any]) -> None:
        kept = _only(_KEPT, attributes)
        for kind, key in (
            ("input", semconv.USAGE_INPUT_TOKENS),
            ("output", semconv.USAGE_OUTPUT_TOKENS),
        ):
            if key in attributes:
                self._tokens.record(attributes[key], {**kept, semconv.TOKEN_TYPE: kind})


def _only(names: Sequence[str], attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: attributes[name] for name in names if name in attributes}
