"""The tools that come with the package, one file each."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from messagedb_agent.tools.base import Tool


def builtin_tools() -> tuple[Tool, ...]:
    """All tools that come with the package, in the order in which models are told of them."""
    # Commands that run no tool must not pay for making them.
    from messagedb_agent.tools.builtin.calculate import calculate  # noqa: PLC0415  see above
    from messagedb_agent.tools.builtin.echo import echo  # noqa: PLC0415  see above
    from messagedb_agent.tools.builtin.edit_file import edit_file  # noqa: PLC0415  see above
    from messagedb_agent.tools.builtin.fetch_url import fetch_url  # noqa: PLC0415  see above
    from messagedb_agent.tools.builtin.get_current_time import (  # noqa: PLC0415  see above
        get_current_time,
    )
    from messagedb_agent.tools.builtin.list_files import list_files  # noqa: PLC0415  see above
    from messagedb_agent.tools.builtin.read_file import read_file  # noqa: PLC0415  see above
    from messagedb_agent.tools.builtin.run_command import run_command  # noqa: PLC0415  see above
    from messagedb_agent.tools.builtin.search_files import (  # noqa: PLC0415  see above
        search_files,
    )
    from messagedb_agent.tools.builtin.write_file import write_file  # noqa: PLC0415  see above

    return (
        get_current_time,
        calculate,
        echo,
        read_file,
        list_files,
        search_files,
        write_file,
        edit_file,
        run_command,
        fetch_url,
    )
