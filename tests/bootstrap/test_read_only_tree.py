"""Sources that cannot be written to: the environment lives with the user's other data."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bootstrap.conftest import Tree


def as_anybody() -> list[str]:
    """What to put before a command so that file modes bind it; they do not bind root."""
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("runs as root, whom a read-only folder does not stop, and setpriv is missing")
    return [setpriv, "--bounding-set=-all", "--inh-caps=-all"]


@pytest.fixture
def read_only(tree: Tree) -> Iterator[Tree]:
    def allow(bits: int) -> None:
        for folder, _, _ in os.walk(tree.root):
            Path(folder).chmod(bits)

    allow(0o555)
    yield tree
    allow(0o755)


def run(tree: Tree, **variables: str) -> subprocess.CompletedProcess[str]:
    return tree.run(*as_anybody(), tree.root / "cli", cwd=None, **variables)


def test_the_environment_is_made_elsewhere_and_found_again(read_only: Tree) -> None:
    before = sorted(os.walk(read_only.root))

    first = run(read_only)
    second = run(read_only, PYTHONDONTWRITEBYTECODE="1")

    assert first.returncode == 0, first.stderr
    assert second.stderr == ""
    report = json.loads(second.stdout)
    assert report["file"].startswith(str(read_only.root))
    assert report["cached"].startswith(str(read_only.home / ".cache" / "messagedb-agent"))
    assert report["was_compiled"]
    assert sorted(os.walk(read_only.root)) == before


def test_messagedb_agent_home_is_the_first_choice(read_only: Tree) -> None:
    data = read_only.home / "data"

    done = run(read_only, MESSAGEDB_AGENT_HOME=str(data))

    assert done.returncode == 0, done.stderr
    assert (data / "python").is_dir()


def test_an_environment_inside_is_used_if_it_is_complete(tree: Tree) -> None:
    tree.report()
    tree.root.chmod(0o555)
    try:
        assert run(tree).stderr == ""
    finally:
        tree.root.chmod(0o755)


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"HOME": ""}, "set MESSAGEDB_AGENT_HOME"),
        ({"MESSAGEDB_AGENT_HOME": "/proc/nowhere"}, "cannot set up"),
    ],
)
def test_nowhere_to_write_is_one_line(
    read_only: Tree, variables: dict[str, str], told: str
) -> None:
    done = run(read_only, **variables)

    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert told in done.stderr
