"""Claude through Anthropic's SDK: directly, or on Vertex AI."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from messagedb_agent.errors import ModelUnavailableError
from messagedb_agent.events.base import JSONObject
from messagedb_agent.llm.adapters import google_credentials
from messagedb_agent.llm.adapters.anthropic_wire import VERTEX_VERSION
from messagedb_agent.llm.adapters.transport import tls_context
from messagedb_agent.llm.settings import ModelSettings


class AnthropicConnection:
    """Streams through a client of the SDK, whose own retries and traces are off."""

    def __init__(
        self, client: Any, *, renew: Callable[[], None] | None = None, **fixed: Any
    ) -> None:
        self._client = client
        self._renew = renew
        self._fixed = fixed

    def stream(self, body: dict[str, Any]) -> Iterator[JSONObject]:
        """
        Send a request and give the events of its answer as they were on the wire.

        Not `messages.stream()`: that helper repairs broken tool arguments.
        """
        if self._renew:
            self._renew()
        with self._client.messages.create(stream=True, **body, **self._fixed) as stream:
            for event in stream:
                yield event.to_dict(mode="json")


def connect_direct(settings: ModelSettings) -> AnthropicConnection:
    """A connection to Anthropic's own service."""
    import anthropic

    environ = settings.environ
    key, token = environ.get("ANTHROPIC_API_KEY"), environ.get("ANTHROPIC_AUTH_TOKEN")
    return AnthropicConnection(
        anthropic.Anthropic(
            api_key=key or None,
            auth_token=None if key else token,
            base_url=environ.get("ANTHROPIC_BASE_URL") or None,
            **_common(settings),
        )
    )


def connect_vertex(settings: ModelSettings) -> AnthropicConnection:
    """
    A connection to Claude on Vertex AI.

    Project and location are resolved here: the SDK asks for the project before it looks at
    the credentials, and does not read Google's own variables.
    """
    import anthropic

    environ = settings.environ
    login = google_credentials.load(environ)
    project = (
        settings.gcp_project
        or environ.get("ANTHROPIC_VERTEX_PROJECT_ID")
        or environ.get("GOOGLE_CLOUD_PROJECT")
        or login.project
    )
    if not project:
        raise ModelUnavailableError(
            "Claude on Vertex AI needs a Google Cloud project: set GCP_PROJECT"
        )
    return AnthropicConnection(
        anthropic.AnthropicVertex(
            project_id=project,
            region=settings.location("CLOUD_ML_REGION"),
            credentials=login.credentials,
            base_url=environ.get("ANTHROPIC_VERTEX_BASE_URL") or None,
            **_common(settings),
        ),
        renew=login.renew,
        # Else the SDK's release decides which version of the protocol is spoken.
        extra_body={"anthropic_version": VERTEX_VERSION},
    )


def _common(settings: ModelSettings) -> dict[str, Any]:
    import anthropic

    timeout = anthropic.Timeout(settings.timeout_seconds, connect=settings.connect_seconds)
    return {
        "http_client": anthropic.DefaultHttpxClient(verify=tls_context(), timeout=timeout),
        "max_retries": 0,
        "timeout": timeout,
        "open_telemetry": False,
    }
