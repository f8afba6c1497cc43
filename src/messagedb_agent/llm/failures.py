"""
What the SDKs raise, in one vocabulary.

Recognised by class names and attributes: importing the SDKs to catch their errors would
cost what importing them lazily saves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from messagedb_agent.errors import AgentError, ModelCallError, ModelUnavailableError
from messagedb_agent.llm.retry import LONGEST_RETRY_AFTER_SECONDS, RETRYABLE_TYPES

MAX_MESSAGE = 400

LOGIN = "run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS"


class Backend(msgspec.Struct, frozen=True, kw_only=True):
    """How to speak of a provider: its name, and what to do about a kind of failure."""

    name: str
    remedies: Mapping[str, str] = {}


_BY_STATUS = {
    400: "invalid_request",
    401: "authentication",
    402: "permission",
    403: "permission",
    404: "not_found",
    408: "timeout",
    409: "server_error",
    413: "invalid_request",
    422: "invalid_request",
    429: "rate_limit",
    503: "overloaded",
    504: "timeout",
    529: "overloaded",
}
_BY_KIND = {
    # Anthropic
    "overloaded_error": "overloaded",
    "rate_limit_error": "rate_limit",
    "api_error": "server_error",
    "timeout_error": "timeout",
    "authentication_error": "authentication",
    "permission_error": "permission",
    "billing_error": "permission",
    "not_found_error": "not_found",
    "invalid_request_error": "invalid_request",
    "request_too_large": "invalid_request",
    # Google
    "RESOURCE_EXHAUSTED": "rate_limit",
    "UNAVAILABLE": "overloaded",
    "INTERNAL": "server_error",
    "ABORTED": "server_error",
    "DEADLINE_EXCEEDED": "timeout",
    "UNAUTHENTICATED": "authentication",
    "PERMISSION_DENIED": "permission",
    "NOT_FOUND": "not_found",
    "INVALID_ARGUMENT": "invalid_request",
    "FAILED_PRECONDITION": "invalid_request",
    # OpenAI
    "context_length_exceeded": "context_length",
    "exceed_context_size_error": "context_length",
    "content_filter": "content_blocked",
    "content_policy_violation": "content_blocked",
    "insufficient_quota": "permission",
    "rate_limit_exceeded": "rate_limit",
    "model_not_found": "not_found",
    "invalid_api_key": "authentication",
    "server_error": "server_error",
}
_CONTEXT = re.compile(
    r"prompt is too long|context[ _]?(?:length|window|size)|maximum context"
    r"|exceeds? the maximum number of tokens|input token count|too many (?:input )?tokens",
    re.IGNORECASE,
)
_SECRET = re.compile(r"(sk-|AIza|ya29\.|Bearer )[\w.*\-]{4,}")
_TIMEOUTS = {"APITimeoutError", "TimeoutException", "TimeoutError"}
_CONNECTION = {"APIConnectionError", "TransportError", "NetworkError", "ConnectionError"}
_BROKEN = {
    "APIResponseValidationError",
    "JSONDecodeError",
    "LookupError",
    "UnicodeDecodeError",
    "UnknownApiResponseError",
    "ValidationError",
}


def translate(error: Exception, backend: Backend) -> AgentError:
    """The error of ours for whatever a call through an SDK raised."""
    if isinstance(error, AgentError):
        return error
    names = {cls.__name__ for cls in type(error).__mro__}
    if names & {"DefaultCredentialsError", "ImportError"}:
        remedy = LOGIN if "DefaultCredentialsError" in names else "install the package it needs"
        return ModelUnavailableError(f"{backend.name}: {_line(error)}; {remedy}")
    if "RefreshError" in names and not getattr(error, "retryable", False):
        return _failure("authentication", f"the credentials are refused: {_line(error)}", backend)
    if names & _TIMEOUTS:
        return _failure("timeout", "no answer came in time", backend)
    if status := _status(error):
        return _from_status(error, status, backend)
    if names & (_CONNECTION | {"RefreshError"}):
        return _connection(_line(_cause(error)), backend)
    if kind := _kind(error):
        # An error frame within a stream comes without a status of its own.
        error_type = _BY_KIND.get(kind, "server_error")
        return _failure(error_type, _line(error), backend)
    if names & _BROKEN:
        return _failure("malformed", f"the answer can't be read: {_line(error)}", backend)
    return _failure("invalid_request", f"{type(error).__name__}: {_line(error)}", backend)


def _status(error: Exception) -> int:
    found: Any = getattr(error, "status_code", None) or getattr(error, "code", None)
    return found if isinstance(found, int) else 0


def _from_status(error: Exception, status: int, backend: Backend) -> ModelCallError:
    kind, text = _kind(error), _text(error)
    fallback = "server_error" if status >= 500 or status == 200 else "invalid_request"
    by_status = _BY_STATUS.get(status, fallback)
    # A frame within a stream has status 200; else the status counts, and a kind refines it.
    error_type = _BY_KIND.get(kind, by_status) if status in {200, 400, 429} else by_status
    if error_type == "invalid_request" and _CONTEXT.search(text):
        error_type = "context_length"
    number = f"HTTP {status}: " if status != 200 else ""
    return _failure(error_type, f"{number}{text}", backend, retry_after=_retry_after(error))


def _connection(line: str, backend: Backend) -> ModelCallError:
    if "CERTIFICATE_VERIFY_FAILED" in line:
        line = f"{line}; set SSL_CERT_FILE if an authority of your own signs certificates"
    return _failure("connection", f"the connection failed: {line}", backend)


def _failure(
    error_type: str, message: str, backend: Backend, *, retry_after: float | None = None
) -> ModelCallError:
    remedy = backend.remedies.get(error_type)
    return ModelCallError(
        f"{backend.name}: {message}{f'; {remedy}' if remedy else ''}",
        error_type=error_type,
        retryable=error_type in RETRYABLE_TYPES or error_type == "malformed",
        retry_after=retry_after,
    )


def _body(error: Exception) -> Mapping[str, Any]:
    """The `error` object of a provider's answer, however it was wrapped."""
    for name in ("body", "details"):
        found: Any = getattr(error, name, None)
        if isinstance(found, list) and found:
            found = found[0]
        if isinstance(found, Mapping):
            inner = found.get("error")
            return inner if isinstance(inner, Mapping) else found
    return {}


