"""A command line whose models are a loopback server: real SDKs, real credentials, no network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from messagedb_agent.testing.provider_server import ProviderServer
from tests.acceptance.conftest import Cli


class Dialect(NamedTuple):
    """How to read the requests of one protocol."""

    model: str
    messages: Callable[[Any], list[Any]]
    system: Callable[[Any], str]
    tools: Callable[[Any], list[str]]


def _claude_messages(body: Any) -> list[Any]:
    """Without the cache marks, which move."""
    return [
        {
            "role": message["role"],
            "content": [
                {key: value for key, value in block.items() if key != "cache_control"}
                for block in message["content"]
            ],
        }
        for message in body["messages"]
    ]


def _claude(model: str) -> Dialect:
    return Dialect(
        model,
        _claude_messages,
        lambda body: body["system"][0]["text"],
        lambda body: [tool["name"] for tool in body["tools"]],
    )


CLAUDE_VERTEX = _claude("claude-sonnet-4-5@20250929")
ANTHROPIC = _claude("anthropic:claude-sonnet-5-5")
GEMINI = Dialect(
    "gemini-2.5-pro",
    lambda body: body["contents"],
    lambda body: body["systemInstruction"]["parts"][0]["text"],
    lambda body: [tool["name"] for tool in body["tools"][0]["functionDeclarations"]],
)
OPENAI = Dialect(
    "openai:gpt-5",
    lambda body: body["messages"],
    lambda body: body["messages"][0]["content"],
    lambda body: [tool["function"]["name"] for tool in body["tools"]],
)
ALL = [CLAUDE_VERTEX, ANTHROPIC, GEMINI, OPENAI]
EACH = pytest.mark.parametrize("dialect", ALL, ids=[dialect.model for dialect in ALL])


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProviderServer]:
    with ProviderServer() as server:
        server.write_service_account(tmp_path_factory.mktemp("adc") / "account.json")
        yield server


@pytest.fixture
def provider(running: ProviderServer, cli: Cli, tmp_path: Path) -> ProviderServer:
    """The server that all models of this command line are on."""
    running.reset()
    cli.environment |= {
        **running.environment(),
        "MODEL_RETRY_PAUSE": "0.01",
        "NO_GCE_CHECK": "true",
        "CLOUDSDK_CONFIG": str(tmp_path),
    }
    return running
