"""What is known of a context, which only grows, so that it is not worked out again."""

from __future__ import annotations

from messagedb_agent.engine.contents import References
from messagedb_agent.engine.recipe import ContextDigest


class ModelMemory:
    """What model steps of one thread keep between them, in this process."""

    def __init__(self) -> None:
        self.digest = ContextDigest()
        self.references = References()
