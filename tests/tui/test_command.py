"""`./cli tui` before there is a screen."""

from __future__ import annotations

import sys

import pytest

from messagedb_agent.cli.commands import tui
from messagedb_agent.cli.main import main
from messagedb_agent.cli.parser import build_parser
from messagedb_agent.errors import ConfigurationError
from messagedb_agent.tui.services import Services
from tests.tui.conftest import Desk


def test_without_a_terminal_it_says_so_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tui"]) == 2

    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "needs a terminal" in said.err


def test_without_textual_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, desk: Desk
) -> None:
    monkeypatch.setitem(sys.modules, "messagedb_agent.tui.app", None)
    services = Services(store=desk.store, make_agent=desk.agent)

    with pytest.raises(ConfigurationError, match="messagedb-agent\\[tui\\]"):
        tui._app(services, None)


def test_it_takes_the_options_of_a_run() -> None:
    options = build_parser().parse_args(
        ["tui", "--thread-id", "last", "--model", "offline", "--auto-approve", "--workspace", "."]
    )

    assert (options.thread_id, options.model, options.auto_approve) == ("last", "offline", True)


@pytest.mark.parametrize(
    ("colours", "light"), [("0;15", True), ("15;default;0", False), ("", False), ("0;7", True)]
)
def test_light_terminals_say_so(colours: str, *, light: bool) -> None:
    assert tui.is_light(colours) is light
