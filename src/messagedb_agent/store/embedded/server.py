"""The private server as its clients see it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

from messagedb_agent.errors import EmbeddedServerError
from messagedb_agent.store.embedded.home import VARIABLE
from messagedb_agent.store.embedded.lease import Lease
from messagedb_agent.store.embedded.locks import holding, is_held, lock_shared, open_lock
from messagedb_agent.store.embedded.place import Place, locate, prepare
from messagedb_agent.store.embedded.probe import is_ready, live_postmaster
from messagedb_agent.store.embedded.status import ServerStatus

NO_SETTINGS: Mapping[str, str] = MappingProxyType({})


class EmbeddedServer:
    """
    A PostgreSQL server in a folder of the user's, started when it is needed.

    All processes that name the same home share one server. It is stopped `idle_seconds`
    after the last lease is gone. `durable=False` trades safety against power failure for
    speed. It, `idle_seconds` and `settings` (of postgresql.conf) are those of whoever
    starts the server.
    """

    def __init__(
        self,
        home: Path,
        *,
        idle_seconds: float = 120.0,
        durable: bool = True,
        settings: Mapping[str, str] = NO_SETTINGS,
    ) -> None:
        try:
            self._home = home.resolve()
        except RuntimeError as error:
            raise EmbeddedServerError(f"{error}; set {VARIABLE} to another folder") from error
        self._idle_seconds = idle_seconds
        self._durable = durable
        self._settings = settings

    @property
    def log_path(self) -> Path:
        """The server's log."""
        return locate(self._home).log

    def acquire(self) -> Lease:
        """A hold on the running server, which is created or started if need be."""
        with _in_one_line(self._home):
            place, fd = self._open_lease()
            try:
                lock_shared(fd)
                # For the supervisor, which may miss a short hold.
                os.utime(fd)
                how = "warm" if _is_up(place) else self._bring_up(place)
                return Lease(fd, str(place.socket_folder), how)
            except BaseException:
                os.close(fd)
                raise

    def start(self) -> str:
        """Start the server without holding it; says how, like `Lease.how`."""
        with self.acquire() as lease:
            return lease.how

    def stop(self, timeout: float = 30.0) -> bool:
        """Stop the server, whoever holds it. False if none was running."""
        from signal import SIGINT  # noqa: PLC0415  seldom needed

        from messagedb_agent.store.embedded.starter import await_end  # noqa: PLC0415  slow

        with _in_one_line(self._home):
            place = locate(self._home)
            if not place.start_lock.exists():
                return False
            with holding(place.start_lock):
                pid = live_postmaster(place)
                if not pid:
                    return False
                os.kill(pid, SIGINT)
                if not await_end(place, timeout):
                    raise EmbeddedServerError(
                        f"the database (process {pid}) did not stop within {timeout:.0f} seconds; "
                        f"see {place.log}"
                    )
        return True

    def status(self) -> ServerStatus:
        """What is known about the server now."""
        with _in_one_line(self._home):
            return ServerStatus(locate(self._home))

    def _open_lease(self) -> tuple[Place, int]:
        place = locate(self._home)
        try:
            return place, open_lock(place.lease_lock)
        except (FileNotFoundError, NotADirectoryError):
            place = prepare(self._home)
            return place, open_lock(place.lease_lock)

    def _bring_up(self, place: Place) -> str:
        from messagedb_agent.store.embedded.starter import Starter  # noqa: PLC0415  slow

        with holding(place.start_lock):
            starter = Starter(
                place,
                idle_seconds=self._idle_seconds,
                durable=self._durable,
                settings=self._settings,
            )
            return starter.bring_up()


def _is_up(place: Place) -> bool:
    # Without its supervisor the server works, but nothing would ever stop it.
    return is_ready(place) and is_held(place.guard_lock)


@contextmanager
def _in_one_line(home: Path) -> Iterator[None]:
    if sys.platform == "win32":
        raise EmbeddedServerError(
            "the private PostgreSQL does not work on Windows; use WSL, or set DATABASE_URL"
        )
    try:
        yield
    except OSError as error:
        raise EmbeddedServerError(
            f"can not use {error.filename or home} ({error.strerror}); "
            f"set {VARIABLE} to a writable folder of your own"
        ) from error
