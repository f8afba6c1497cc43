"""Model names choose adapters; each is imported only when a name asks for it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from messagedb_agent.errors import ModelUnavailableError
from messagedb_agent.llm.base import LLM

OFFLINE = "offline"

FORMS = "offline, scripted:FILE"


class ModelSettings(msgspec.Struct, frozen=True, kw_only=True):
    """
    What adapters may need besides the name.

    `environ` holds the variables that the providers' SDKs define (keys, base URLs).
    """

    gcp_project: str | None = None
    gcp_location: str | None = None
    environ: Mapping[str, str] = {}


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
    not installed or not set.
    """
    settings = settings or ModelSettings()
    if model_name == OFFLINE:
        from messagedb_agent.llm.offline import OfflineModel

        return OfflineModel()
    kind, _, rest = model_name.partition(":")
    if kind == "scripted" and rest:
        from messagedb_agent.llm.scripted import load_script

        return load_script(rest)
    raise ModelUnavailableError(f"there is no model named {model_name!r}; use one of: {FORMS}")
