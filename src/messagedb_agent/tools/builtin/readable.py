"""
The readable text of a web page.

A scanner that never looks at a character twice: the standard library's HTML parser needs
minutes for a few megabytes of hostile markup.
"""

from __future__ import annotations

import html
import re

from messagedb_agent.errors import ToolError

_CHARSET = re.compile(rb"charset\s*=\s*[\"']?\s*([\w.:-]{1,40})", re.IGNORECASE)
# Some of Python's codecs are no character sets, or are slow on purpose-made input.
_KNOWN_CHARSETS = re.compile(
    r"utf-?(8|16|32)([-_]?[lb]e)?|(us-)?ascii|iso-?8859-\d{1,2}|latin-?1|(windows-|cp)125\d"
    r"|gb2312|gbk|gb18030|big5(-hkscs)?|shift[-_]jis|euc-(jp|kr)|iso-2022-jp|koi8-[ru]",
    re.IGNORECASE,
)
_MARKUP = re.compile(r"<(?:!--|[!?]|(/?)([a-zA-Z][a-zA-Z0-9]*))")
_SPACES = re.compile(r"[^\S\n]+")
_BLANK_LINES = re.compile(r"\n{3,}")
_HIDDEN = frozenset({"script", "style", "template", "noscript", "svg", "iframe", "object"})
_BLOCKS = frozenset(
    {"address", "article", "aside", "blockquote", "body", "br", "dd", "div", "dl", "dt", "figure"}
    | {"footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "head", "header", "hr", "html", "li"}
    | {"main", "nav", "ol", "option", "p", "pre", "section", "table", "td", "th", "title", "tr"}
    | {"fieldset", "ul"}
)
_TEXT_TYPES = re.compile(r"text/.*|application/(.*[+/])?(json|xml|javascript|x-ndjson|yaml|toml)")


def text_of_page(body: bytes, content_type: str) -> str:
    """
    A response's body as text: the visible words of HTML, anything else as it is.

    Raises `ToolError` when the body is not text.
    """
    kind, _, rest = content_type.lower().partition(";")
    kind = kind.strip()
    is_html = kind in {"text/html", "application/xhtml+xml"}
    if kind and not _TEXT_TYPES.fullmatch(kind) and not is_html:
        raise ToolError(f"this is {kind[:100]} of {len(body)} bytes, not text")
    text = _decoded(body, rest.encode("ascii", "ignore"), is_html=is_html)
    if "\0" in text[:8192]:
        raise ToolError(f"this is binary data of {len(body)} bytes, not text")
    return visible(text) if is_html else text


def visible(page: str) -> str:
    """The words that a reader of an HTML page sees, a line for each block."""
    pieces: list[str] = []
    lower, position = page.lower(), 0
    if len(lower) != len(page):
        lower = page  # rare letters change length; then tags are found in lower case only
    while markup := _MARKUP.search(page, position):
        pieces.append(_words(page[position : markup.start()]))
        position, piece = _after(markup, lower)
        pieces.append(piece)
    pieces.append(_words(page[position:]))
    lines = (line.strip() for line in _SPACES.sub(" ", "".join(pieces)).split("\n"))
    return _BLANK_LINES.sub("\n\n", "\n".join(lines)).strip()


def _after(markup: re.Match[str], lower: str) -> tuple[int, str]:
    """Where a piece of markup is over, and what it stands for in text."""
    if markup[0] == "<!--":
        return _end_of(lower, "-->", markup.end()), ""
    end = _end_of(lower, ">", markup.end())
    closing, name = markup[1], (markup[2] or "").lower()
    if name in _HIDDEN and not closing and lower[end - 2 : end] != "/>":
        end = _end_of(lower, ">", _end_of(lower, f"</{name}", end))
    if name not in _BLOCKS:
        return end, ""
    return end, "\n- " if name == "li" and not closing else "\n"


def _end_of(text: str, mark: str, start: int) -> int:
    # Markup without an end takes all that follows; looking for it again and again takes forever.
    found = text.find(mark, start)
    return len(text) if found < 0 else found + len(mark)


def _words(text: str) -> str:
    return html.unescape(text).replace("\r", " ").replace("\n", " ")


def _decoded(body: bytes, header: bytes, *, is_html: bool) -> str:
    for mark, charset in (
        (b"\xef\xbb\xbf", "utf-8-sig"),
        (b"\xff\xfe", "utf-16"),
        (b"\xfe\xff", "utf-16"),
    ):
        if body.startswith(mark):
            return body.decode(charset, "replace")
    named = _CHARSET.search(header) or (_CHARSET.search(body[:2048]) if is_html else None)
    charset = named[1].decode("ascii", "ignore") if named else "utf-8"
    try:
        return body.decode(charset if _KNOWN_CHARSETS.fullmatch(charset) else "utf-8", "replace")
    except LookupError:
        return body.decode("utf-8", "replace")
