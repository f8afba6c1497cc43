"""approve, deny: answers to tool calls that wait for a person."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import Any

from messagedb_agent.cli.ask import who_am_i
from messagedb_agent.cli.terminal import tell
from messagedb_agent.cli.wiring import changing
from messagedb_agent.engine import session
from messagedb_agent.engine.settle import settle
from messagedb_agent.errors import UsageError
from messagedb_agent.projections.thread_state import ThreadState
from messagedb_agent.store.stream import parse_stream_name
from messagedb_agent.workers.queue import as_it_belongs


def approve(options: argparse.Namespace) -> int:
    """Let pending calls run."""
    edited = _parse(options.edit, "--edit") if options.edit is not None else None
    if edited is not None and not isinstance(edited, dict):
        raise UsageError("--edit needs a JSON object with the tool's arguments")
    with changing(options) as (store, stream_name):
        target = as_it_belongs(store, stream_name)
        state = settle(target, stream_name)
        calls = session.find_pending(state, options.call)
        if edited is not None and len(calls) > 1:
            raise UsageError("--edit changes one call; name it, as several are pending")
        if edited is not None:
            _check(state, calls[0].call.name, edited)
        if options.result is not None:
            if len(calls) > 1:
                raise UsageError("--result is for one call; name it, as several are pending")
            result = _parse(options.result, "--result")
            session.complete(target, stream_name, calls[0], result, by=options.by or who_am_i())
            _confirm("completed", calls, stream_name, options, by_worker=target is not store)
            return 0
        session.approve(
            target,
            stream_name,
            calls,
            approved_by=options.by or who_am_i(),
            edited_arguments=edited,
            remember=options.always,
        )
    _confirm("approved", calls, stream_name, options, by_worker=target is not store)
    return 0


def _check(state: ThreadState, name: str, edited: dict[str, Any]) -> None:
    """Raise `UsageError` for arguments without one that the tool was declared to need."""
    declared = state.context.configuration.tools if state.context.configuration else ()
    for each in declared:
        parameters = each.get("parameters")
        if each.get("name") == name and isinstance(parameters, Mapping):
            missing = [key for key in parameters.get("required") or () if key not in edited]
            if missing:
                raise UsageError(
                    f"--edit takes the place of all arguments, and {name} needs "
                    f"{', '.join(map(str, missing))}"
                )


def deny(options: argparse.Namespace) -> int:
    """Refuse pending calls."""
    with changing(options) as (store, stream_name):
        target = as_it_belongs(store, stream_name)
        calls = session.find_pending(settle(target, stream_name), options.call)
        who = options.by or who_am_i()
        session.deny(target, stream_name, calls, rejected_by=who, reason=options.reason)
    _confirm("denied", calls, stream_name, options, by_worker=target is not store)
    return 0


def _parse(text: str, option: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{option} is not JSON: {error}") from error


def _confirm(
    what: str, calls: Any, stream_name: str, options: argparse.Namespace, *, by_worker: bool
) -> None:
    told = f"{what}: {', '.join(call.call.name for call in calls)}"
    if by_worker:
        told += "; a worker goes on"
    elif not getattr(options, "in_chat", False):
        told += f"; `./cli continue {parse_stream_name(stream_name).thread_id}` goes on"
    tell(told)
