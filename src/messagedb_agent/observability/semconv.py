"""
Names of the OpenTelemetry semantic conventions for generative AI that are used here.

Pinned to what opentelemetry-semantic-conventions 0.66b2 names; the conventions themselves are
still in development (open-telemetry/semantic-conventions-genai), so they are kept in this one
place and not imported from a package whose private modules move.
"""

from __future__ import annotations

from typing import Final

VERSION: Final = "0.66b2"

OPERATION_NAME: Final = "gen_ai.operation.name"
PROVIDER_NAME: Final = "gen_ai.provider.name"
AGENT_NAME: Final = "gen_ai.agent.name"
CONVERSATION_ID: Final = "gen_ai.conversation.id"

REQUEST_MODEL: Final = "gen_ai.request.model"
REQUEST_MAX_TOKENS: Final = "gen_ai.request.max_tokens"
REQUEST_TEMPERATURE: Final = "gen_ai.request.temperature"
RESPONSE_MODEL: Final = "gen_ai.response.model"
RESPONSE_FINISH_REASONS: Final = "gen_ai.response.finish_reasons"

USAGE_INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
USAGE_OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
USAGE_CACHE_READ: Final = "gen_ai.usage.cache_read.input_tokens"
USAGE_CACHE_CREATION: Final = "gen_ai.usage.cache_creation.input_tokens"

TOOL_NAME: Final = "gen_ai.tool.name"
TOOL_TYPE: Final = "gen_ai.tool.type"
TOOL_CALL_ID: Final = "gen_ai.tool.call.id"

# Content, which is captured only when somebody opts in.
CAPTURE_CONTENT_VARIABLE: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
CAPTURING: Final = frozenset({"true", "1", "span_only", "span_and_event"})
INPUT_MESSAGES: Final = "gen_ai.input.messages"
OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
TOOL_CALL_ARGUMENTS: Final = "gen_ai.tool.call.arguments"
TOOL_CALL_RESULT: Final = "gen_ai.tool.call.result"

ERROR_TYPE: Final = "error.type"
ERROR_OTHER: Final = "_OTHER"

OPERATION_CHAT: Final = "chat"
OPERATION_INVOKE_AGENT: Final = "invoke_agent"
OPERATION_EXECUTE_TOOL: Final = "execute_tool"

TOKEN_TYPE: Final = "gen_ai.token.type"  # noqa: S105 - the name of an attribute
METRIC_OPERATION_DURATION: Final = "gen_ai.client.operation.duration"
METRIC_TOKEN_USAGE: Final = "gen_ai.client.token.usage"  # noqa: S105 - the name of a metric

DURATION_BUCKETS: Final = (
    0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
)  # fmt: skip
TOKEN_BUCKETS: Final = (
    1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864,
)  # fmt: skip

# Ours, for what the conventions have no name for.
OUR_STREAM: Final = "messagedb_agent.stream.name"
OUR_POSITION: Final = "messagedb_agent.event.position"
OUR_ATTEMPT: Final = "messagedb_agent.attempt"
OUR_RUN_ID: Final = "messagedb_agent.run.id"
OUR_STOP: Final = "messagedb_agent.stop"
OUR_RECOVERED: Final = "messagedb_agent.recovered"
METRIC_TOOL_DURATION: Final = "messagedb_agent.tool.duration"
METRIC_RUNS: Final = "messagedb_agent.runs"


def provider_of(model_name: str) -> tuple[str, str]:
    """The provider's name in the conventions, and the model's name as the provider knows it."""
    prefix, colon, name = model_name.partition(":")
    if colon and prefix in ("anthropic", "openai"):
        return prefix, name
    if colon:
        # What follows is a file, or something that this module knows nothing of.
        return prefix, prefix
    if model_name.startswith(("claude", "gemini")):
        return "gcp.vertex_ai", model_name
    return model_name, model_name
