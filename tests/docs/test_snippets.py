"""What the documents tell people to type does what they say, and links lead somewhere."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.docs.blocks import LANGUAGES, Block, blocks_of, commands_of, shows
from tests.reader import ROOT, Reader

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
BLOCKS = {path: blocks_of(path, ROOT) for path in DOCUMENTS}
WITH_CODE = [path for path, blocks in BLOCKS.items() if any(block.is_run for block in blocks)]

_LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]*))?\)")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def run_block(reader: Reader, block: Block) -> None:
    if block.language == "console":
        for command, expected in commands_of(block.body):
            output = reader.run("sh", "-c", command).stdout
            assert shows(expected, output), f"{block}: {command} wrote\n{output}"
        return
    if block.language == "python":
        done = reader.run(sys.executable, "-W", "error", "-c", block.body)
    else:
        done = reader.run("sh", "-eu", "-c", block.body)
    assert done.returncode == block.exit_code, f"{block}: exit {done.returncode}\n{done.stdout}"
    assert "Traceback" not in done.stdout, f"{block}:\n{done.stdout}"


@pytest.mark.slow
@pytest.mark.parametrize("path", WITH_CODE, ids=name_of)
def test_the_snippets_of_a_document_work_in_their_order(path: Path, reader: Reader) -> None:
    for block in BLOCKS[path]:
        if block.is_run:
            run_block(reader, block)


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_every_block_says_what_it_is(path: Path) -> None:
    assert [str(block) for block in BLOCKS[path] if block.language not in LANGUAGES] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_links_lead_to_files_and_headings(path: Path) -> None:
    broken = [
        found[0]
        for found in _LINK.finditer(path.read_text(encoding="utf-8"))
        if not leads_somewhere(path, unquote(found[1]), found[2])
    ]

    assert broken == []


def leads_somewhere(path: Path, target: str, heading: str | None) -> bool:
    file = (path.parent / target).resolve() if target else path
    if not file.exists():
        return False
    return heading is None or heading in anchors(file)


def anchors(path: Path) -> set[str]:
    """The anchors that a reader's Markdown viewer makes of headings."""
    headings = re.findall(r"^#+ +(.+?)\s*$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    ("documented", "actual", "same"),
    [
        ("6 * 7 = 42\n", "6 * 7 = 42\n", True),
        ("6 * 7 = 42\n", "6 * 7 = 43\n", False),
        ("took (4.2 ms)", "took (0.1 ms)", True),
        ("a\n…\nd", "a\nb\nc\nd", True),
        ("a\n…\nd", "a\nb\nc", False),
    ],
)
def test_an_output_is_compared_but_for_what_always_changes(
    documented: str, actual: str, *, same: bool
) -> None:
    assert shows(documented, actual) is same


def test_commands_and_their_outputs_are_told_apart() -> None:
    assert list(commands_of("$ one\nout\n$ two\n")) == [("one", "out\n"), ("two", "")]


def test_blocks_are_found_with_their_terms(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# A\n\n```sh exit=3\nfalse\n```\n```console no-run\n```\n")

    first, second = blocks_of(tmp_path / "a.md", tmp_path)

    assert (first.document, first.line, first.language, first.exit_code) == ("a.md", 3, "sh", 3)
    assert (first.is_run, second.is_run) == (True, False)
