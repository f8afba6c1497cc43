"""Views that answer questions about threads in SQL: threads, turns, steps, usage and the like."""

from messagedb_agent.store.analytics.installer import VIEWS, install_views, views_revision

__all__ = ["VIEWS", "install_views", "views_revision"]
