"""All commands at a glance, by what one wants to do."""

from __future__ import annotations

import argparse

from messagedb_agent.cli.grammar import HelpFormatter

GROUPS = {
    "talk": ("start", "message", "continue", "chat", "tui"),
    "read": ("show", "list", "subscribe", "context"),
    "decide": ("approve", "deny", "interrupt", "unschedule", "end", "rename"),
    "go elsewhere in time": ("fork", "rewind", "replay", "whatif", "diff", "export", "import"),
    "put away": ("archive", "unarchive"),
    "count": ("usage", "stats"),
    "run for others": ("worker", "workers", "mcp-serve"),
    "look after the set-up": ("db", "doctor", "completion", "version"),
}


class OverviewFormatter(HelpFormatter):
    """Prints commands in their groups; those of no group come last."""

    def _format_action(self, action: argparse.Action) -> str:
        if action.dest != "command":
            return super()._format_action(action)
        told = {each.dest: each.help or "" for each in self._iter_indented_subactions(action)}
        grouped = {name for names in GROUPS.values() for name in names}
        others = tuple(name for name in told if name not in grouped)
        lines: list[str] = []
        for title, names in {**GROUPS, "other": others}.items():
            if names:
                lines += [f"  {title}", *(f"    {name:12} {told[name]}" for name in names)]
        return "\n".join([*lines, ""])
