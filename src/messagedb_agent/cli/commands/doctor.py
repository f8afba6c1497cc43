"""doctor: look at everything that can be set up wrong."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from messagedb_agent.cli.progress import Progress
from messagedb_agent.cli.terminal import paint, say
from messagedb_agent.cli.wiring import (
    category_of,
    configuration,
    database,
    embedded_server,
    reader,
)
from messagedb_agent.config import Config
from messagedb_agent.errors import AgentError

if TYPE_CHECKING:
    import psycopg


class Finding(NamedTuple):
    """What one check found; `advice` says what to do when it is not good."""

    good: bool
    what: str
    advice: str = ""


def run(options: argparse.Namespace) -> int:
    """Check everything, print each result; 1 when something needs attention."""
    try:
        config = configuration(options)
    except AgentError as error:
        _print(
            "settings",
            Finding(good=False, what=str(error), advice="correct them in the environment or .env"),
        )
        return 1
    checks: tuple[tuple[str, Callable[[Config], Finding]], ...] = (
        ("python", _python),
        ("settings", lambda _config: Finding(good=True, what="all values can be used")),
        ("database", _database),
        ("message db", _schema),
        ("shards", lambda config: _shards(config, category_of(options))),
        ("model", _model),
        ("workspace", _workspace),
        ("mcp", lambda config: _mcp(options, config)),
    )
    good = True
    for name, check in checks:
        try:
            finding = check(config)
        except AgentError as error:
            finding = Finding(good=False, what=str(error))
        _print(name, finding)
        good = good and finding.good
    if options.replay:
        good = _replay(options, config) and good
    return 0 if good else 1


def _replay(options: argparse.Namespace, config: Config) -> bool:
    from messagedb_agent.cli.replay import replay_category
    from messagedb_agent.cli.wiring import writer

    with writer(config) as store, Progress("replaying every thread"):
        found = list(replay_category(store, category_of(options)))
    for stream_name, problem in found:
        if problem is not None:
            _print("replay", Finding(good=False, what=f"{stream_name}: {problem}"))
    count, problems = len(found), sum(problem is not None for _, problem in found)
    _print("replay", Finding(good=not problems, what=f"{count} threads, {problems} with problems"))
    return not problems


def _print(name: str, finding: Finding) -> None:
    sign = paint("ok  ", "green") if finding.good else paint("bad ", "red")
    advice = f" → {finding.advice}" if finding.advice else ""
    say(f"{sign} {name:11} {finding.what}{advice}")


def _python(_config: Config) -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding(sys.version_info >= (3, 11), f"{version} at {sys.executable}")


def _database(config: Config) -> Finding:
    with reader(config) as connection:
        version = connection.query("SHOW server_version")[0][0]
        encoding = connection.query("SHOW server_encoding")[0][0]
    kind = "external" if config.database is not None else "embedded"
    where = "" if config.database is not None else f" in {embedded_server(config).log_path.parent}"
    what = f"{kind} PostgreSQL {version}, {encoding}{where}"
    if encoding != "UTF8":
        return Finding(good=False, what=what, advice="the database's encoding has to be UTF8")
    return Finding(good=True, what=what)


def _schema(config: Config) -> Finding:
    from messagedb_agent.store.connections import connection_settings
    from messagedb_agent.store.schema import installed_version, missing_functions

    with (
        database(config) as conninfo,
        _connected(connection_settings(conninfo)) as connection,
    ):
        missing = missing_functions(connection)
        if missing:
            what = f"missing: {', '.join(missing)}"
            return Finding(good=False, what=what, advice="`./cli db install` installs them")
        return Finding(good=True, what=f"version {installed_version(connection)}")


def _shards(config: Config, category: str) -> Finding:
    from messagedb_agent.store.shards import categories, doubled

    with reader(config) as connection:
        found = categories(connection, category)
        twice = doubled(connection, found) if len(found) > 1 else ()
    if twice:
        return Finding(
            good=False,
            what=f"several threads each are called {', '.join(twice[:5])}",
            advice="an id means the newest; `--category NAME+NN` reaches that of shard NN",
        )
    return Finding(good=True, what=f"{len(found) - 1 or 'none'} besides {category}")


@contextmanager
def _connected(settings: dict[str, Any]) -> Iterator[psycopg.Connection[Any]]:
    import psycopg

    from messagedb_agent.errors import StoreUnavailableError

    try:
        connection = psycopg.connect(autocommit=True, **settings)
    except psycopg.Error as error:
        raise StoreUnavailableError("there is no connection to look through") from error
    with connection:
        yield connection


def _model(config: Config) -> Finding:
    from messagedb_agent.llm.catalog import OFFLINE, create_llm_client
    from messagedb_agent.llm.settings import ModelSettings

    name = config.model_name or OFFLINE
    settings = ModelSettings(
        gcp_project=config.gcp_project, gcp_location=config.gcp_location, environ=config.environ
    )
    create_llm_client(name, settings)
    if name == OFFLINE:
        return Finding(
            good=True,
            what="offline stand-in, no language model",
            advice="set MODEL_NAME for a real one",
        )
    return Finding(good=True, what=name)


def _mcp(options: argparse.Namespace, config: Config) -> Finding:
    from messagedb_agent.cli.mcp import examine

    return Finding(*examine(options, config))


def _workspace(_config: Config) -> Finding:
    folder = Path.cwd()
    if os.access(folder, os.W_OK):
        return Finding(good=True, what=f"{folder}")
    return Finding(good=True, what=f"{folder} (read-only)")
