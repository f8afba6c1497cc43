from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messagedb_agent.errors import ToolError
from messagedb_agent.tools.builtin.readable import text_of_page, visible

PAGE = """<!DOCTYPE html><html><head><title>The &amp; title</title>
<style>p { color: red }</style><script>if (a < b) alert("</p>")</script></head>
<body><!-- hidden --><h1>Head</h1><p>Some   <b>bold</b>
text<br>next line</p><ul><li>one<li>two</ul>1 < 2 &lt;tag&gt;</body></html>"""


def test_a_page_reads_as_a_person_sees_it() -> None:
    assert visible(PAGE).split("\n") == [
        "The & title",
        "",
        "Head",
        "",
        "Some bold text",
        "next line",
        "",
        "- one",
        "- two",
        "1 < 2 <tag>",
    ]


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        (b"caf\xc3\xa9", "text/plain", "caf\xe9"),
        (b"caf\xe9", "text/plain; charset=ISO-8859-1", "caf\xe9"),
        (b"caf\xe9", "text/plain", "caf\N{REPLACEMENT CHARACTER}"),
        (b'<meta charset="windows-1252"><p>\x80', "text/html", "\N{EURO SIGN}"),
        (b"\xef\xbb\xbfa", "text/plain; charset=latin-1", "a"),
        ("a".encode("utf-16"), "text/plain", "a"),
        (b"a<b", "text/plain", "a<b"),
        (b'{"a": 1}', "application/json", '{"a": 1}'),
        (b"<a/>", "application/atom+xml", "<a/>"),
        (b"x", "", "x"),
        (b"x", "text/plain; charset=punycode", "x"),
        (b"x", "text/plain; charset=no-such", "x"),
        (b"x", "text/plain; charset=iso-8859-99", "x"),
    ],
)
def test_bytes_become_text_by_their_charset(body: bytes, content_type: str, text: str) -> None:
    assert text_of_page(body, content_type) == text


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"x", "image/png"),
        (b"x", "application/octet-stream"),
        (b"a\0b", ""),
        (b"a\0", "text/plain"),
    ],
)
def test_what_is_not_text_is_refused(body: bytes, content_type: str) -> None:
    with pytest.raises(ToolError, match="not text"):
        text_of_page(body, content_type)


MEGABYTE = 1024 * 1024


@pytest.mark.parametrize(
    "piece",
    [
        "<",
        "<!--",
        "<!",
        "<?",
        "<a ",
        "<script>",
        "<script/",
        "</",
        "&",
        "&#",
        "&#x",
        "<![CDATA[",
        " \n",
        "<p>",
        "<style>a</style",
        "<a href='",
        "&amp",
    ],
)
def test_a_megabyte_of_hostile_markup_take_no_time(piece: str) -> None:
    page = piece * (MEGABYTE // len(piece))
    began = time.process_time()

    visible(page)

    assert time.process_time() - began < 4


PIECES = [
    "<",
    ">",
    "/",
    "!",
    "-",
    "p",
    "a",
    " ",
    "\n",
    "&",
    ";",
    "\u0130",
    "<script",
    "</script",
    "<p>",
]


@given(page=st.lists(st.sampled_from(PIECES)).map("".join))
def test_any_page_has_a_text_without_large_gaps(page: str) -> None:
    text = visible(page)

    assert text == text.strip()
    assert "\n\n\n" not in text
