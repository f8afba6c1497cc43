"""The real models: which protocol, which connection, and what to do when one fails."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from urllib.parse import urlsplit

from messagedb_agent.errors import ModelUnavailableError
from messagedb_agent.llm.adapters.remote import Connection, RemoteModel, Wire
from messagedb_agent.llm.failures import LOGIN, Backend
from messagedb_agent.llm.settings import ModelSettings


def create(kind: str, model_name: str, name: str, settings: ModelSettings) -> RemoteModel:
    """The adapter of this kind for a model that its provider calls `name`."""
    make: dict[str, Callable[[str, str, ModelSettings], RemoteModel]] = {
        "vertex-claude": vertex_claude,
        "vertex-gemini": vertex_gemini,
        "anthropic": anthropic,
        "openai": openai,
    }
    return make[kind](model_name, name, settings)


def wire(kind: str, name: str, settings: ModelSettings) -> Wire:
    """The protocol of this kind; pure, so it needs neither credentials nor an SDK."""
    match kind:
        case "vertex-gemini":
            from messagedb_agent.llm.adapters import gemini_sent, gemini_wire

            return Wire(
                partial(gemini_wire.to_request, model=name),
                gemini_wire.from_stream,
                gemini_sent.sent,
            )
        case "openai":
            from messagedb_agent.llm.adapters import openai_wire

            is_openai = _is_openai(settings)
            return Wire(
                partial(openai_wire.to_request, model=name, is_openai=is_openai),
                openai_wire.from_stream,
                openai_wire.sent,
            )
        case _:
            from messagedb_agent.llm.adapters import anthropic_answer, anthropic_wire

            on_vertex = kind == "vertex-claude"
            return Wire(
                partial(anthropic_wire.to_request, model=name),
                anthropic_answer.from_stream,
                anthropic_wire.sent_to_vertex if on_vertex else anthropic_wire.sent,
            )


def vertex_claude(model_name: str, name: str, settings: ModelSettings) -> RemoteModel:
    """Claude on Vertex AI."""

    def connect() -> Connection:
        from messagedb_agent.llm.adapters.anthropic_client import connect_vertex

        return connect_vertex(settings)

    return RemoteModel(
        model_name,
        wire=wire("vertex-claude", name, settings),
        connect=connect,
        backend=_vertex("Claude on Vertex AI", name, settings.location("CLOUD_ML_REGION")),
    )


def vertex_gemini(model_name: str, name: str, settings: ModelSettings) -> RemoteModel:
    """Gemini on Vertex AI."""

    def connect() -> Connection:
        from messagedb_agent.llm.adapters.gemini_client import connect as connect_gemini

        return connect_gemini(settings)

    return RemoteModel(
        model_name,
        wire=wire("vertex-gemini", name, settings),
        connect=connect,
        backend=_vertex("Gemini on Vertex AI", name, settings.location("GOOGLE_CLOUD_LOCATION")),
    )


def anthropic(model_name: str, name: str, settings: ModelSettings) -> RemoteModel:
    """Claude by Anthropic's own service."""
    keys = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_PROFILE")
    if not any(settings.environ.get(key) for key in keys):
        raise ModelUnavailableError(f"{model_name} needs a key: set ANTHROPIC_API_KEY")

    def connect() -> Connection:
        from messagedb_agent.llm.adapters.anthropic_client import connect_direct

        return connect_direct(settings)

    return RemoteModel(
        model_name,
        wire=wire("anthropic", name, settings),
        connect=connect,
        backend=Backend(
            name="Anthropic",
            remedies={
                "authentication": "check ANTHROPIC_API_KEY",
                "permission": "check that this key may use the model",
                "not_found": f"check the model name {name!r}",
                "connection": "check the network and ANTHROPIC_BASE_URL",
            }
            | _EVERYWHERE,
        ),
    )


def openai(model_name: str, name: str, settings: ModelSettings) -> RemoteModel:
    """OpenAI, or whatever server OPENAI_BASE_URL names."""
    base_url = settings.environ.get("OPENAI_BASE_URL") or ""
    if not base_url and not settings.environ.get("OPENAI_API_KEY"):
        raise ModelUnavailableError(
            f"{model_name} needs OPENAI_API_KEY, or OPENAI_BASE_URL for a server of your own"
        )

    def connect() -> Connection:
        from messagedb_agent.llm.adapters.openai_client import connect as connect_openai

        return connect_openai(settings)

    return RemoteModel(
        model_name,
        wire=wire("openai", name, settings),
        connect=connect,
        backend=Backend(
            name="OpenAI" if _is_openai(settings) else _origin(base_url),
            remedies={
                "authentication": "check OPENAI_API_KEY",
                "permission": "check that this key may use the model, and its quota",
                "not_found": f"check the model name {name!r} and OPENAI_BASE_URL",
                "connection": "check that the server runs, and OPENAI_BASE_URL",
            }
            | _EVERYWHERE,
        ),
    )


def _is_openai(settings: ModelSettings) -> bool:
    base_url = settings.environ.get("OPENAI_BASE_URL") or ""
    return not base_url or (urlsplit(base_url).hostname or "").endswith("openai.com")


_EVERYWHERE = {
    "context_length": "the conversation is too long for this model: start a new thread",
}


def _vertex(label: str, name: str, location: str) -> Backend:
    return Backend(
        name=label,
        remedies={
            "authentication": LOGIN,
            "permission": "enable the Vertex AI API and this model in the project, "
            "and grant the role roles/aiplatform.user",
            "not_found": f"check that {name!r} exists in location {location!r} (GCP_LOCATION)",
            "connection": "check the network, proxies and base URLs",
        }
        | _EVERYWHERE,
    )


def _origin(url: str) -> str:
    """The address without what may be secret in it."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname or url
