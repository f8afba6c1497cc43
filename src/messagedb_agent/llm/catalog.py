"""Model names choose adapters; each is imported only when a name asks for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

import msgspec

from messagedb_agent.errors import ModelPackageMissingError, ModelUnavailableError
from messagedb_agent.events.base import JSONObject
from messagedb_agent.llm.base import LLM, ModelRequest
from messagedb_agent.llm.settings import ModelSettings

OFFLINE = "offline"

FORMS = (
    "offline, scripted:FILE, claude-NAME or claude-NAME@DATE or gemini-NAME (on Vertex AI), "
    "anthropic:NAME, openai:NAME"
)

_SDKS = {
    "vertex-claude": ("anthropic", "vertex"),
    "vertex-gemini": ("google.genai", "vertex"),
    "anthropic": ("anthropic", "anthropic"),
    "openai": ("openai", "openai"),
}


def default_model_name(environ: Mapping[str, str]) -> str:
    """
    MODEL_NAME, else the offline stand-in.

    Credentials that happen to lie around never choose a model: nobody should pay for one
    they did not name.
    """
    return environ.get("MODEL_NAME", "").strip() or OFFLINE


def create_llm_client(model_name: str, settings: ModelSettings | None = None) -> LLM:
    """
    The model of this name.

    Raises `ModelUnavailableError` when the name has no known form, or when what it needs is
    not installed or not set. Credentials are looked at when the model is first called.
    """
    settings = settings or ModelSettings()
    kind, name = _kind(model_name)
    if kind == "offline":
        from messagedb_agent.llm.offline import OfflineModel

        return OfflineModel()
    if kind == "scripted":
        from messagedb_agent.llm.scripted import load_script

        return load_script(name)
    from messagedb_agent.llm.adapters import providers

    # A missing key is told before anybody installs a package for a model they can't use.
    model = providers.create(kind, model_name, name, settings)
    _check_installed(model_name, kind)
    return model


def request_body(request: ModelRequest, settings: ModelSettings) -> JSONObject:
    """
    What the model of this request is sent: the body of the HTTP request.

    Pure but for what `settings` say, so it needs neither credentials nor an SDK. A model
    that lives in this process is given the request itself.
    """
    try:
        kind, name = _kind(request.model_name)
    except ModelUnavailableError:
        # A thread may name a model that only its program knows.
        kind, name = OFFLINE, ""
    if kind not in _SDKS:
        return {
            "model": request.model_name,
            "system_prompt": request.system_prompt,
            "tools": list(request.tools),
            "parameters": dict(request.parameters),
            "messages": [msgspec.to_builtins(message) for message in request.messages],
        }
    from messagedb_agent.llm.adapters import providers

    wire = providers.wire(kind, name, settings)
    return wire.sent(wire.to_request(request))


def preload(
    model_name: str,
    settings: ModelSettings | None = None,
    *,
    import_sdk: Callable[[str], object] = import_module,
) -> None:
    """
    Begin in the background with what the first call of this model needs.

    Importing an SDK takes 0.5 to 2 seconds, which can pass while the store connects and reads;
    meanwhile authorities are read, and Google gives a token. What fails is told by that call.
    `import_sdk` is given the name of a module.
    """
    kind, name = _kind(model_name)
    if kind not in _SDKS:
        return
    from messagedb_agent.llm.adapters import google_credentials, providers, transport

    settings = settings or ModelSettings()
    # Threads that import at the same time mostly wait for each other, so what else is to be
    # imported comes first, and what only waits or computes gets a thread of its own.
    providers.wire(kind, name, settings)
    if kind.startswith("vertex-"):
        before = google_credentials.prepare(settings.environ)
    else:
        before = partial(_read_authorities, transport)

    def work() -> None:
        before()
        import_sdk(_SDKS[kind][0])

    _begin("sdk-import", work)


def _read_authorities(transport: ModuleType) -> None:
    transport.http_library()
    _begin("authorities", transport.tls_context)


def _begin(name: str, work: Callable[[], object]) -> None:
    def attempt() -> None:
        try:
            work()
        except Exception:  # noqa: BLE001 - whoever needs it does it again, and says what fails
            return

    threading.Thread(target=attempt, name=name, daemon=True).start()


def _kind(model_name: str) -> tuple[str, str]:
    """Which adapter, and the name that its provider knows."""
    if model_name == OFFLINE:
        return "offline", ""
    kind, _, name = model_name.partition(":")
    if kind in {"scripted", "anthropic", "openai"} and name.strip():
        return kind, name
    for family in ("claude", "gemini"):
        if model_name.startswith(f"{family}-") and not model_name.endswith("-"):
            return f"vertex-{family}", model_name
    raise ModelUnavailableError(f"there is no model named {model_name!r}; use one of: {FORMS}")


def _check_installed(model_name: str, kind: str) -> None:
    module, extra = _SDKS[kind]
    try:
        installed = find_spec(module) is not None
    except ModuleNotFoundError:
        installed = False
    if not installed:
        raise ModelPackageMissingError(
            f"{model_name} needs a package that is not installed: "
            f"run `pip install 'messagedb-agent[{extra}]'`"
        )
