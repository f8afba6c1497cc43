"""Settings from the environment, read once at the edge; all mistakes are told at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar

from messagedb_agent.errors import ConfigurationError
from messagedb_agent.store.shards import MAX_SHARDS

T = TypeVar("T")

DEFAULT_DB_PORT = "5433"
"""The port that docker-compose.yml publishes."""

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
LOG_FORMATS = ("json", "console")

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_LONGEST_SECONDS = 366 * 86_400


class Config(NamedTuple):
    """
    What the program was set up with.

    `database` are libpq parameters, or None for the embedded server; a `dbname` that is a
    connection URI is expanded by libpq. `model_name` is None when nobody chose a model.
    `model_timeout` are seconds of silence, `model_retry_pause` the longest pause before the
    second attempt; later ones double it. `shards` is over how many new threads are spread.
    `run_timeout` and `approval_timeout` are seconds, None for no bound.
    """

    database: Mapping[str, str] | None
    home: Path | None
    shards: int
    model_name: str | None
    gcp_project: str | None
    gcp_location: str | None
    max_iterations: int
    model_timeout: float
    model_max_attempts: int
    model_retry_pause: float
    run_timeout: float | None
    approval_timeout: float | None
    system_prompt_file: Path | None
    enable_tracing: bool
    log_level: str
    log_format: str
    log_content: bool
    environ: Mapping[str, str]


def load_config(environ: Mapping[str, str], file: Path | None = None) -> Config:
    """
    The settings of an environment and of a file, where the environment wins.

    Without `file`, `.env` in the current folder is read if there is one. Raises
    `ConfigurationError` naming every variable whose value can not be used.
    """
    merged = {**_read_file(file), **environ}
    mistakes: list[str] = []
    read = _Reader(merged, mistakes)
    config = Config(
        database=_database(read),
        home=read("MESSAGEDB_AGENT_HOME", Path, None),
        shards=read("MESSAGEDB_AGENT_SHARDS", _shards, 1),
        model_name=read("MODEL_NAME", str, None),
        gcp_project=read("GCP_PROJECT", str, None),
        gcp_location=read("GCP_LOCATION", str, None),
        max_iterations=read("MAX_ITERATIONS", _positive, 100),
        model_timeout=read("MODEL_TIMEOUT", _seconds, 120.0),
        model_max_attempts=read("MODEL_MAX_ATTEMPTS", _positive, 5),
        model_retry_pause=read("MODEL_RETRY_PAUSE", _seconds, 1.0),
        run_timeout=read("RUN_TIMEOUT", parse_duration, None),
        approval_timeout=read("APPROVAL_TIMEOUT", parse_duration, None),
        system_prompt_file=read("SYSTEM_PROMPT_FILE", Path, None),
        enable_tracing=read("ENABLE_TRACING", _boolean, default=False),
        log_level=read("LOG_LEVEL", _one_of(LOG_LEVELS, str.upper), "WARNING"),
        log_format=read("LOG_FORMAT", _one_of(LOG_FORMATS, str.lower), "console"),
        log_content=read("LOG_CONTENT", _boolean, default=False),
        environ=merged,
    )
    if mistakes:
        raise ConfigurationError("; ".join(mistakes))
    return config


class _Reader:
    def __init__(self, environ: Mapping[str, str], mistakes: list[str]) -> None:
        self._environ = environ
        self._mistakes = mistakes

    def __call__(self, name: str, parse: Callable[[str], T], default: T) -> T:
        text = self._environ.get(name, "").strip()
        if not text:
            return default
        try:
            return parse(text)
        except ValueError as error:
            # A URL may hold a password, and this text may end up in a log.
            shown = "" if name.endswith("_URL") else f"={text[:60]!r}"
            self._mistakes.append(f"{name}{shown} is wrong: {error}")
            return default

    def secret(self, name: str) -> str | None:
        """A value that is taken as it is: passwords may begin or end with spaces."""
        return self._environ.get(name) or None


def _database(read: _Reader) -> Mapping[str, str] | None:
    url = read("DATABASE_URL", _url, None)
    given = {
        "host": read("DB_HOST", str, None),
        "port": read("DB_PORT", _port, None),
        "dbname": read("DB_NAME", str, None),
        "user": read("DB_USER", str, None),
        "password": read.secret("DB_PASSWORD"),
    }
    if url:
        return {"dbname": url}
    chosen = {name: value for name, value in given.items() if value is not None}
    if not chosen:
        return None
    defaults = {
        "host": "localhost",
        "port": DEFAULT_DB_PORT,
        "dbname": "message_store",
        "user": "postgres",
    }
    return {**defaults, **chosen}


def _read_file(file: Path | None) -> dict[str, str]:
    path = file or Path(".env")
    if file is None and not path.is_file():
        return {}
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigurationError(f"can not read the settings file {path}: {reason}") from error
    from io import StringIO

    from dotenv import dotenv_values

    values = dotenv_values(stream=StringIO(text), interpolate=False)
    return {name: value for name, value in values.items() if value is not None}


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ValueError("a whole number of at least 1 is needed")
    return int(text)


def _shards(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MAX_SHARDS:
        raise ValueError(f"a whole number from 1 to {MAX_SHARDS} is needed")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= 86_400:
        raise ValueError("a number of seconds above 0 is needed")
    return seconds


def parse_duration(text: str) -> float:
    """The seconds of a text such as 90, 90s, 10m, 1.5h or 2d. Raises `ValueError` for others."""
    number, unit = (text[:-1], text[-1]) if text[-1:] in _UNITS else (text, "s")
    try:
        seconds = float(number) * _UNITS[unit]
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= _LONGEST_SECONDS:
        raise ValueError("a duration such as 90s, 10m, 2h or 1d is needed, at most a year")
    return seconds


def _port(text: str) -> str:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise ValueError("a port is a number from 1 to 65535")
    return text


def _boolean(text: str) -> bool:
    known = {"true": True, "1": True, "yes": True, "on": True}
    known |= {"false": False, "0": False, "no": False, "off": False}
    if text.lower() not in known:
        raise ValueError("true or false is needed")
    return known[text.lower()]


def _url(text: str) -> str:
    if text.startswith(("postgresql://", "postgres://")) or "=" in text:
        return text
    raise ValueError("it begins with postgresql://, or is of the form host=... dbname=...")


def _one_of(choices: tuple[str, ...], fold: Callable[[str], str]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if fold(text) not in choices:
            raise ValueError(f"one of {', '.join(choices)} is needed")
        return fold(text)

    return parse
