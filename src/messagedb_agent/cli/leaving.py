"""Leaving without the interpreter's tidying up, and without leaving programs behind."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

EXIT_INTERRUPTED = 130
_PROGRAMS = "messagedb_agent.tools.builtin.process"


def leave(code: int) -> NoReturn:
    """End this process at once, and the programs that its tools have started."""
    # Most commands have started none and not even imported what starts them.
    if programs := sys.modules.get(_PROGRAMS):
        programs.end_programs()
    os._exit(code)
