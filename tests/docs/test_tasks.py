"""The list of tasks that people do from `--help` alone: long enough, each told in a few words."""

from __future__ import annotations

import re

from tests.docs.blocks import blocks_of
from tests.reader import ROOT

_TASK = re.compile(r"^(?!\s).*\./cli (?P<command>[a-z]+).*?#\s*(?P<told>\S.*)$", re.MULTILINE)


def test_forty_tasks_are_told_in_their_own_words() -> None:
    path = ROOT / "docs" / "how-to" / "tasks-by-example.md"
    text = "\n".join(block.body for block in blocks_of(path, ROOT) if block.language == "sh")

    told = [found["told"] for found in _TASK.finditer(text)]

    assert len(set(told)) >= 40, len(set(told))
