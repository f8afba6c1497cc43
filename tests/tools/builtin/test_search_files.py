from __future__ import annotations

import os
from pathlib import Path

import pytest

from messagedb_agent.errors import ToolError
from messagedb_agent.tools.builtin.search_files import search_files
from tests.tools.conftest import Call


@pytest.fixture
def tree(workspace: Path) -> Path:
    (workspace / "src").mkdir()
    (workspace / "src/a.py").write_text("import os\nprint('Hello')\r\n")
    (workspace / "b.txt").write_text("hello\nHELLO (a+)+$\n")
    (workspace / "c.bin").write_bytes(b"\0Hello")
    (workspace / ".env").write_text("PASSWORD=Hello")
    os.mkfifo(workspace / "pipe")
    (workspace / "out").symlink_to("/etc/passwd")
    return workspace


@pytest.mark.usefixtures("tree")
@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ({"query": "Hello"}, [("src/a.py", 2)]),
        ({"query": "hello", "ignore_case": True}, [("b.txt", 1), ("b.txt", 2), ("src/a.py", 2)]),
        ({"query": "hello", "ignore_case": True, "pattern": "*.py"}, [("src/a.py", 2)]),
        ({"query": "Hello", "path": "src"}, [("a.py", 2)]),
        ({"query": "HELLO", "path": "b.txt"}, [("b.txt", 2)]),
        ({"query": "(a+)+$"}, [("b.txt", 2)]),
        ({"query": "nowhere"}, []),
        ({"query": "root:"}, []),
    ],
)
def test_lines_with_the_text_are_found(
    call: Call, arguments: dict[str, object], found: list[tuple[str, int]]
) -> None:
    result = call(search_files, **arguments)

    assert [(match["path"], match["line"]) for match in result["matches"]] == found
    assert result["truncated"] is False


@pytest.mark.usefixtures("tree")
def test_a_match_shows_its_line(call: Call) -> None:
    (match,) = call(search_files, query="Hello")["matches"]

    assert match["text"] == "print('Hello')"


def test_a_long_line_is_shown_around_the_match(workspace: Path, call: Call) -> None:
    (workspace / "a.txt").write_text("x" * 10_000 + "needle" + "y" * 10_000)

    (match,) = call(search_files, query="needle")["matches"]

    assert "needle" in match["text"]
    assert len(match["text"]) == 300


def test_many_matches_are_cut(workspace: Path, call: Call) -> None:
    (workspace / "a.txt").write_text("hit\n" * 10)

    result = call(search_files, query="hit", limit=3)

    assert len(result["matches"]) == 3
    assert result["truncated"] is True


@pytest.mark.usefixtures("tree")
@pytest.mark.parametrize(
    "arguments",
    [
        {"query": ""},
        {"query": "a\nb"},
        {"query": "x", "path": ".."},
        {"query": "x", "path": "out"},
        {"query": "x", "path": ".env"},
        {"query": "x", "path": "pipe"},
        {"query": "x", "path": "missing"},
        {"query": "x", "limit": 0},
    ],
)
def test_what_can_not_be_searched_is_told(call: Call, arguments: dict[str, object]) -> None:
    with pytest.raises(ToolError):
        call(search_files, **arguments)
