from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator

import pytest

from messagedb_agent.errors import ConfigurationError
from messagedb_agent.observability import semconv
from messagedb_agent.observability.telemetry import FLUSH_SECONDS, Telemetry
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.tools.define import tool
from tests.observability.collector import Collector, attributes_of
from tests.observability.conversation import (
    ANSWER,
    STREAM,
    THREAD,
    agent,
    drive,
    say,
)

CLIENT, INTERNAL = 3, 1


def observe_a_turn(environ: dict[str, str], store: MemoryStore | None = None) -> None:
    telemetry = Telemetry(environ)
    drive(store or MemoryStore(), telemetry.observe(THREAD), agent(), say("what?"))
    telemetry.close()


@pytest.fixture
def silent_endpoint() -> Iterator[str]:
    """Somebody listens and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_a_collector_receives_the_whole_turn(collector: Collector) -> None:
    observe_a_turn(collector.environment())

    (run,) = collector.named("invoke_agent messagedb-agent")
    steps = [span for span in collector.spans if span is not run]
    assert sorted(step.name for step in steps) == [
        "chat scripted",
        "chat scripted",
        "execute_tool calculate",
        "execute_tool echo",
    ]
    assert run.parent_id == ""
    assert {step.parent_id for step in steps} == {run.span_id}
    assert {step.trace_id for step in steps} == {run.trace_id}
    assert {span.kind for span in collector.named("chat scripted")} == {CLIENT}
    assert (run.kind, collector.named("execute_tool echo")[0].kind) == (INTERNAL, INTERNAL)
    assert {span.service for span in collector.spans} == {"messagedb-agent"}
    assert not any(span.is_error for span in collector.spans)


def test_attributes_are_named_by_the_conventions(collector: Collector) -> None:
    observe_a_turn(collector.environment())

    from opentelemetry.semconv._incubating.attributes import gen_ai_attributes

    official = {
        value for name, value in vars(gen_ai_attributes).items() if name.startswith("GEN_AI_")
    } | {"error.type"}
    used = {name for span in collector.spans for name in span.attributes}
    assert {name for name in used - official if not name.startswith("messagedb_agent.")} == set()
    chat = collector.named("chat scripted")[0].attributes
    assert chat[semconv.OPERATION_NAME] == "chat"
    assert chat[semconv.PROVIDER_NAME] == "scripted"
    assert chat[semconv.CONVERSATION_ID] == THREAD
    assert chat[semconv.RESPONSE_FINISH_REASONS] == ["tool_use"]
    echo = collector.named("execute_tool echo")[0].attributes
    assert echo[semconv.TOOL_NAME] == "echo"
    assert echo[semconv.TOOL_CALL_ID] == "scripted_0_1"


def test_all_our_names_are_official() -> None:
    from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
    from opentelemetry.semconv._incubating.metrics import gen_ai_metrics

    values = [*vars(gen_ai_attributes).values(), *vars(gen_ai_metrics).values()]
    ours = {v for v in vars(semconv).values() if isinstance(v, str) and v.startswith("gen_ai.")}
    assert ours <= {value for value in values if isinstance(value, str)}


def test_content_stays_here_unless_somebody_opts_in(collector: Collector) -> None:
    observe_a_turn(collector.environment())

    assert b"what?" not in b"".join(collector.raw)
    assert b"It is 42" not in b"".join(collector.raw)


def test_content_is_captured_on_request_and_secrets_are_not(collector: Collector) -> None:
    @tool(permission="allow")
    def log_in(user: str, password: str) -> dict[str, str]:
        """Log in."""
        return {"user": user, "token": password}

    calls = [{"name": "log_in", "arguments": {"user": "me", "password": "planted-password"}}]
    environ = {
        **collector.environment(),
        "SOME_API_KEY": "planted-key",
        semconv.CAPTURE_CONTENT_VARIABLE: "true",
    }
    telemetry = Telemetry(environ)
    driven = agent({"tool_calls": calls}, ANSWER, tools=(log_in,))
    drive(MemoryStore(), telemetry.observe(THREAD), driven, say("use planted-key"))
    telemetry.close()

    called = collector.named("execute_tool log_in")[0].attributes
    assert json.loads(called[semconv.TOOL_CALL_ARGUMENTS])["user"] == "me"
    run = collector.named("invoke_agent messagedb-agent")[0].attributes
    assert json.loads(run[semconv.INPUT_MESSAGES])[0]["role"] == "user"
    assert json.loads(run[semconv.OUTPUT_MESSAGES])[0]["parts"][0]["content"] == "It is 42."
    assert b"planted" not in b"".join(collector.raw)


def test_metrics_are_sent(collector: Collector) -> None:
    observe_a_turn(collector.environment())

    assert set(collector.metrics) == {
        semconv.METRIC_OPERATION_DURATION,
        semconv.METRIC_TOKEN_USAGE,
        semconv.METRIC_TOOL_DURATION,
        semconv.METRIC_RUNS,
    }
    tokens = {
        attributes_of(point.attributes)[semconv.TOKEN_TYPE]: point.sum
        for point in collector.metrics[semconv.METRIC_TOKEN_USAGE]
    }
    assert tokens == {"input": 30, "output": 8}
    (duration,) = collector.metrics[semconv.METRIC_OPERATION_DURATION]
    assert duration.count == 2
    assert {
        attributes_of(point.attributes)[semconv.TOOL_NAME]
        for point in collector.metrics[semconv.METRIC_TOOL_DURATION]
    } == {"calculate", "echo"}


def test_settings_of_a_file_reach_the_sdk_and_do_not_stay(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    headers = {"OTEL_EXPORTER_OTLP_HEADERS": "authorization=planted"}

    observe_a_turn({**collector.environment(), **headers, "OTEL_SERVICE_NAME": "shop"})

    assert collector.headers[0]["authorization"] == "planted"
    assert {span.service for span in collector.spans} == {"shop"}
    assert not [name for name in os.environ if name.startswith("OTEL_EXPORTER")]


def test_a_sampler_is_obeyed(collector: Collector) -> None:
    store = MemoryStore()

    observe_a_turn({**collector.environment(), "OTEL_TRACES_SAMPLER": "always_off"}, store)

    assert collector.spans == []
    assert collector.metrics
    assert "-00" in (next(store.read(STREAM)).metadata_text or "")


def test_a_collector_that_is_down_costs_a_warning_and_no_time(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    telemetry = Telemetry({"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}"})
    drive(MemoryStore(), telemetry.observe(THREAD), agent(), say("what?"))
    began = time.monotonic()
    telemetry.close()

    assert time.monotonic() - began < 8  # the exporter alone would try for ten
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("telemetry could not be sent") == 1
    assert "Traceback" not in captured.err


def test_a_collector_that_says_nothing_is_not_waited_for_long(silent_endpoint: str) -> None:
    telemetry = Telemetry({"OTEL_EXPORTER_OTLP_ENDPOINT": silent_endpoint})
    drive(MemoryStore(), telemetry.observe(THREAD), agent(), say("what?"))
    began = time.monotonic()
    telemetry.close()

    assert time.monotonic() - began < FLUSH_SECONDS + 6


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OTEL_TRACES_EXPORTER", "nonsense"),
        ("OTEL_METRICS_EXPORTER", "nonsense"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "pigeon"),
    ],
)
def test_a_setting_that_can_not_be_used_is_said_to_be_so(variable: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{value}|{variable}"):
        Telemetry({variable: value})


def test_the_console_exporter_leaves_stdout_alone(capsys: pytest.CaptureFixture[str]) -> None:
    observe_a_turn({"OTEL_TRACES_EXPORTER": "console", "OTEL_METRICS_EXPORTER": "none"})

    captured = capsys.readouterr()
    assert captured.out == ""
    assert "invoke_agent messagedb-agent" in captured.err
