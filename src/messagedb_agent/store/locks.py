"""One driver per thread: PostgreSQL advisory locks held by one session of this process."""

from __future__ import annotations

import hashlib
import select
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, LiteralString

import psycopg

from messagedb_agent.errors import ThreadBusyError
from messagedb_agent.store.faults import translate
from messagedb_agent.store.statements import ask
from messagedb_agent.store.stream import check_stream_name

_TRY_LOCK: LiteralString = "SELECT pg_try_advisory_lock($1)"
_UNLOCK: LiteralString = "SELECT pg_advisory_unlock($1)"
_HOLDER: LiteralString = """
    SELECT activity.application_name, activity.client_addr::text, activity.backend_start
    FROM pg_locks AS held JOIN pg_stat_activity AS activity USING (pid)
    WHERE held.locktype = 'advisory' AND held.granted AND held.objsubid = 1
      AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND (held.classid::bigint << 32) + held.objid::bigint = $1
"""

Connect = Callable[[], psycopg.Connection[Any]]

Watch = Callable[[psycopg.Connection[Any]], AbstractContextManager[object]]
"""Is told of a connection while an answer is waited for there."""


def lock_key(stream_name: str) -> int:
    """The advisory lock key of a stream: 63 bits, none of which Message DB's own keys share."""
    text = f"messagedb-agent driver {stream_name}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


class ThreadLocks:
    """
    The locks of all threads that this process drives, on one session.

    The server frees them when the session ends, however the process died. A session lock
    can be taken twice by its own session, so who holds what within this process is kept here.
    Needs a real session: it does not work through a proxy that pools transactions.
    """

    def __init__(self, connect: Connect, watch: Watch = nullcontext) -> None:
        self._connect = connect
        self._watch = watch
        self._mutex = threading.Lock()
        self._session: psycopg.Connection[Any] | None = None
        self._held: dict[str, _Lock] = {}

    def open(self) -> None:
        """Connect now, so that what is wrong with the connection shows at once."""
        with self._mutex:
            self._connected()

    def acquire(self, stream_name: str) -> _Lock:
        """Take the lock of a stream. Raises `ThreadBusyError` when it is held, by whomever."""
        check_stream_name(stream_name)
        with self._mutex:
            session = self._connected()
            if stream_name in self._held:
                raise ThreadBusyError(f"{stream_name} is being driven by this process already")
            lock = _Lock(self, stream_name, session)
            if not self._ask(lock, _TRY_LOCK):
                holder = self._holder(lock)
                raise ThreadBusyError(f"{stream_name} is being driven by {holder}")
            self._held[stream_name] = lock
            return lock

    def close(self) -> None:
        """End the session, and with it all of its locks."""
        with self._mutex:
            self._held.clear()
            if self._session is not None:
                self._session.close()

    def holds(self, stream_name: str) -> bool:
        """Whether this process drives the thread, as far as it knows."""
        return stream_name in self._held

    @contextmanager
    def lend(self) -> Iterator[psycopg.Connection[Any]]:
        """The session, for a short statement that needs no other; no lock is taken meanwhile."""
        with self._mutex:
            session = self._connected()
            with self._watch(session):
                yield session

    def is_held(self, lock: _Lock) -> bool:
        """Whether the lock's session still lives, seen without asking the server."""
        with self._mutex:
            return self._held.get(lock.stream_name) is lock and self._is_alive(lock.session)

    def release(self, lock: _Lock) -> None:
        """Give a lock back, unless its session has taken it along already."""
        with self._mutex:
            if self._held.get(lock.stream_name) is not lock:
                return
            del self._held[lock.stream_name]
            if self._is_alive(lock.session):
                self._unlock(lock)

    def _unlock(self, lock: _Lock) -> None:
        try:
            self._ask(lock, _UNLOCK)
        except psycopg.Error:
            # The session is gone and so is the lock, which is all that was wanted.
            lock.session.close()

    def _connected(self) -> psycopg.Connection[Any]:
        if self._session is None or not self._is_alive(self._session):
            self._held.clear()
            self._session = self._connect()
        return self._session

    @staticmethod
    def _is_alive(session: psycopg.Connection[Any]) -> bool:
        if session.closed or session.broken:
            return False
        poll = select.poll()
        poll.register(session.fileno(), select.POLLIN)
        try:
            # A server that goes down says so before it hangs up: read on to the end.
            while poll.poll(0):
                session.pgconn.consume_input()
        except psycopg.Error:
            return False
        return not session.broken

    def _ask(self, lock: _Lock, query: LiteralString) -> bool:
        with self._watch(lock.session):
            ((answer,),) = ask(lock.session, query, lock.key)
        return answer is True

    def _holder(self, lock: _Lock) -> str:
        try:
            rows = ask(lock.session, _HOLDER, lock.key)
        except psycopg.Error as error:
            raise translate(error) from error
        if not rows:
            return "another process, which has just let go of it"
        ((name, address, since),) = rows
        return f"{name or 'another process'} ({address or 'local'}, since {since:%H:%M:%S})"


class _Lock:
    """One held lock; see `ThreadLock`."""

    __slots__ = ("_locks", "key", "session", "stream_name")

    def __init__(
        self, locks: ThreadLocks, stream_name: str, session: psycopg.Connection[Any]
    ) -> None:
        self._locks = locks
        self.stream_name = stream_name
        self.key = lock_key(stream_name)
        self.session = session

    def is_held(self) -> bool:
        return self._locks.is_held(self)

    def release(self) -> None:
        self._locks.release(self)
