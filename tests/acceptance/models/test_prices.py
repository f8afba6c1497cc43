"""What telling costs takes: the price tables are loaded once, not by each command."""

from __future__ import annotations

import pytest

from messagedb_agent.testing.provider_frames import Reply
from messagedb_agent.testing.provider_server import ProviderServer
from tests.acceptance.conftest import Cli
from tests.acceptance.models.conftest import OPENAI

HEAVY = ("genai_prices", "pydantic", "httpx", "httpx2")


@pytest.fixture
def told(cli: Cli, provider: ProviderServer) -> str:
    """A thread with an answer of a model that charges."""
    provider.script(Reply(text="hello", input_tokens=1_000_000, output_tokens=0))
    assert cli("start", "hi", "--thread-id", "t", "--model", OPENAI.model).code == 0
    return "t"


@pytest.mark.parametrize("command", [("list",), ("show", "t"), ("show", "t", "--events")])
def test_commands_that_read_tell_the_cost_without_loading_price_tables(
    cli: Cli, told: str, command: tuple[str, ...]
) -> None:
    ended = cli.cold(*command, env={"PYTHONPROFILEIMPORTTIME": "1"})

    imported = {line.rpartition("|")[2].strip() for line in ended.err.splitlines()}
    assert "$1.25" in ended.out
    assert "msgspec" in imported
    assert imported.isdisjoint(HEAVY)


def test_what_was_kept_may_be_deleted(cli: Cli, told: str) -> None:
    before = cli("show", told).out
    kept = cli.folder / "home" / "rates.json"
    kept.unlink()

    assert cli("show", told).out == before
    assert kept.exists()
