"""context: what a model was sent, derived again from the stream."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from msgspec.structs import replace

from messagedb_agent.cli.commands.travel import on_thread
from messagedb_agent.cli.model import settings_for
from messagedb_agent.cli.terminal import complain, paint, say, tell, visible
from messagedb_agent.cli.wiring import configuration
from messagedb_agent.engine.contents import Contents
from messagedb_agent.engine.history import read_history
from messagedb_agent.engine.review import Review, review
from messagedb_agent.events.base import JSONObject
from messagedb_agent.llm.catalog import request_body
from messagedb_agent.store.stream import parse_stream_name


def context(options: argparse.Namespace) -> int:
    """Print what the model was sent; exit code 1 when that can't be derived."""
    settings = settings_for(configuration(options))
    with on_thread(options, options.thread) as (store, stream_name):
        found = review(read_history(store, stream_name, options.at))
        # The digest is of references; the model was sent what they refer to.
        messages = Contents(store).resolve(found.request.messages)
    body = request_body(replace(found.request, messages=messages), settings)
    if options.format == "json":
        say(json.dumps(_as_object(found, body, stream_name), indent=2))
    else:
        name = visible(found.request.model_name)
        verdict = f"{name} at position {found.position}: {found.verdict}"
        tell(paint(verdict, "dim", stream=sys.stderr))
        say(json.dumps(body, indent=2))
    if found.matches is False:
        complain(
            f"this is not what the model saw at position {found.position}: the digest recorded "
            "there differs; another version of this program may have derived it otherwise"
        )
        return 1
    return 0


def _as_object(found: Review, body: JSONObject, stream_name: str) -> dict[str, Any]:
    return {
        "thread_id": parse_stream_name(stream_name).thread_id,
        "position": found.position,
        "model_name": found.request.model_name,
        "attempt": found.request.attempt,
        "request": body,
        "sha256": found.sha256,
        "recorded_sha256": found.recorded_sha256,
        "matches": found.matches,
    }
