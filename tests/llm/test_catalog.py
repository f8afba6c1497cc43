from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from messagedb_agent.errors import ModelUnavailableError
from messagedb_agent.llm import (
    LLMResponse,
    ModelSettings,
    call_llm,
    create_llm_client,
    default_model_name,
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


@pytest.mark.parametrize("name", ["", "gpt", "scripted:", "offline:", "claude", "Offline", "a:b"])
def test_an_unknown_name_is_told_the_known_forms(name: str) -> None:
    with pytest.raises(ModelUnavailableError, match="offline, scripted:FILE") as failure:
        create_llm_client(name)

    assert "\n" not in str(failure.value)


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
