"""
Log lines on stderr: few by default, structured, with the thread, run and step they are about.

structlog writes them. It takes a fifth of a second to import, so it is imported with the first
line that is really to be written; below the level, a call is one comparison.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any, Final, Literal, TextIO, TypeAlias

DEBUG: Final = 10
INFO: Final = 20
WARNING: Final = 30
ERROR: Final = 40

LogFormat: TypeAlias = Literal["json", "console"]

_LEVELS = {"DEBUG": DEBUG, "INFO": INFO, "WARNING": WARNING, "ERROR": ERROR, "CRITICAL": 50}
_NO_CONTEXT: Mapping[str, Any] = {}
_context: ContextVar[Mapping[str, Any]] = ContextVar("log_context", default=_NO_CONTEXT)


class _Settings:
    """How this process logs; one per process, as stderr is."""

    level: int = WARNING
    format: str = "console"
    content: bool = False
    environ: Mapping[str, str] | None = None
    stream: TextIO | None = None
    writer: Callable[..., None] | None = None


_settings = _Settings()


class Logger:
    """Writes structured lines under a name. Hold on to one per module; it costs nothing."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def is_enabled(self, level: int) -> bool:
        """Whether a line of this level would be written."""
        return level >= _settings.level

    def debug(self, event: str, **fields: Any) -> None:
        """Something that helps to find a mistake."""
        if _settings.level <= DEBUG:
            _write("debug", event, self._name, fields)

    def info(self, event: str, **fields: Any) -> None:
        """Something that happened as it should."""
        if _settings.level <= INFO:
            _write("info", event, self._name, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """Something that somebody may want to know."""
        if _settings.level <= WARNING:
            _write("warning", event, self._name, fields)

    def error(self, event: str, **fields: Any) -> None:
        """Something that somebody has to see to."""
        if _settings.level <= ERROR:
            _write("error", event, self._name, fields)


def get_logger(name: str) -> Logger:
    """The logger of a part of the program."""
    return Logger(name)


def configure(
    level: str = "WARNING",
    log_format: str = "console",
    *,
    environ: Mapping[str, str] | None = None,
    content: bool = False,
) -> None:
    """
    Say what is logged, and how.

    `environ` is where secrets to be kept out are looked for. `content` allows what people,
    models and tools said to be logged, and only counts at level DEBUG.
    """
    _settings.level = _LEVELS[level]
    _settings.format = log_format
    _settings.environ = environ
    _settings.content = content and level == "DEBUG"
    _settings.writer = None


@contextmanager
def written_to(stream: TextIO) -> Iterator[None]:
    """Write lines there in the block, and not to stderr: somebody looks at a screen."""
    _settings.stream, _settings.writer = stream, None
    try:
        yield
    finally:
        _settings.stream = _settings.writer = None


def logs_content() -> bool:
    """Whether messages, arguments and results may be logged."""
    return _settings.content


def wants(level: int) -> bool:
    """Whether lines of this level are written."""
    return level >= _settings.level


@contextmanager
def bound(**fields: Any) -> Iterator[None]:
    """Put these fields on every line written in the block, by whichever logger."""
    token = _context.set({**_context.get(), **fields})
    try:
        yield
    finally:
        _context.reset(token)


def bind(**fields: Any) -> None:
    """Put these fields on every line written from here on in this context; None removes one."""
    merged = {**_context.get(), **fields}
    _context.set({name: value for name, value in merged.items() if value is not None})


def _write(level: str, event: str, name: str, fields: Mapping[str, Any]) -> None:
    # Made by two threads at once, it is made twice, which does no harm.
    writer = _settings.writer = _settings.writer or _structlog_writer()
    with suppress(OSError, ValueError):  # stderr may be closed, and there is nobody left to tell
        writer(level, event, {"logger": name, **_context.get(), **fields})


def _structlog_writer() -> Callable[..., None]:
    import structlog  # noqa: PLC0415 - see above

    from messagedb_agent.observability.redaction import Redactor  # noqa: PLC0415 - every command imports this module, few write a line

    redactor = Redactor(os.environ if _settings.environ is None else _settings.environ)

    def redact(_: Any, __: str, fields: MutableMapping[str, Any]) -> Mapping[str, Any]:
        kept = redactor.value(fields)
        assert isinstance(kept, dict)
        return kept

    processors: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
    ]
    if _settings.format == "json":
        processors.append(structlog.processors.JSONRenderer(default=str))
    else:
        processors += [_visible, structlog.dev.ConsoleRenderer(colors=_has_colour())]
    # Levels are compared before this is reached, so structlog lets everything pass.
    every_level = structlog.make_filtering_bound_logger(0)
    logger = structlog.wrap_logger(_Stderr(), processors=processors, wrapper_class=every_level)

    def write(level: str, event: str, fields: Mapping[str, Any]) -> None:
        getattr(logger, level)(event, **fields)

    return write


class _Stderr:
    """
    Whatever stderr, or what stands for it, is when a line is written.

    One write per line, so that lines stay whole.
    """

    def __getattr__(self, _level: str) -> Callable[[str], None]:
        return self._line

    @staticmethod
    def _line(line: str) -> None:
        stream = _stream()
        stream.write(f"{line}\n")
        stream.flush()


def _stream() -> TextIO:
    return _settings.stream or sys.stderr


def _visible(_: Any, __: str, fields: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """What others wrote must not steer the terminal."""
    return {name: _escaped(value) for name, value in fields.items()}


def _escaped(value: Any) -> Any:
    if not isinstance(value, str) or value.isprintable():
        return value
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in value)


def _has_colour() -> bool:
    return _stream().isatty() and not os.environ.get("NO_COLOR")
