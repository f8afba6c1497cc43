from __future__ import annotations

from typing import Any

import pytest
from google.auth.exceptions import RefreshError

from messagedb_agent.errors import ModelCallError, ModelUnavailableError
from messagedb_agent.llm.failures import Backend, translate

BACKEND = Backend(name="Provider", remedies={"permission": "grant the role"})


class APIStatusError(Exception):
    """Shaped like the SDKs' own."""

    def __init__(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        self.status_code = status
        self.body = body
        self.response = type("Response", (), {"headers": headers or {}})()
        super().__init__(f"Error code: {status}")


def google(status: str, code: int = 400) -> dict[str, Any]:
    return {"error": {"code": code, "message": "so it is", "status": status}}


@pytest.mark.parametrize(
    ("status", "body", "error_type"),
    [
        (429, google("RESOURCE_EXHAUSTED", 429), "rate_limit"),
        (200, {"type": "error", "error": {"type": "overloaded_error"}}, "overloaded"),
        (200, None, "server_error"),
        (400, google("INVALID_ARGUMENT"), "invalid_request"),
        (400, [google("FAILED_PRECONDITION")], "invalid_request"),
        (400, {"message": "n_ctx", "code": "context_length_exceeded"}, "context_length"),
        (400, {"error": {"message": "The input token count (9) exceeds"}}, "context_length"),
        (400, {"error": {"message": "exceed context size", "type": "x"}}, "context_length"),
        (400, {"message": "filtered", "code": "content_filter"}, "content_blocked"),
        (402, {}, "permission"),
        (409, {}, "server_error"),
        (418, {}, "invalid_request"),
        (599, "text", "server_error"),
    ],
)
def test_an_answer_with_a_status_has_its_kind(status: int, body: Any, error_type: str) -> None:
    error = translate(APIStatusError(status, body), BACKEND)

    assert isinstance(error, ModelCallError)
    assert error.error_type == error_type


def test_the_line_says_who_what_and_what_to_do() -> None:
    error = translate(APIStatusError(403, google("PERMISSION_DENIED", 403)), BACKEND)

    assert str(error) == "Provider: HTTP 403: so it is; grant the role"


def test_a_long_answer_becomes_one_bounded_line_without_secrets() -> None:
    text = f"bad key sk-abcdef123456 \n and Bearer ya29.abcdefgh\n{'x ' * 10_000}"
    line = str(translate(APIStatusError(401, {"error": {"message": text}}), BACKEND))

    assert len(line) < 500
    assert "\n" not in line
    assert "abcdef" not in line


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2"}, 2.0),
        ({"retry-after-ms": "500", "retry-after": "2"}, 0.5),
        ({"retry-after": "999"}, 60.0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "Sat, 21 Nov 2026 10:00:00 GMT"}, None),
    ],
)
def test_the_wait_is_read_from_the_headers(headers: dict[str, str], seconds: float | None) -> None:
    error = translate(APIStatusError(429, {}, headers), BACKEND)

    assert isinstance(error, ModelCallError)
    assert error.retry_after == seconds


@pytest.mark.parametrize(
    ("error", "error_type", "retryable"),
    [
        (TimeoutError(), "timeout", True),
        (ConnectionResetError("reset"), "connection", True),
        (ValueError("what?"), "invalid_request", False),
        (UnicodeDecodeError("utf-8", b"", 0, 1, "bad"), "malformed", True),
        (KeyError("index"), "malformed", True),
    ],
)
def test_what_has_no_status_is_known_by_its_class(
    error: Exception, error_type: str, *, retryable: bool
) -> None:
    translated = translate(error, BACKEND)

    assert isinstance(translated, ModelCallError)
    assert (translated.error_type, translated.retryable) == (error_type, retryable)


def test_a_missing_package_is_a_matter_of_set_up() -> None:
    assert isinstance(translate(ImportError("no module"), BACKEND), ModelUnavailableError)


def test_an_error_of_ours_stays_what_it_is() -> None:
    error = ModelUnavailableError("set GCP_PROJECT")

    assert translate(error, BACKEND) is error


def test_what_google_auth_says_is_told_without_its_objects() -> None:
    error = RefreshError("invalid_grant: revoked", {"error": "invalid_grant"})  # type: ignore[no-untyped-call]

    told = str(translate(error, BACKEND))

    assert "the credentials are refused: invalid_grant: revoked" in told
    assert "{" not in told
