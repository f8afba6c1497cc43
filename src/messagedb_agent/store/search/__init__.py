"""Finding threads by what was said in them, or by what happened, among however many."""

from messagedb_agent.store.search.finding import search_threads

__all__ = ["search_threads"]
