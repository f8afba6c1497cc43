"""Commands that only add to a thread have those look who follow it."""

from __future__ import annotations

import psycopg
import pytest

from messagedb_agent.store.notifications import CHANNEL
from tests.cli.conftest import Command


@pytest.mark.parametrize(
    "arguments",
    [
        ("rename", "THREAD", "Another title"),
        ("message", "THREAD", "And?", "--no-wait"),
        ("message", "THREAD", "And?", "--in", "10m"),
        ("rewind", "THREAD", "--to", "1"),
        ("end", "THREAD"),
    ],
)
def test_followers_are_told_of_what_a_command_added(
    command: Command, category: str, cli_dsn: str, arguments: tuple[str, ...]
) -> None:
    thread = command("start", "Hello.", "--format", "json").json()["thread_id"]
    with psycopg.connect(cli_dsn, autocommit=True) as listener:
        listener.execute(f"LISTEN {CHANNEL}")
        assert command(*(thread if it == "THREAD" else it for it in arguments)).code == 0
        heard = [
            note.payload
            for note in listener.notifies(timeout=5, stop_after=1)
            if note.channel == CHANNEL
        ]

    assert heard == [f"{category}:v0-{thread}"]
