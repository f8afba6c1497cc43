"""What the model may do: tools, from their definition to the result of a call."""

from messagedb_agent.tools.base import Tool, ToolContext
from messagedb_agent.tools.builtin import builtin_tools
from messagedb_agent.tools.define import tool
from messagedb_agent.tools.executor import check_call, execute_tool
from messagedb_agent.tools.registry import ToolRegistry, tools_to_function_declarations

__all__ = [
    "Tool",
    "ToolContext",
    "ToolRegistry",
    "builtin_tools",
    "check_call",
    "execute_tool",
    "tool",
    "tools_to_function_declarations",
]
