from __future__ import annotations

import threading
from pathlib import Path

import pytest

from messagedb_agent.errors import ToolError
from messagedb_agent.tools import ToolContext
from messagedb_agent.tools.builtin import list_files as module
from messagedb_agent.tools.builtin.list_files import list_files
from tests.tools.conftest import Call


@pytest.fixture
def tree(workspace: Path) -> Path:
    for name in ("README.md", "src/a.py", "src/deep/b.py", "src/deep/c.txt", ".git/config"):
        (workspace / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace / name).write_text("x")
    return workspace


@pytest.mark.usefixtures("tree")
@pytest.mark.parametrize(
    ("arguments", "entries"),
    [
        ({}, [".git/", "README.md", "src/"]),
        ({"path": "src"}, ["a.py", "deep/"]),
        ({"pattern": "*.md"}, ["README.md"]),
        ({"pattern": "*.py", "recursive": True}, ["src/a.py", "src/deep/b.py"]),
        ({"pattern": "src/*.py"}, ["src/a.py", "src/deep/b.py"]),
        ({"pattern": "**/*.md"}, ["README.md"]),
        (
            {"recursive": True},
            [
                ".git/",
                "README.md",
                "src/",
                "src/a.py",
                "src/deep/",
                "src/deep/b.py",
                "src/deep/c.txt",
            ],
        ),
    ],
)
def test_files_and_folders_are_listed_in_order(
    call: Call, arguments: dict[str, object], entries: list[str]
) -> None:
    assert call(list_files, **arguments) == {"entries": entries, "truncated": False}


def test_links_are_listed_but_not_entered(tree: Path, call: Call) -> None:
    (tree / "up").symlink_to("..")
    (tree / "loop").symlink_to(".")

    entries = call(list_files, recursive=True)["entries"]

    assert "up/" in entries
    assert not any(entry.startswith(("up/w", "loop/R")) for entry in entries)


def test_a_long_list_is_cut(tree: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ENTRIES", 2)

    assert call(list_files) == {"entries": [".git/", "README.md"], "truncated": True}


def test_a_cancelled_walk_ends(tree: Path) -> None:
    cancelled = threading.Event()
    cancelled.set()

    found = list_files.call({}, ToolContext(workspace=tree, cancelled=cancelled))

    assert found == {"entries": [], "truncated": True}


def test_very_deep_folders_are_left_out(workspace: Path, call: Call) -> None:
    (workspace / "/".join(["d"] * 300)).mkdir(parents=True)
    (workspace / "e").touch()

    found = call(list_files, recursive=True)

    assert len(found["entries"]) == 42
    assert found["entries"][-1] == "e"
    assert found["truncated"] is True


@pytest.mark.parametrize("path", ["..", "/", "/proc", "missing", "README.md"])
def test_only_folders_of_the_workspace_are_listed(tree: Path, call: Call, path: str) -> None:
    with pytest.raises(ToolError):
        call(list_files, path=path)


def test_a_hostile_pattern_takes_no_time(workspace: Path, call: Call) -> None:
    (workspace / ("a" * 200)).touch()

    assert call(list_files, pattern="*a" * 99 + "b")["entries"] == []
    with pytest.raises(ToolError, match="more than 200 characters"):
        call(list_files, pattern="*" * 201)
