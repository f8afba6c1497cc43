"""docs/reference/api.md is what the generator makes of today's sources, and has what people use."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.blocks import blocks_of
from tests.reader import ROOT

GENERATOR = ROOT / "scripts" / "generate_api_reference.py"
PAGE = (ROOT / "docs" / "reference" / "api.md").read_text(encoding="utf-8")
TOLD = frozenset(re.findall(r"^### (\w+)|^\| `(\w+)`", PAGE, re.MULTILINE))
NAMES = {name for pair in TOLD for name in pair if name}
SHOWN_BY = [ROOT / "README.md", *sorted((ROOT / "examples").glob("*.py"))]


def test_the_reference_of_the_library_is_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, GENERATOR, "--check"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", SHOWN_BY, ids=lambda path: path.name)
def test_whatever_an_example_imports_is_on_the_page(path: Path) -> None:
    programs = (
        [block.body for block in blocks_of(path, ROOT) if block.language == "python"]
        if path.suffix == ".md"
        else [path.read_text(encoding="utf-8")]
    )

    assert sorted({name for program in programs for name in imported(program)} - NAMES) == []


def test_every_entry_says_something() -> None:
    silent = re.findall(r"^### (\w+)[^\n]*\n\n```python no-run\n[^`]*```\n\n#", PAGE, re.MULTILINE)

    assert silent == []


def imported(program: str) -> Iterator[str]:
    """The names that a program takes from the package; a module taken whole is left out."""
    for node in ast.walk(ast.parse(program)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("messagedb_agent"):
            yield from (each.name for each in node.names if each.name != "session")
