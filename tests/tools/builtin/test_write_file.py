from __future__ import annotations

from pathlib import Path

import pytest

from messagedb_agent.errors import ToolError
from messagedb_agent.tools.builtin.write_file import write_file
from tests.tools.conftest import Call


def test_a_new_file_is_created(workspace: Path, call: Call) -> None:
    found = call(write_file, path="a/b.txt", content="caf\N{LATIN SMALL LETTER E WITH ACUTE}\r\n")

    assert found == {"path": "a/b.txt", "bytes": 7, "created": True}
    assert (workspace / "a/b.txt").read_bytes() == b"caf\xc3\xa9\r\n"


def test_an_old_file_is_replaced(workspace: Path, call: Call) -> None:
    (workspace / "a.txt").write_text("old")

    assert call(write_file, path="a.txt", content="new")["created"] is False
    assert (workspace / "a.txt").read_text() == "new"


def test_half_a_surrogate_pair_can_not_be_written(workspace: Path, call: Call) -> None:
    with pytest.raises(ToolError, match="character 2 is half of a surrogate pair"):
        call(write_file, path="a.txt", content="a\ud800")
    assert not (workspace / "a.txt").exists()


@pytest.mark.parametrize("path", ["../x.txt", "/tmp/x.txt", "link/x.txt", "link", ".", ""])
def test_nothing_outside_is_written(workspace: Path, tmp_path: Path, call: Call, path: str) -> None:
    (workspace / "link").symlink_to("..")

    with pytest.raises(ToolError):
        call(write_file, path=path, content="x")
    assert [p.name for p in tmp_path.iterdir()] == ["workspace"]
