from __future__ import annotations

from pathlib import Path

import pytest

from messagedb_agent.errors import ToolError
from messagedb_agent.tools.builtin.edit_file import edit_file
from tests.tools.conftest import Call


@pytest.mark.parametrize(
    ("before", "arguments", "after"),
    [
        (b"one two", {"old": "two", "new": "2"}, b"one 2"),
        (b"a a a", {"old": "a", "new": "aa", "replace_all": True}, b"aa aa aa"),
        (b"a b", {"old": "a ", "new": ""}, b"b"),
        (b"caf\xe9 one", {"old": "one", "new": "two"}, b"caf\xe9 two"),
        (b"a\r\nb\r\n", {"old": "a\nb", "new": "c\nd"}, b"c\r\nd\r\n"),
        (b"a\nb\n", {"old": "a\nb", "new": "c\nd"}, b"c\nd\n"),
    ],
)
def test_text_is_replaced_and_the_rest_stays(
    workspace: Path, call: Call, before: bytes, arguments: dict[str, object], after: bytes
) -> None:
    (workspace / "a.txt").write_bytes(before)

    call(edit_file, path="a.txt", **arguments)

    assert (workspace / "a.txt").read_bytes() == after


@pytest.mark.parametrize(
    ("before", "arguments", "complaint"),
    [
        (b"a a", {"old": "a", "new": "b"}, "occurs 2 times"),
        (b"a a", {"old": "c", "new": "b"}, "does not occur"),
        (b"a a", {"old": "a", "new": "a"}, "are the same"),
        (b"a a", {"old": "", "new": "a"}, "invalid arguments"),
        (b"a\0a", {"old": "a", "new": "b"}, "binary"),
        (b"a", {"old": "a", "new": "\ud800"}, "surrogate"),
    ],
)
def test_an_edit_that_is_not_clear_changes_nothing(
    workspace: Path, call: Call, before: bytes, arguments: dict[str, object], complaint: str
) -> None:
    (workspace / "a.txt").write_bytes(before)

    with pytest.raises(ToolError, match=complaint):
        call(edit_file, path="a.txt", **arguments)
    assert (workspace / "a.txt").read_bytes() == before


def test_nothing_outside_is_edited(tmp_path: Path, call: Call) -> None:
    (tmp_path / "a.txt").write_text("a")

    with pytest.raises(ToolError, match="outside"):
        call(edit_file, path="../a.txt", old="a", new="b")
    assert (tmp_path / "a.txt").read_text() == "a"
