"""What somebody sees who has typed nothing yet, or something wrong."""

from __future__ import annotations

import pytest

from messagedb_agent.cli.main import main
from messagedb_agent.cli.overview import GROUPS
from messagedb_agent.cli.parser import build_parser


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    return main(arguments), *capsys.readouterr()


def test_without_a_command_one_is_told_what_to_do_first(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, err = told(capsys)

    assert (code, out) == (2, "")
    assert err.startswith('first steps:\n  ./cli start "What is 6 * 7?"')
    assert "./cli --help" in err
    assert err.count("\n") < 10


def test_help_tells_every_command_in_exactly_one_group(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = told(capsys, "--help")
    grouped = [name for names in GROUPS.values() for name in names]

    assert len(grouped) == len(set(grouped))
    assert "\n  other\n" not in out
    for name in grouped:
        assert out.count(f"\n    {name} ") == 1


@pytest.mark.parametrize(
    ("typed", "answer"),
    [("frok", "there is no command frok, but there is fork"), ("dance", "no command dance (see")],
)
def test_a_misspelled_command_is_recognised(
    capsys: pytest.CaptureFixture[str], typed: str, answer: str
) -> None:
    code, _, err = told(capsys, typed)

    assert (code, err.count("\n")) == (2, 1)
    assert answer in err


@pytest.mark.parametrize("name", [name for names in GROUPS.values() for name in names])
def test_the_help_of_a_command_fits_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("COLUMNS", "80")

    code, out, _ = told(capsys, name, "--help")

    assert code == 0
    # Examples are commands, which stay on their lines.
    described = out.partition("\nexamples:")[0]
    assert [line for line in described.splitlines() if len(line) > 96] == []


def test_every_option_says_what_it_does() -> None:
    parser = build_parser()
    commands = next(action for action in parser._actions if action.dest == "command").choices
    assert commands is not None
    silent = [
        f"{name} {action.dest}"
        for name, command in dict(commands).items()
        for action in command._actions
        if not action.help
    ]

    assert silent == []


@pytest.mark.parametrize("name", [name for names in GROUPS.values() for name in names])
def test_a_command_built_alone_is_the_same(name: str) -> None:
    alone, whole = (
        parser._subparsers._group_actions[0].choices[name].format_help()  # type: ignore[union-attr,index]  # argparse offers no other way in
        for parser in (build_parser(name), build_parser())
    )

    assert alone == whole


def test_a_frequent_command_is_built_alone() -> None:
    actions = build_parser("message")._subparsers
    assert actions is not None
    assert list(actions._group_actions[0].choices or ()) == ["message"]
