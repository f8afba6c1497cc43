"""Gemini on Vertex AI through google-genai."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from messagedb_agent.errors import ModelUnavailableError
from messagedb_agent.events.base import JSONObject
from messagedb_agent.llm.adapters import google_credentials
from messagedb_agent.llm.adapters.transport import tls_context
from messagedb_agent.llm.settings import ModelSettings

_NOT_WIRE = {"sdkHttpResponse", "automaticFunctionCallingHistory", "parsed"}
_ANSWER_SECONDS = "1800"
"""Else the SDK has the service give up a long answer after the time meant for silence."""

_STANDARD_ALPHABET = str.maketrans("-_", "+/")


class GeminiConnection:
    """Streams through a client of the SDK, which retries nothing by default."""

    def __init__(self, client: Any, renew: Callable[[], None]) -> None:
        self._client = client
        self._renew = renew

    def stream(self, body: dict[str, Any]) -> Iterator[JSONObject]:
        """Send a request and give the chunks of its answer as JSON."""
        self._renew()
        for chunk in self._client.models.generate_content_stream(**body):
            event: dict[str, Any] = chunk.model_dump(mode="json", exclude_none=True, by_alias=True)
            _restore_signatures(event)
            yield {key: value for key, value in event.items() if key not in _NOT_WIRE}


def _restore_signatures(event: dict[str, Any]) -> None:
    """The SDK writes bytes in the URL-safe alphabet, the service in the standard one."""
    for candidate in event.get("candidates") or []:
        for part in (candidate.get("content") or {}).get("parts") or []:
            if signature := part.get("thoughtSignature"):
                part["thoughtSignature"] = signature.translate(_STANDARD_ALPHABET)


def connect(settings: ModelSettings) -> GeminiConnection:
    """
    A connection to Gemini on Vertex AI.

    Project, location and credentials are always arguments: with a base URL of one's own the
    SDK drops what it only knows from the environment, and posts to a bare address.
    """
    from google import genai
    from google.genai import types

    environ = settings.environ
    login = google_credentials.load(environ)
    project = settings.gcp_project or environ.get("GOOGLE_CLOUD_PROJECT") or login.project
    if not project:
        raise ModelUnavailableError(
            "Gemini on Vertex AI needs a Google Cloud project: set GCP_PROJECT"
        )
    return GeminiConnection(
        genai.Client(
            vertexai=True,
            project=project,
            location=settings.location("GOOGLE_CLOUD_LOCATION"),
            credentials=login.credentials,
            http_options=types.HttpOptions(
                base_url=environ.get("GOOGLE_VERTEX_BASE_URL") or None,
                timeout=round(settings.timeout_seconds * 1000),
                headers={"X-Server-Timeout": _ANSWER_SECONDS},
                client_args=_trust(),
                # Nothing here is asynchronous; else certificates are read once more for it.
                async_client_args={"ssl": True},
            ),
        ),
        login.renew,
    )


def _trust() -> dict[str, Any]:
    """The SDK puts a certificate of the machine's own into a context that it makes itself."""
    return {} if google_credentials.has_client_certificate() else {"verify": tls_context()}
