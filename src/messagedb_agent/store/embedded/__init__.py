"""
A private PostgreSQL server, started on demand and shared by all processes of a user.

Standard library only, and little of that until a server really has to be started: this
package is on the way of every short command.
"""

from messagedb_agent.store.embedded.binaries import find_binaries
from messagedb_agent.store.embedded.home import default_home
from messagedb_agent.store.embedded.lease import Lease
from messagedb_agent.store.embedded.server import EmbeddedServer
from messagedb_agent.store.embedded.status import ServerStatus

__all__ = ["EmbeddedServer", "Lease", "ServerStatus", "default_home", "find_binaries"]
