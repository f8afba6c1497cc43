from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from queue import Queue

import pytest

from messagedb_agent.errors import ModelUnavailableError
from messagedb_agent.llm import (
    LLMResponse,
    ModelSettings,
    call_llm,
    catalog,
    create_llm_client,
    default_model_name,
    preload,
)
from messagedb_agent.projections.messages import UserMessage


def test_nothing_configured_means_the_stand_in_and_never_a_paid_model() -> None:
    assert default_model_name({}) == "offline"
    assert default_model_name({"ANTHROPIC_API_KEY": "k", "GOOGLE_CLOUD_PROJECT": "p"}) == "offline"
    assert default_model_name({"MODEL_NAME": "openai:qwen3"}) == "openai:qwen3"


def test_a_script_is_a_model(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text('[{"text": "hi"}]')

    client = create_llm_client(f"scripted:{file}", ModelSettings())

    assert client.model_name == f"scripted:{file}"
    assert call_llm(client, [UserMessage("hello")]) == LLMResponse(
        text="hi", model_name=client.model_name
    )


@pytest.mark.parametrize(
    "name",
    [
        "",
        "gpt",
        "scripted:",
        "offline:",
        "claude",
        "claude-",
        "gemini-",
        "Offline",
        "a:b",
        "openai:",
    ],
)
def test_an_unknown_name_is_told_the_known_forms(name: str) -> None:
    with pytest.raises(ModelUnavailableError, match="offline, scripted:FILE") as failure:
        create_llm_client(name)

    assert "\n" not in str(failure.value)


@pytest.mark.parametrize(
    "name", ["claude-sonnet-4-5@20250929", "gemini-2.5-pro", "anthropic:claude-x", "openai:a/b:c"]
)
def test_a_real_model_is_made_without_its_sdk_and_without_credentials(name: str) -> None:
    program = f"""
import sys
sys.path[:] = {sys.path!r}
from messagedb_agent.llm import ModelSettings, create_llm_client
environ = {{"OPENAI_API_KEY": "k", "ANTHROPIC_API_KEY": "k"}}
assert create_llm_client({name!r}, ModelSettings(environ=environ)).model_name == {name!r}
sys.exit(" ".join({{"anthropic", "openai", "google.genai", "httpx2"}} & set(sys.modules)) or 0)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_a_missing_sdk_tells_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "find_spec", lambda _: None)

    with pytest.raises(ModelUnavailableError, match=r"messagedb-agent\[vertex\]"):
        create_llm_client("gemini-2.5-pro")


def test_an_sdk_can_be_imported_ahead_of_its_use() -> None:
    preload("openai:x")
    preload("offline")

    for thread in threading.enumerate():
        if thread.name == "sdk-import":
            thread.join(30)
    assert "openai" in sys.modules


@pytest.mark.parametrize(
    ("name", "module"),
    [("gemini-2.5-pro", "google.genai"), ("openai:x", "openai"), ("anthropic:x", "anthropic")],
)
def test_the_importer_that_is_given_imports_the_sdk_even_without_credentials(
    name: str, module: str
) -> None:
    imported: Queue[str] = Queue()

    environ = {"GOOGLE_APPLICATION_CREDENTIALS": "/there/is/no/such/file"}
    preload(name, ModelSettings(environ=environ), import_sdk=imported.put)

    assert imported.get(timeout=30) == module


def test_importing_the_package_imports_no_sdk() -> None:
    heavy = {"asyncio", "ssl", "httpx", "httpx2", "anthropic", "google", "openai", "pydantic"}
    program = f"""
import sys
sys.path[:] = {sys.path!r}
before = set(sys.modules)
import messagedb_agent.llm
loaded = {{name.partition(".")[0] for name in set(sys.modules) - before}}
sys.exit(" ".join(loaded & {heavy!r}) or 0)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
