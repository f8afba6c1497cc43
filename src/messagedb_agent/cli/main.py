"""From arguments to an exit code; whatever goes wrong ends as one line on stderr."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

from messagedb_agent.cli.garbage import collect_rarely
from messagedb_agent.cli.leaving import EXIT_INTERRUPTED, leave
from messagedb_agent.errors import AgentError


def entry_point() -> NoReturn:
    """Run the command line and leave with its exit code."""
    collect_rarely()
    code = main(sys.argv[1:])
    # What is left to do is the interpreter's tidying up, which a waiting user need not see.
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        pass  # the reader has what it wanted and is gone
    leave(code)


def main(arguments: Sequence[str]) -> int:
    """Run one command and give its exit code."""
    from messagedb_agent.cli.parser import build_parser
    from messagedb_agent.cli.terminal import complain

    signal.signal(signal.SIGTERM, _terminate)
    try:
        options = build_parser(next(iter(arguments), "")).parse_args(arguments)
        return int(options.run(options))
    except AgentError as error:
        complain(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        complain("interrupted")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        return 0
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else 1


def _terminate(number: int, frame: FrameType | None) -> None:
    # The same as Ctrl+C: the turn ends with an event and can be continued. A program started
    # in the background ignores SIGINT itself, so its handler is called and no signal is sent.
    on_interrupt = signal.getsignal(signal.SIGINT)
    if not callable(on_interrupt):
        raise KeyboardInterrupt
    on_interrupt(number, frame)
