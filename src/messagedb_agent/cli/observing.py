"""Log lines and traces of a command, as its settings say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, cast

from messagedb_agent.cli.home import home_of
from messagedb_agent.config import Config
from messagedb_agent.observability.library_logs import bridge_library_logs
from messagedb_agent.observability.logging import written_to

if TYPE_CHECKING:
    from messagedb_agent.observability.telemetry import Telemetry


@contextmanager
def telemetry_for(config: Config) -> Iterator[Telemetry | None]:
    """What sends traces and metrics of the block where ENABLE_TRACING asks for it; else None."""
    bridge_library_logs()
    if not config.enable_tracing:
        yield None
        return
    from messagedb_agent.observability.telemetry import Telemetry

    telemetry = Telemetry(config.environ)
    try:
        yield telemetry
    finally:
        telemetry.close()


class _LogFile:
    """A file that is made when there is something to write; only its owner may read it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO | None = None

    def write(self, text: str) -> int:
        if self._file is None:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._path.touch(mode=0o600)
            self._file = self._path.open("a", encoding="utf-8", errors="backslashreplace")
        return self._file.write(text)

    def flush(self) -> None:
        if self._file is not None:
            self._file.flush()

    def isatty(self) -> bool:
        return False

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


@contextmanager
def telemetry_beside_a_screen(config: Config) -> Iterator[Telemetry | None]:
    """The same for a command that has the whole terminal: what is logged goes to `tui.log`."""
    log = _LogFile(home_of(config) / "tui.log")
    stream = cast("TextIO", log)
    with closing(log), written_to(stream), ExitStack() as held:
        # Exporters that write to a console keep the stderr that they find when they are made.
        with redirect_stderr(stream):
            telemetry = held.enter_context(telemetry_for(config))
        yield telemetry
