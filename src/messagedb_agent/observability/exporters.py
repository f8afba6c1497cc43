"""
Exporters by the standard OTEL_ variables, watched so that trouble costs one line and no time.

The SDK reads the process's environment only, logs each failure, and waits for a collector
that does not answer until its own time is up.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import entry_points
from typing import Any

from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, MetricExporter
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SpanExporter

from messagedb_agent.errors import ConfigurationError
from messagedb_agent.observability.library_logs import text_of
from messagedb_agent.observability.logging import get_logger

_log = get_logger(__name__)
_PROTOCOLS = {"http/protobuf": "otlp_proto_http", "grpc": "otlp_proto_grpc"}


class Health(logging.Handler):
    """
    Hears what the SDK complains about: the first complaint becomes one warning.

    `settled` is set when there is no point in waiting: everything went out, or nothing does.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.settled = threading.Event()
        self.is_in_trouble = False
        self._told = False

    def attach(self) -> None:
        """Take the SDK's complaints, which would go to stderr otherwise."""
        logger = logging.getLogger("opentelemetry")
        for handler in [h for h in logger.handlers if isinstance(h, Health)]:
            logger.removeHandler(handler)
        logger.addHandler(self)
        logger.propagate = False

    def silence(self) -> None:
        """Say nothing any more."""
        self._told = True

    def emit(self, record: logging.LogRecord) -> None:
        """Take one complaint."""
        # Many a collector takes traces only; metrics it refuses are no reason to hurry.
        self.is_in_trouble = self.is_in_trouble or "metric" not in record.name
        if not self._told:
            self._told = True
            reason = " ".join(text_of(record).split())
            _log.warning("telemetry could not be sent", reason=reason[:200])
        # Last: who waits for this may end the process.
        self.settled.set()


@contextmanager
def environment(environ: Mapping[str, str]) -> Iterator[None]:
    """Let the SDK see the OTEL_ settings of a settings file while it is set up."""
    added = {
        name: value
        for name, value in environ.items()
        if name.startswith("OTEL_") and name not in os.environ
    }
    os.environ.update(added)
    try:
        yield
    finally:
        # They may hold credentials, and programs that tools start inherit what stays.
        for name in added:
            del os.environ[name]


def span_exporters() -> list[SpanExporter]:
    """What OTEL_TRACES_EXPORTER names; otlp when it names nothing."""
    return [
        ConsoleSpanExporter(out=sys.stderr) if name == "console" else _load("traces", name)
        for name in _names("OTEL_TRACES_EXPORTER")
    ]


def metric_exporters() -> list[MetricExporter]:
    """What OTEL_METRICS_EXPORTER names; otlp when it names nothing."""
    return [
        ConsoleMetricExporter(out=sys.stderr) if name == "console" else _load("metrics", name)
        for name in _names("OTEL_METRICS_EXPORTER")
    ]


def _names(variable: str) -> list[str]:
    names = [name.strip().lower() for name in os.environ.get(variable, "").split(",")]
    return [name for name in names if name not in ("", "none")] or (
        [] if "none" in names else ["otlp"]
    )


def _load(signal: str, name: str) -> Any:
    if name == "otlp":
        name = _otlp(signal)
    found = list(entry_points(group=f"opentelemetry_{signal}_exporter", name=name))
    if not found:
        raise ConfigurationError(
            f"there is no OpenTelemetry {signal} exporter {name!r} here: use otlp, console "
            "or none, or install the package that has it"
        )
    try:
        return found[0].load()()
    except (ImportError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ConfigurationError(
            f"the OpenTelemetry {signal} exporter {name!r} can not be used: {reason}"
        ) from error


def _otlp(signal: str) -> str:
    protocol = (
        os.environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL")
        or os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
        or "http/protobuf"
    )
    if protocol not in _PROTOCOLS:
        known = ", ".join(_PROTOCOLS)
        raise ConfigurationError(f"OTEL_EXPORTER_OTLP_PROTOCOL is wrong: one of {known} is needed")
    return _PROTOCOLS[protocol]
