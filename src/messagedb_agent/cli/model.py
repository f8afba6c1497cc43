"""The model side of an agent: which model, its prompt and parameters, and its budget."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from messagedb_agent.cli.home import folder_of_rates
from messagedb_agent.config import Config
from messagedb_agent.errors import ModelPackageMissingError, UsageError

if TYPE_CHECKING:
    from messagedb_agent.engine.limits import Limits
    from messagedb_agent.llm.base import LLM
    from messagedb_agent.llm.retry import RetryPolicy
    from messagedb_agent.llm.settings import ModelSettings
    from messagedb_agent.projections.thread_state import ThreadState

SCHEMA = "response_schema"
"""The parameter that adapters read the schema of the answer from."""


def model_name(options: argparse.Namespace, config: Config, state: ThreadState) -> str:
    """The name of the model to ask."""
    current = state.context.configuration
    return named_model(options, config, current.model_name if current else None)


def named_model(options: argparse.Namespace, config: Config, kept: str | None) -> str:
    """
    What the options say, else the thread's own, which is `kept`, else what is set up.

    A thread leaves the stand-in for a real model as soon as one is set up.
    """
    from messagedb_agent.llm.catalog import OFFLINE

    own = kept if kept != OFFLINE else None
    return str(options.model or own or config.model_name or OFFLINE)


def model_for(options: argparse.Namespace, config: Config, state: ThreadState) -> LLM:
    """The model to ask."""
    from messagedb_agent.llm.catalog import create_llm_client

    name, settings = model_name(options, config, state), settings_for(config)
    try:
        return create_llm_client(name, settings)
    except ModelPackageMissingError:
        from messagedb_agent.cli.packages import install_models

        if not install_models():
            raise
        return create_llm_client(name, settings)


def settings_for(config: Config) -> ModelSettings:
    """What models may need besides their names."""
    from messagedb_agent.llm.settings import ModelSettings

    return ModelSettings(
        gcp_project=config.gcp_project,
        gcp_location=config.gcp_location,
        environ=config.environ,
        timeout_seconds=config.model_timeout,
    )


def prompt_for(options: argparse.Namespace, config: Config, state: ThreadState) -> str:
    """The system prompt: what the options say, else the thread's own, else what is set up."""
    from messagedb_agent.llm.prompts import DEFAULT_SYSTEM_PROMPT

    if options.system:
        return _read(options.system, "system prompt")
    if state.context.configuration is not None:
        return state.context.configuration.system_prompt
    if config.system_prompt_file is not None:
        return _read(str(config.system_prompt_file), "system prompt")
    return DEFAULT_SYSTEM_PROMPT


def parameters_for(options: argparse.Namespace, state: ThreadState) -> dict[str, Any]:
    """
    The thread's parameters with what the options change.

    A schema is for the answer to one message: it stays while that is worked on, and a message
    without one is answered as text.
    """
    current = state.context.configuration
    parameters = dict(current.parameters) if current else {}
    if hasattr(options, "schema"):
        parameters.pop(SCHEMA, None)
        if options.schema:
            parameters[SCHEMA] = read_schema(options.schema)
    given = {
        name: getattr(options, name, None)
        for name in ("temperature", "max_output_tokens", "thinking")
    }
    parameters |= {name: value for name, value in given.items() if value is not None}
    if not parameters.get("thinking", True):
        del parameters["thinking"]
    return parameters


def retry_for(config: Config) -> RetryPolicy:
    """How often, and after which pauses, a failed call is tried again."""
    from messagedb_agent.llm.retry import RetryPolicy

    return RetryPolicy(max_attempts=config.model_max_attempts, first_pause=config.model_retry_pause)


def limits_for(options: argparse.Namespace, config: Config, name: str) -> Limits:
    """What a turn may use."""
    from messagedb_agent.engine.limits import DEFAULT_MAX_REPEATS, Limits

    limits = Limits(
        max_steps=options.max_steps or config.max_iterations,
        max_tokens=options.max_tokens,
        max_repeats=options.max_repeats or DEFAULT_MAX_REPEATS,
        max_step_seconds=options.max_step_seconds,
        max_seconds=options.max_seconds,
    )
    if options.max_cost is None:
        return limits
    from msgspec.structs import replace

    from messagedb_agent.llm.prices import prices_for

    return replace(
        limits, max_cost=options.max_cost, price=prices_for(name, kept_in=folder_of_rates(config))
    )


def read_schema(file: str) -> Any:
    """The JSON Schema in a file. Raises `UsageError` when it is none."""
    from messagedb_agent.llm.structured import parse_schema

    text = _read(file, "schema")
    try:
        return parse_schema(text)
    except ValueError as error:
        raise UsageError(f"the schema {file} is wrong: {error}") from error


def _read(file: str, what: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(f"can not read the {what} {file}: {reason}") from error
