from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messagedb_agent.errors import ToolError
from messagedb_agent.tools.builtin.read_file import MAX_CHARACTERS, page, read_file
from tests.tools.conftest import Call


def test_a_short_file_is_read_whole(workspace: Path, call: Call) -> None:
    (workspace / "a.txt").write_text("one\ntwo\n")

    assert call(read_file, path="a.txt") == {
        "content": "one\ntwo\n",
        "first_line": 1,
        "last_line": 2,
        "total_lines": 2,
        "truncated": False,
    }


def test_a_page_of_a_file_is_read(workspace: Path, call: Call) -> None:
    (workspace / "a.txt").write_text("1\n2\n3\n4\n")

    found = call(read_file, path="a.txt", offset=1, limit=2)

    assert found["content"] == "2\n3"
    assert (found["first_line"], found["last_line"]) == (2, 3)
    assert found["truncated"] is True


def test_an_empty_file_has_no_lines(workspace: Path, call: Call) -> None:
    (workspace / "a.txt").touch()

    assert call(read_file, path="a.txt")["total_lines"] == 0


def test_what_is_not_utf8_is_replaced(workspace: Path, call: Call) -> None:
    (workspace / "a.txt").write_bytes(b"caf\xe9")

    assert call(read_file, path="a.txt")["content"] == "caf\N{REPLACEMENT CHARACTER}"


def test_a_binary_file_is_not_read(workspace: Path, call: Call) -> None:
    (workspace / "a.bin").write_bytes(b"\x7fELF\0\0")

    with pytest.raises(ToolError, match="binary file of 6 bytes"):
        call(read_file, path="a.bin")


def test_an_offset_after_the_end_is_told(workspace: Path, call: Call) -> None:
    (workspace / "a.txt").write_text("1\n2\n")

    with pytest.raises(ToolError, match="only 2 lines"):
        call(read_file, path="a.txt", offset=2)


@pytest.mark.parametrize("arguments", [{"offset": -1}, {"limit": 0}, {"limit": "all"}])
def test_senseless_pages_are_refused(call: Call, arguments: dict[str, object]) -> None:
    with pytest.raises(ToolError, match="invalid arguments"):
        call(read_file, path="a.txt", **arguments)


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "/dev/zero", "/proc/self/environ"])
def test_nothing_outside_is_read(call: Call, path: str) -> None:
    with pytest.raises(ToolError, match="outside of the workspace"):
        call(read_file, path=path)


def test_a_very_long_line_is_cut() -> None:
    found = page("x" * (MAX_CHARACTERS + 5), 0, 10)

    assert len(found["content"]) == MAX_CHARACTERS
    assert found["truncated"] is True


@given(
    lines=st.lists(st.text(st.characters(exclude_characters="\n")), max_size=20),
    size=st.integers(1, 5),
)
def test_the_pages_of_a_file_make_up_the_file(lines: list[str], size: int) -> None:
    text = "".join(line + "\n" for line in lines)
    found, offset = [], 0
    while offset < len(lines):
        part = page(text, offset, size)
        found.append(
            part["content"].removesuffix("\n") if not part["truncated"] else part["content"]
        )
        offset = part["last_line"]

    assert "".join(part + "\n" for part in found) == text
