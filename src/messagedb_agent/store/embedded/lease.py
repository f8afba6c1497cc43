"""A client's hold on the server."""

from __future__ import annotations

import os
from types import TracebackType

DATABASE = "message_store"
PORT = "5432"
USER = "postgres"


class Lease:
    """
    While a lease is open, the server is not stopped for being idle.

    The kernel ends it with the process, however that dies. Programs that the process
    starts do not inherit it; a forked copy of the process shares it. When the server was
    stopped or died meanwhile, another `acquire()` brings it back.
    """

    __slots__ = ("_fd", "conninfo", "how")

    def __init__(self, fd: int, host: str, how: str) -> None:
        self._fd = fd
        self.conninfo = {"host": host, "port": PORT, "dbname": DATABASE, "user": USER}
        """Keyword arguments for a PostgreSQL driver."""
        self.how = how
        """`warm`: it ran already. `start`: it was started. `cold`: it was created."""

    @property
    def url(self) -> str:
        """The same as a URL, for psql and others."""
        from urllib.parse import quote  # noqa: PLC0415  seldom needed, and slow to import

        at = self.conninfo
        return f"postgresql://{at['user']}@{quote(at['host'], safe='')}:{at['port']}/{at['dbname']}"

    def close(self) -> None:
        """Let go of the server. Closing twice does no harm."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> Lease:  # noqa: PYI034  Self is in typing, slow to import
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
