"""The recipe of a model request: enough to derive it again, and a digest to prove it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from messagedb_agent.events.agent import AgentConfigured
from messagedb_agent.events.base import JSONObject
from messagedb_agent.events.json_text import canonical_lines
from messagedb_agent.events.json_text import digest as digest_of
from messagedb_agent.projections.append_only import AppendOnly
from messagedb_agent.projections.llm_context import LLM_CONTEXT, LLMContext
from messagedb_agent.projections.messages import Message

_KNOWN_TOOLS: dict[str, tuple[Sequence[JSONObject], str]] = {}
_MOST_KNOWN_TOOLS = 16

_CHUNK = 1000
"""How many messages are encoded at once; all of a long thread's would take much memory."""


class ContextDigest:
    """
    A running SHA-256 over the messages of a context.

    Contexts only grow, so each call hashes only what is new. A context that is not known to
    continue the last one (that one belonged to a claim that was lost, or it is under another
    configuration) is hashed from its beginning.
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._hashed: AppendOnly[Message] = AppendOnly()
        self._configuration = ""

    def of(self, messages: AppendOnly[Message], configuration_sha256: str) -> str:
        """The digest of these messages under a configuration, in hexadecimal."""
        if not messages.continues(self._hashed) or configuration_sha256 != self._configuration:
            self._hash, self._hashed = hashlib.sha256(), AppendOnly()
            self._configuration = configuration_sha256
        for start in range(len(self._hashed), len(messages), _CHUNK):
            self._hash.update(canonical_lines(messages[start : start + _CHUNK]))
        self._hashed = messages
        result = self._hash.copy()
        result.update(configuration_sha256.encode())
        return result.hexdigest()


def digest_of_tools(configuration: AgentConfigured) -> str:
    """The digest of its tools, in hexadecimal; worked out once for those of many threads."""
    sha256, tools = configuration.sha256, configuration.tools
    known = _KNOWN_TOOLS.get(sha256)
    # Compared, because a stream may say of itself whatever it likes.
    if known is None or known[0] != tools:
        if len(_KNOWN_TOOLS) >= _MOST_KNOWN_TOOLS:
            _KNOWN_TOOLS.clear()
        known = _KNOWN_TOOLS[sha256] = (tools, digest_of(list(tools)))
    return known[1]


def recipe(context: LLMContext, upto_position: int, digest: ContextDigest) -> dict[str, Any]:
    """
    What `LLMCallRequested.projected_context` records instead of the request.

    `configuration_sha256` refers to the AgentConfigured event that has the system prompt, the
    tools and the parameters; `tools_sha256` tells calls with the same tools whatever else changed.
    """
    configuration = context.configuration
    sha256 = configuration.sha256 if configuration else ""
    # In the order of JSONB, so that nobody has to put the keys in order.
    return {
        "sha256": digest.of(context.messages, sha256),
        "projection": LLM_CONTEXT.name,
        "tools_sha256": digest_of_tools(configuration) if configuration else "",
        "message_count": len(context.messages),
        "upto_position": upto_position,
        "projection_version": LLM_CONTEXT.version,
        "configuration_sha256": sha256,
    }
