"""
The body that google-genai makes of the arguments of `generate_content_stream`. Pure.

For those who want to know what a model saw: only the SDK itself could tell, and it can only
be asked by importing it and making a client, which takes credentials.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from messagedb_agent.events.base import JSONObject

_URL_SAFE_ALPHABET = str.maketrans("+/", "-_")

_GENERATION = {
    "max_output_tokens": "maxOutputTokens",
    "temperature": "temperature",
    "thinking_config": "thinkingConfig",
    "response_mime_type": "responseMimeType",
    "response_json_schema": "responseJsonSchema",
}


def sent(arguments: Mapping[str, Any]) -> JSONObject:
    """The body of the HTTP request; the address names the model."""
    config = arguments["config"]
    body: dict[str, Any] = {
        "contents": [
            {**content, "parts": [_part(part) for part in content["parts"]]}
            for content in arguments["contents"]
        ]
    }
    if prompt := config.get("system_instruction"):
        body["systemInstruction"] = {"parts": [{"text": prompt}], "role": "user"}
    if tools := config.get("tools"):
        body["tools"] = [{"functionDeclarations": tool["function_declarations"]} for tool in tools]
    body["generationConfig"] = {
        _GENERATION[name]: value for name, value in config.items() if name in _GENERATION
    }
    return body


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    """Bytes go through the SDK, which writes them in the alphabet that is safe in URLs."""
    written = dict(part)
    if signature := part.get("thoughtSignature"):
        written["thoughtSignature"] = signature.translate(_URL_SAFE_ALPHABET)
    if file := part.get("inlineData"):
        data = file["data"].translate(_URL_SAFE_ALPHABET)
        written["inlineData"] = {"mime_type": file["mimeType"], "data": data}
    return written
