"""One line, the right exit code, nothing half-written: whatever is typed."""

from __future__ import annotations

import pytest

from tests.acceptance.conftest import Cli

WRONG: list[tuple[list[str], int, str]] = [
    (["nonsense"], 2, "there is no command nonsense"),
    (["start"], 2, "the message is empty"),
    (["start", ""], 2, "empty"),
    (["start", "hi", "--bogus"], 2, "unrecognized"),
    (["start", "hi", "--thread-id", "a b"], 2, "thread id"),
    (["start", "hi", "--thread-id", "x" * 300], 2, "thread id"),
    (["start", "hi", "--category", "a-b"], 2, "category"),
    (["start", "hi", "--version", "v 1"], 2, "version"),
    (["start", "hi", "--model", "gpt-99"], 1, "gpt-99"),
    (["start", "hi", "--model", "scripted:/nowhere.json"], 1, "nowhere"),
    (["start", "hi", "--system", "/nowhere"], 2, "system prompt"),
    (["start", "hi", "--workspace", "/nowhere"], 2, "not a folder"),
    (["start", "hi", "--allow", "nothing"], 2, "no tool 'nothing'"),
    (["start", "hi", "--max-steps", "-1"], 2, "whole number"),
    (["start", "hi", "--policy", "/nowhere"], 2, "policy"),
    (["--config", "/nowhere", "start", "hi"], 2, "settings file"),
    (["message", "nope", "hi"], 2, "no thread nope"),
    (["message", "last", "hi"], 2, "no threads"),
    (["continue", "nope"], 2, "no thread nope"),
    (["show", "nope"], 2, "no thread nope"),
    (["show", ""], 2, "empty"),
    (["show", "'; DROP TABLE messages; --"], 2, "no thread"),
    (["list", "--limit", "0"], 2, "whole number"),
    (["list", "--format", "xml"], 2, "invalid choice"),
    (["approve", "nope"], 2, "no thread nope"),
    (["end", "nope"], 2, "no thread nope"),
    (["db", "explode"], 2, "invalid choice"),
    (["db", "stop"], 2, "embedded"),
]


@pytest.mark.parametrize(
    ("arguments", "code", "says"), WRONG, ids=[" ".join(w[0])[:40] for w in WRONG]
)
def test_a_wrong_command_says_so_in_one_line(
    idle_cli: Cli, arguments: list[str], code: int, says: str
) -> None:
    ended = idle_cli(*arguments)

    assert ended.code == code
    assert ended.out == ""
    assert ended.err.count("\n") == 1
    assert says in ended.err
    assert idle_cli.sql("SELECT count(*) FROM message_store.messages") == [(0,)]


@pytest.mark.parametrize(
    ("settings", "code", "says"),
    [
        ({"DATABASE_URL": "nonsense"}, 2, "DATABASE_URL"),
        ({"DATABASE_URL": "postgresql://u:sesame@[bad"}, 2, "DATABASE_URL"),
        ({"DATABASE_URL": "postgresql://127.0.0.1:1/x"}, 1, "cannot connect"),
        ({"MAX_ITERATIONS": "many"}, 2, "MAX_ITERATIONS"),
        ({"LOG_LEVEL": "LOUD", "LOG_FORMAT": "xml"}, 2, "LOG_FORMAT"),
        ({"ENABLE_TRACING": "perhaps"}, 2, "ENABLE_TRACING"),
    ],
)
@pytest.mark.parametrize("command", [["start", "hi"], ["list"]])
def test_a_wrong_setting_is_named(
    idle_cli: Cli, command: list[str], settings: dict[str, str], code: int, says: str
) -> None:
    ended = idle_cli(*command, env=settings)

    assert ended.code == code
    assert says in ended.err
    assert "sesame" not in ended.err
    assert ended.err.count("\n") == 1


def test_all_wrong_settings_are_told_at_once(idle_cli: Cli) -> None:
    ended = idle_cli("list", env={"DB_PORT": "x", "MAX_ITERATIONS": "0", "LOG_LEVEL": "LOUD"})

    assert all(name in ended.err for name in ("DB_PORT", "MAX_ITERATIONS", "LOG_LEVEL"))


def test_a_database_without_message_db_says_how_to_install_it(cli: Cli) -> None:
    cli.sql("DROP SCHEMA message_store CASCADE")

    for command in (["start", "hi"], ["list"]):
        ended = cli(*command)
        assert ended.code == 1
        assert "db install" in ended.err
    assert cli("db", "install").code == 0
    assert cli("start", "hi").code == 0


@pytest.mark.parametrize("data", [b"\xff\xfe\x00\x01", b"ok \xc3\x28"])
def test_input_that_is_no_text_is_refused(cli: Cli, data: bytes) -> None:
    ended = cli("start", "-", stdin=data)

    assert ended.code == 2
    assert "not UTF-8" in ended.err
    assert cli("list", "--format", "json").json() == []


def test_nothing_typed_shows_what_to_do_first(cli: Cli) -> None:
    ended = cli()

    assert ended.code == 2
    assert 'start "What is 6 * 7?"' in ended.err
