"""db: the database under the threads."""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from messagedb_agent.cli.progress import Progress
from messagedb_agent.cli.terminal import say, tell
from messagedb_agent.cli.wiring import (
    category_of,
    configuration,
    database,
    embedded_server,
    install_schema,
    reader,
)
from messagedb_agent.config import Config
from messagedb_agent.errors import StoreUnavailableError, UsageError
from messagedb_agent.store.quick import is_connection_string


def run(options: argparse.Namespace) -> int:
    """Do what was asked for."""
    config = configuration(options)
    with_views = options.action == "install" and options.arguments == ["--views"]
    if options.arguments and options.action != "psql" and not with_views:
        raise UsageError(f"`db {options.action}` takes no arguments")
    actions = {
        "status": _status,
        "start": _start,
        "stop": _stop,
        "url": _url,
        "install": _install,
    }
    if options.action == "psql":
        return _psql(config, options.arguments)
    if options.action == "index":
        return _index(config, category_of(options))
    if with_views:
        return _install(config, views=True)
    return actions[options.action](config)


def _status(config: Config) -> int:
    if config.database is not None:
        with database(config) as conninfo:
            say(f"external database: {_as_url(conninfo, secret=False)}")
        return 0
    status = embedded_server(config).status()
    say(f"embedded PostgreSQL {status.version or ''}: {'running' if status.running else 'stopped'}")
    say(f"  data     {status.data_directory}")
    say(f"  socket   {status.socket_directory}")
    if status.running:
        say(f"  process  {status.pid}")
    if status.holders is not None:
        say(f"  used by  {status.holders} processes")
    say(f"  on disk  {status.size_bytes / 1e6:.1f} MB")
    return 0


def _start(config: Config) -> int:
    _only_embedded(config, "start")
    with database(config):
        tell("the embedded PostgreSQL runs; it stops by itself when nobody uses it")
    return 0


def _stop(config: Config) -> int:
    _only_embedded(config, "stop")
    stopped = embedded_server(config).stop()
    tell("the embedded PostgreSQL was stopped" if stopped else "it was not running")
    return 0


def _url(config: Config) -> int:
    with database(config) as conninfo:
        say(_as_url(conninfo, secret=True))
    return 0


def _install(config: Config, *, views: bool = False) -> int:
    with database(config) as conninfo:
        import psycopg

        try:
            install_schema(conninfo, views=views)
        except psycopg.Error as error:
            raise StoreUnavailableError(f"can not install: {str(error).splitlines()[0]}") from error
    tell(f"the Message DB functions {'and the analytics views ' if views else ''}are installed")
    return 0


def _index(config: Config, category: str) -> int:
    from messagedb_agent.store.search.index import rebuild
    from messagedb_agent.store.summaries.keeping import forget

    with reader(config) as connection, Progress("entering what was said and what happened"):
        forget(connection)
        rebuild(connection, category)
    tell("the index of `list --search` and `list --status` was built anew")
    return 0


def _psql(config: Config, arguments: list[str]) -> int:
    psql = _find_psql(config)
    with database(config) as conninfo:
        url = _as_url(conninfo, secret=False)
        environment = {
            **os.environ,
            "PGOPTIONS": "-c search_path=message_store,messagedb_agent,public",
        }
        if password := conninfo.get("password"):
            environment["PGPASSWORD"] = password
        import subprocess

        return subprocess.run([psql, url, *arguments], env=environment, check=False).returncode  # noqa: S603 - psql with the user's own arguments


def _find_psql(config: Config) -> str:
    found = shutil.which("psql")
    if found:
        return found
    from messagedb_agent.store.embedded import find_binaries

    inside = Path(find_binaries(config.environ)) / "psql"
    if inside.exists():
        return str(inside)
    raise UsageError("there is no psql here; install PostgreSQL's client programs")


def _only_embedded(config: Config, action: str) -> None:
    if config.database is not None:
        raise UsageError(
            f"`db {action}` is for the embedded database, but DB_* or DATABASE_URL is set"
        )


def _as_url(conninfo: Mapping[str, str], *, secret: bool) -> str:
    name = conninfo.get("dbname", "")
    if is_connection_string(name):
        from psycopg.conninfo import conninfo_to_dict

        conninfo = {key: str(value) for key, value in conninfo_to_dict(name).items()}
    user = quote(conninfo.get("user", "postgres"), safe="")
    password = conninfo.get("password")
    if password and secret:
        user = f"{user}:{quote(password, safe='')}"
    host = quote(conninfo.get("host", "localhost"), safe="")
    return (
        f"postgresql://{user}@{host}:{conninfo.get('port', '5432')}"
        f"/{quote(conninfo.get('dbname', ''), safe='')}"
    )
