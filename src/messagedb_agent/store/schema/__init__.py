"""
The Message DB server interface: what a database must offer, and our implementation of it.

Everything else in this package works on any PostgreSQL that answers to this interface,
whether it was installed from here or by Message DB's own installer.
"""

from messagedb_agent.store.schema.inspection import (
    installed_revision,
    installed_version,
    missing_functions,
)
from messagedb_agent.store.schema.installer import Installation, add_thread_index, install

__all__ = [
    "Installation",
    "add_thread_index",
    "install",
    "installed_revision",
    "installed_version",
    "missing_functions",
]
