"""export --format html and md: pages in which nothing of a thread becomes markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messagedb_agent.cli.page import _prose
from messagedb_agent.events import (
    LLMResponseReceived,
    SessionStarted,
    ThreadRenamed,
    ToolExecutionCompleted,
    UserMessageAdded,
)
from tests.cli.conftest import Command, Past

NASTY = '</pre><script>alert(1)</script><img src=x onerror="a">\x1b[31m ![i](http://x) ```'
THREAD = (
    SessionStarted(thread_id="t"),
    UserMessageAdded(message=NASTY),
    ToolExecutionCompleted(tool_name="read", tool_call_id="a", result=f"```\n{NASTY}\n````"),
    LLMResponseReceived(response_text=f"# Big\n\n```html\n<b>\n```\n{NASTY}"),
    ThreadRenamed(title="<i>"),
)


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002 - the signature is given
        self.found.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_an_html_page_shows_everything_and_runs_nothing(
    command: Command, past: Past, tmp_path: Path
) -> None:
    command("export", past(THREAD), "--format", "html", "-o", "page.html")

    page = (tmp_path / "page.html").read_text()
    tags = Tags()
    tags.feed(page)
    assert tags.found <= {
        "html", "head", "meta", "title", "style", "body", "h1", "h2", "section", "pre",
    }  # fmt: skip
    assert NASTY.replace("\x1b", "\\x1b") in tags.text
    assert "default-src 'none'" in page
    assert "\x1b" not in page


def test_a_markdown_page_keeps_code_and_no_markup(command: Command, past: Past) -> None:
    ended = command("export", past(THREAD), "--format", "md")

    assert ended.out.startswith("# &#60;i>\n")
    assert "\n### Big\n" in ended.out
    assert "\n```text\n<b>\n```\n" in ended.out
    assert "<script>" not in outside_of_fences(ended.out)


def outside_of_fences(text: str) -> str:
    """What a Markdown viewer does not take for fenced code, by the rules of CommonMark."""
    lines, fence = [], ""
    for line in text.split("\n"):
        marks = re.match(r" {0,3}(`{3,}|~{3,})(.*)$", line)
        if fence:
            if marks and marks[1].startswith(fence) and not marks[2].strip(" \t"):
                fence = ""
        elif marks and not (marks[1][0] == "`" and "`" in marks[2]):
            fence = marks[1]
        else:
            lines.append(line)
    return "\n".join(lines)


PIECES = st.sampled_from(
    ["```", "````", "~~~", "`", "\n", "\n", " ", "  ", "    ", "> ", "- ", "<b>", "&lt;", "\\",
     "![a](b)", "[a](b)", "[a]: b", "x", "\t", "\u00a0", "~~~ `", "```py"]
)  # fmt: skip


@given(text=st.lists(PIECES, max_size=25).map("".join))
def test_no_arrangement_of_fences_lets_markup_out(text: str) -> None:
    outside = outside_of_fences(_prose(text))

    assert "<" not in outside
    assert "](" not in outside
    assert "]:" not in outside


def test_jsonl_is_what_it_was(command: Command, past: Past) -> None:
    ended = command("export", past(THREAD))

    assert ended.out.count("\n") == len(THREAD) + 1


@pytest.mark.parametrize("form", ["html", "md"])
def test_a_page_that_can_not_be_written_is_one_line(
    command: Command, past: Past, form: str
) -> None:
    ended = command("export", past(THREAD), "--format", form, "-o", "no/such/folder")

    assert (ended.code, ended.err.count("\n")) == (2, 1)
