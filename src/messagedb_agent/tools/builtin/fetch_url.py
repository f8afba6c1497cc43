"""Read a page of the public internet."""

from __future__ import annotations

from typing import TypedDict

from messagedb_agent.tools.base import ToolContext
from messagedb_agent.tools.define import tool
from messagedb_agent.tools.results import cut

MAX_CHARACTERS = 100_000
MAX_SECONDS = 30.0


class FetchedPage(TypedDict):
    """The text at a URL, which is the last one after redirects."""

    url: str
    status: int
    content_type: str
    text: str
    truncated: bool


@tool(permission="ask", recovery="retry", timeout=MAX_SECONDS + 30)
def fetch_url(url: str, context: ToolContext) -> FetchedPage:
    """
    Fetch a page from the public internet and return its readable text.

    Args:
        url: An http or https URL.
    """
    # These import the network modules, which no other tool needs.
    from messagedb_agent.tools.builtin.addresses import is_public  # noqa: PLC0415  see above
    from messagedb_agent.tools.builtin.download import download  # noqa: PLC0415  see above
    from messagedb_agent.tools.builtin.readable import text_of_page  # noqa: PLC0415  see above

    found = download(url, allowed=is_public, seconds=MAX_SECONDS, cancelled=context.cancelled)
    text = text_of_page(found.body, found.content_type)
    return {
        "url": found.url,
        "status": found.status,
        "content_type": found.content_type,
        "text": cut(text, MAX_CHARACTERS),
        "truncated": found.truncated or len(text) > MAX_CHARACTERS,
    }
