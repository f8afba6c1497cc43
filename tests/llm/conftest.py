from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import pytest

pytest.register_assert_rewrite("messagedb_agent.testing.llm_contract")

from messagedb_agent.testing.provider_server import ProviderServer  # noqa: E402 - after the above


@pytest.fixture(scope="session", autouse=True)
def whole_httpx() -> None:
    """Import it before streams of the OpenAI SDK end, which looks into it even half imported."""
    with suppress(ImportError):
        import_module("httpx")


@pytest.fixture(scope="session")
def provider_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProviderServer]:
    with ProviderServer() as server:
        server.write_service_account(tmp_path_factory.mktemp("adc") / "account.json")
        yield server


@pytest.fixture
def server(provider_server: ProviderServer) -> ProviderServer:
    provider_server.reset()
    return provider_server


@pytest.fixture(autouse=True)
def no_credentials_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    for name in (
        "ANTHROPIC_API_KEY",
        "ANTHROPIC_AUTH_TOKEN",
        "ANTHROPIC_BASE_URL",
        "GOOGLE_API_KEY",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "GOOGLE_CLOUD_PROJECT",
        "HTTPS_PROXY",
        "HTTP_PROXY",
        "OPENAI_API_KEY",
        "OPENAI_BASE_URL",
    ):
        monkeypatch.delenv(name, raising=False)
