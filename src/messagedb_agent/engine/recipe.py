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

_KNOWN_TOOLS: dict[str, str] = {}
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
        self._tools = ("", "")

    def of_tools(self, configuration: AgentConfigured) -> str:
        """The digest of the tools of a configuration, in hexadecimal."""
        if self._tools[0] != configuration.sha256 or not configuration.sha256:
            self._tools = (configuration.sha256, _digest_of_tools(configuration.tools))
        return self._tools[1]

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


def _digest_of_tools(tools: Sequence[JSONObject]) -> str:
    """The digest, worked out once for the tools that many threads have in common."""
    # The text of Python tells 1 from True and any two texts apart, and takes whatever there is.
    text = repr(tools)
    digest = _KNOWN_TOOLS.get(text)
    if digest is None:
        if len(_KNOWN_TOOLS) >= _MOST_KNOWN_TOOLS:
            _KNOWN_TOOLS.clear()
        digest = _KNOWN_TOOLS[text] = digest_of(list(tools))
    return digest


def recipe(context: LLMContext, upto_position: int, digest: ContextDigest) -> dict[str, Any]:
    """
    What `LLMCallRequested.projected_context` records instead of the request.

    `configuration_sha256` refers to the AgentConfigured event that has the system prompt, the
    tools and the parameters; `tools_sha256` tells calls with the same tools whatever else changed.
    """
    configuration = context.configuration
    sha256 = configuration.sha256 if configuration else ""
    return {
        "upto_position": upto_position,
        "projection": LLM_CONTEXT.name,
        "projection_version": LLM_CONTEXT.version,
        "message_count": len(context.messages),
        "configuration_sha256": sha256,
        "tools_sha256": digest.of_tools(configuration) if configuration else "",
        "sha256": digest.of(context.messages, sha256),
    }