def _kind(error: Exception) -> str:
    body = _body(error)
    words = (
        getattr(error, "type", None),
        body.get("type"),
        body.get("code"),
        getattr(error, "status", None),
        body.get("status"),
    )
    return next((word for word in words if isinstance(word, str) and word in _BY_KIND), "")


def _text(error: Exception) -> str:
    message = _body(error).get("message") or getattr(error, "message", None)
    return _clean(str(message or error))


def _line(error: BaseException) -> str:
    told: object = str(error)
    if len(error.args) > 1 and "GoogleAuthError" in {cls.__name__ for cls in type(error).__mro__}:
        told = error.args[0]  # what follows is the cause, or the whole answer
    return _clean(str(told) or type(error).__name__)


def _clean(text: str) -> str:
    line = _SECRET.sub(r"\1***", " ".join(text[: 10 * MAX_MESSAGE].split()))
    return line if len(line) <= MAX_MESSAGE else f"{line[:MAX_MESSAGE]}…"


def _cause(error: BaseException) -> BaseException:
    return error.__cause__ or error


def _retry_after(error: Exception) -> float | None:
    headers: Any = getattr(getattr(error, "response", None), "headers", None) or {}
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name)) * unit
        except (TypeError, ValueError):
            continue
        if seconds >= 0:
            return min(seconds, LONGEST_RETRY_AFTER_SECONDS)
    return None
