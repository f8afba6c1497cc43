"""
Tools of MCP servers, by configuration.

The SDK is an extra and takes a second to import, so nothing here imports it before a server
is really spoken to.
"""

from messagedb_agent.tools.mcp.servers import McpServers
from messagedb_agent.tools.mcp.settings import ServerSettings, ToolTerms, read_servers

__all__ = ["McpServers", "ServerSettings", "ToolTerms", "read_servers"]
