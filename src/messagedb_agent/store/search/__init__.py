"""Finding threads by what was said in them, or by what happened, among however many."""

from messagedb_agent.store.search.finding import search_threads
from messagedb_agent.store.search.index import nobody

__all__ = ["nobody", "search_threads"]
