"""What is easy to keep while it is kept: sizes, borders, and nobody's private paths."""

from __future__ import annotations

import ast
import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "messagedb_agent"
MODULES = sorted(SOURCE.rglob("*.py"))
SCRIPTS = sorted((ROOT / "scripts").glob("*.py"))

MODULE_CEILING = 300
CEILINGS = {"engine/loop.py": 120}
FUNCTION_CEILING = 40

TOO_LONG: frozenset[str] = frozenset()
"""Exceptions, as `path` or `path::function`. This list may only shrink."""


def name_of(module: Path) -> str:
    return module.relative_to(SOURCE if SOURCE in module.parents else ROOT).as_posix()


def long_modules() -> set[str]:
    return {
        name_of(module)
        for module in (*MODULES, *SCRIPTS)
        if len(module.read_text(encoding="utf-8").splitlines())
        > CEILINGS.get(name_of(module), MODULE_CEILING)
    }


def long_functions() -> set[str]:
    return {
        f"{name_of(module)}::{node.name}"
        for module in (*MODULES, *SCRIPTS)
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or node.lineno) - node.lineno + 1 > FUNCTION_CEILING
    }


def tracked_files() -> list[Path]:
    """What git knows, or, in an unpacked archive, everything that is not made by a tool."""
    if (ROOT / ".git").exists():
        git = subprocess.run(
            ["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, check=False
        )
        names = os.fsdecode(git.stdout).split("\0") if git.returncode == 0 else []
        if found := [ROOT / name for name in names if name and (ROOT / name).is_file()]:
            return found
    made = {"__pycache__", "node_modules", "build", "dist"}
    return [
        path
        for folder in ("src", "tests", "scripts", "docs", "examples", "benchmarks")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and not made & set(path.parts)
    ]


def test_modules_and_functions_stay_small() -> None:
    assert (long_modules() | long_functions()) - TOO_LONG == set()


def test_an_exception_that_is_no_longer_needed_is_struck_off() -> None:
    assert TOO_LONG - (long_modules() | long_functions()) == set()


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_only_the_cli_prints(module: Path) -> None:
    if name_of(module).startswith("cli/"):
        pytest.skip("talking to people is its duty")
    calls = [
        node.lineno
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ]

    assert calls == []


def test_no_file_names_a_folder_of_the_machine_it_was_written_on() -> None:
    # Put together here, because this file is searched too.
    private = [f"/{name}/".encode() for name in ("work", "root", "opt", "farm")]

    found = [
        f"{path.relative_to(ROOT)}: {folder.decode()}"
        for path in tracked_files()
        for folder in private
        if folder in path.read_bytes()
    ]

    assert found == []


def test_every_decision_record_is_listed() -> None:
    folder = ROOT / "docs" / "adr"
    records = {path.name for path in folder.glob("*.md")} - {"README.md"}
    listed = (folder / "README.md").read_text(encoding="utf-8") if records else ""

    assert records - set(re.findall(r"\(([^()/]+\.md)\)", listed)) == set()
