"""OpenAI and every server that speaks its protocol, through the openai SDK."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

from messagedb_agent.events.base import JSONObject
from messagedb_agent.llm.adapters.transport import tls_context
from messagedb_agent.llm.settings import ModelSettings

NO_KEY = "not-needed"


class OpenAIConnection:
    """Streams through a client of the SDK, whose own retries are off."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def stream(self, body: dict[str, Any]) -> Iterator[JSONObject]:
        """Send a request and give the chunks of its answer as they were on the wire."""
        with (
            self._client.chat.completions.create(stream=True, **body) as stream,
            # To iterate over the stream itself would leave its own generator to the garbage
            # collector, which may end it while another thread imports what it then looks at.
            closing(stream.__stream__()) as chunks,
        ):
            for chunk in chunks:
                yield chunk.to_dict(mode="json")


def connect(settings: ModelSettings) -> OpenAIConnection:
    """A connection to OPENAI_BASE_URL, or to OpenAI; local servers need no key."""
    import openai

    environ = settings.environ
    timeout = openai.Timeout(settings.timeout_seconds, connect=settings.connect_seconds)
    return OpenAIConnection(
        openai.OpenAI(
            api_key=environ.get("OPENAI_API_KEY") or NO_KEY,
            base_url=environ.get("OPENAI_BASE_URL") or None,
            max_retries=0,
            timeout=timeout,
            http_client=openai.DefaultHttpxClient(verify=tls_context(), timeout=timeout),
        )
    )
