"""What goes wrong with providers: events, one line, the exit code, and a thread that goes on."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import pytest

from messagedb_agent.testing.provider_frames import Reply, ReplyCall
from messagedb_agent.testing.provider_server import ProviderServer
from tests.acceptance.conftest import Cli
from tests.acceptance.models.conftest import (
    ANTHROPIC,
    CLAUDE_VERTEX,
    EACH,
    GEMINI,
    OPENAI,
    Dialect,
)

CALL = Reply(calls=(ReplyCall("calculate", '{"expression": "6 * 7"}', "c1"),))


def failures(cli: Cli, thread: str = "t") -> list[dict[str, Any]]:
    return [e["data"] for e in cli.events(thread) if e["type"] == "LLMCallFailed"]


def broken(reply: Reply, fault: Any, after: int, **more: Any) -> Reply:
    fields = {name: getattr(reply, name) for name in reply.__struct_fields__}
    return Reply(**(fields | {"fault": fault, "after": after} | more))


def overloaded(dialect: Dialect) -> Any:
    if dialect is GEMINI:
        return {"error": {"code": 503, "message": "Overloaded", "status": "UNAVAILABLE"}}
    return {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


@EACH
def test_a_key_that_a_provider_repeats_is_not_recorded(
    cli: Cli, provider: ProviderServer, dialect: Dialect
) -> None:
    planted = "planted-key-4711"
    cli.environment |= {"ANTHROPIC_API_KEY": planted, "OPENAI_API_KEY": planted}
    said = {"error": {"message": f"Incorrect API key provided: {planted}.", "code": 401}}
    provider.script(Reply(status=401, body=said))

    ended = cli("start", "hi", "--model", dialect.model, "--thread-id", "t")

    assert ended.code == 1
    (failure,) = failures(cli)
    assert failure["error_type"] == "authentication"
    exported = cli("export", "t").out
    page = cli("export", "t", "--format", "html").out
    for told in (ended.err, str(cli.events("t")), exported, page):
        assert planted not in told


@EACH
def test_each_passing_failure_is_an_event_and_the_answer_comes(
    cli: Cli, provider: ProviderServer, dialect: Dialect
) -> None:
    tiny = {"MODEL_RETRY_PAUSE": "0.0001", "MODEL_TIMEOUT": "2"}
    cli.environment |= {"MODEL_MAX_ATTEMPTS": "20", **tiny}
    middle = 1 if dialect is GEMINI else 3
    in_arguments = {GEMINI.model: 1, OPENAI.model: 3}.get(dialect.model, 5)
    text = Reply(text="half an answer")
    error = {"error": {"message": "no"}}
    faults = {
        "rate_limit": [Reply(status=429, headers={"retry-after": "0.1"}, body=error)],
        "overloaded": [
            Reply(status=529, body=error),
            Reply(status=503, body=error),
            broken(text, "error", middle, body=overloaded(dialect)),
        ],
        "server_error": [Reply(status=500, body=error)],
        "connection": [
            Reply(fault="drop"),
            broken(text, "cut", middle),
            broken(CALL, "cut", in_arguments),
        ],
        "truncated": [
            broken(text, "end", middle),
            broken(CALL, "end", in_arguments),
            Reply(frames=()),
        ],
        "malformed": [broken(text, "garbage", middle)],
        "timeout": [broken(text, "", 1, silence=3.0)],
    }
    provider.script(*(reply for replies in faults.values() for reply in replies), text)

    ended = cli("start", "go", "--thread-id", "t", "--model", dialect.model)

    assert (ended.code, ended.out) == (0, "half an answer\n"), ended.err
    recorded = failures(cli)
    assert [failure["error_type"] for failure in recorded] == [
        kind for kind, replies in faults.items() for _ in replies
    ]
    assert [failure["retry_count"] for failure in recorded] == list(range(len(recorded)))
    assert all(failure["retryable"] for failure in recorded)
    assert cli.types("t")[-1] == "LLMResponseReceived"


class Fault(NamedTuple):
    """What a provider does, the kind of failure it is, and what the line about it says."""

    reply: Reply
    error_type: str
    says: str


def by_google(code: int, status: str) -> Any:
    return {"error": {"code": code, "message": "not now", "status": status}}


def by_model(kind: str, message: str = "not now") -> Any:
    return {"type": "error", "error": {"type": kind, "message": message}}


TEXT = Reply(text="half an answer")
EVERYWHERE = [
    Fault(Reply(fault="drop"), "connection", "the connection failed"),
    Fault(broken(TEXT, "cut", 3), "connection", "the connection failed"),
    Fault(broken(TEXT, "garbage", 3), "malformed", "can't be read"),
    Fault(Reply(frames=()), "truncated", "broke off"),
    Fault(broken(TEXT, "", 1, silence=3.0), "timeout", "no answer came in time"),
    Fault(Reply(status=500, body=b"oops"), "server_error", "HTTP 500"),
]
ON_VERTEX = [
    *EVERYWHERE,
    Fault(broken(CALL, "cut", 5), "connection", "the connection failed"),
    Fault(broken(TEXT, "error", 3, body=by_model("overloaded_error")), "overloaded", "not now"),
    Fault(
        Reply(status=429, headers={"retry-after": "7"}, body=by_google(429, "RESOURCE_EXHAUSTED")),
        "rate_limit",
        "HTTP 429",
    ),
    Fault(Reply(status=529, body=by_model("overloaded_error")), "overloaded", "HTTP 529"),
    Fault(Reply(status=503, body=by_google(503, "UNAVAILABLE")), "overloaded", "HTTP 503"),
    Fault(
        Reply(status=400, body=by_model("invalid_request_error", "prompt is too long: 9 > 8")),
        "context_length",
        "start a new thread",
    ),
    Fault(Reply(status=401, body=by_google(401, "UNAUTHENTICATED")), "authentication", "gcloud"),
    Fault(Reply(status=403, body=by_google(403, "PERMISSION_DENIED")), "permission", "roles/"),
    Fault(Reply(status=404, body=by_google(404, "NOT_FOUND")), "not_found", "GCP_LOCATION"),
]
AT_OPENAI = [
    *EVERYWHERE,
    Fault(broken(CALL, "cut", 3), "connection", "the connection failed"),
    Fault(
        Reply(status=429, headers={"retry-after": "7"}, body=by_model("requests")),
        "rate_limit",
        "HTTP 429",
    ),
    Fault(Reply(status=529, body=by_model("overloaded")), "overloaded", "HTTP 529"),
    Fault(Reply(status=503, body=by_model("server_error")), "overloaded", "HTTP 503"),
    Fault(
        Reply(
            status=400, body={"error": {"message": "not now", "code": "context_length_exceeded"}}
        ),
        "context_length",
        "start a new thread",
    ),
    Fault(Reply(status=401, body=by_model("")), "authentication", "OPENAI_API_KEY"),
    Fault(Reply(status=403, body=by_model("")), "permission", "quota"),
    Fault(Reply(status=404, body=by_model("")), "not_found", "OPENAI_BASE_URL"),
]
TOO_LONG = "The input token count (9) exceeds the maximum number of tokens (8)"
BY_GEMINI = [
    Fault(
        Reply(
            status=400,
            body={"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": TOO_LONG}},
        ),
        "context_length",
        "start a new thread",
    ),
    *ON_VERTEX[-3:],
]
AT_ANTHROPIC = [
    ON_VERTEX[-4],
    Fault(
        Reply(status=401, body=by_model("authentication_error")),
        "authentication",
        "ANTHROPIC_API_KEY",
    ),
    Fault(Reply(status=403, body=by_model("permission_error")), "permission", "this key"),
    Fault(Reply(status=404, body=by_model("not_found_error")), "not_found", "the model name"),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dialect", "faults"),
    [
        (CLAUDE_VERTEX, ON_VERTEX),
        (GEMINI, BY_GEMINI),
        (ANTHROPIC, AT_ANTHROPIC),
        (OPENAI, AT_OPENAI),
    ],
    ids=lambda value: value.model if isinstance(value, Dialect) else "",
)
def test_each_fault_that_is_the_last_is_one_line_and_the_thread_goes_on(
    cli: Cli, provider: ProviderServer, dialect: Dialect, faults: list[Fault]
) -> None:
    cli.environment |= {"MODEL_MAX_ATTEMPTS": "1", "MODEL_TIMEOUT": "2"}
    command = ["start", "go", "--thread-id", "t", "--model", dialect.model]

    for fault in faults:
        provider.script(fault.reply)

        ended = cli(*command)

        assert (ended.code, ended.out) == (1, ""), fault
        told = [line for line in ended.err.splitlines() if not line.startswith("thread ")]
        assert len(told) == 1, fault
        assert told[0].startswith("messagedb-agent: ")
        assert fault.says in told[0]
        assert "continue t" in told[0]
        # From here on it is `continue` that meets the next fault.
        command = ["continue", "t"]

    recorded = [(failure["error_type"], failure["retryable"]) for failure in failures(cli)]
    assert recorded == [(fault.error_type, False) for fault in faults]
    provider.script(Reply(text="well again"))
    assert cli.ask("continue", "t")["response"] == "well again"


def test_after_the_last_attempt_the_turn_waits_for_continue(
    cli: Cli, provider: ProviderServer
) -> None:
    cli.environment["MODEL_MAX_ATTEMPTS"] = "3"
    provider.script(*(Reply(status=503, body={"error": {"message": "busy"}}) for _ in range(3)))

    ended = cli("start", "go", "--thread-id", "t", "--model", OPENAI.model, "--format", "json")

    assert ended.code == 1
    assert ended.json()["status"] == "failed"
    assert [failure["retryable"] for failure in failures(cli)] == [True, True, False]
    provider.script(Reply(text="well again"))
    assert cli.ask("continue", "t")["response"] == "well again"


def test_a_provider_that_asks_for_time_gets_it(cli: Cli, provider: ProviderServer) -> None:
    provider.script(Reply(status=429, headers={"retry-after": "1"}, body={}), Reply(text="ok"))

    cli.ask("start", "go", "--thread-id", "t", "--model", OPENAI.model)

    rows = cli.sql(
        "SELECT extract(epoch FROM max(time) - min(time)) FROM message_store.messages"
        " WHERE type = 'LLMCallRequested'"
    )
    assert rows[0][0] >= 1


@pytest.mark.parametrize("dialect", [OPENAI, CLAUDE_VERTEX], ids=lambda dialect: dialect.model)
def test_arguments_that_are_no_json_are_an_error_that_the_model_sees(
    cli: Cli, provider: ProviderServer, dialect: Dialect
) -> None:
    call = ReplyCall("calculate", '{"expression": "6*7,"broken": tru', "c1")
    provider.script(Reply(calls=(call,)), Reply(text="sorry"))

    assert cli.ask("start", "go", "--thread-id", "t", "--model", dialect.model)["response"]

    events = {event["type"]: event["data"] for event in cli.events("t")}
    assert "JSON" in events["ToolExecutionFailed"]["error_message"]
    assert "ToolExecutionCompleted" not in events
    assert "JSON" in str(dialect.messages(provider.requests[1].body)[-1])


def test_a_pause_is_resumed_with_what_was_said_so_far(cli: Cli, provider: ProviderServer) -> None:
    provider.script(Reply(text="first ", stop="pause_turn"), Reply(text="second"))

    assert cli.ask("start", "go", "--model", CLAUDE_VERTEX.model)["response"] == "first second"

    roles = [message["role"] for message in provider.requests[1].body["messages"]]
    assert roles == ["user", "assistant"]


def test_ctrl_c_ends_a_call_at_once(cli: Cli, provider: ProviderServer) -> None:
    provider.script(Reply(text="never", silence=20, after=1))
    started = cli.start("start", "go", "--thread-id", "t", "--model", OPENAI.model)
    deadline = time.monotonic() + 30
    while not provider.requests and time.monotonic() < deadline:
        time.sleep(0.05)

    started.send_signal(2)
    began = time.monotonic()
    started.communicate(timeout=15)

    assert started.returncode == 130
    assert time.monotonic() - began < 5
    assert cli.types("t")[-2:] == ["LLMCallFailed", "TurnInterrupted"]
