"""A TCP proxy that cuts connections at the moment a test chooses."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Self, TypeAlias

Moment: TypeAlias = Literal["before", "during", "after"]
"""
before: the server never sees the statement. during: it sees it, and the connection is gone before
it has answered. after: it has answered, and nobody hears it.
"""


class Proxy:
    """
    Stands between a client and a server, and passes everything on.

    `cut` arms it: the next time a client sends something that contains the given bytes, the
    connection ends, at the given moment. `cuts` counts.
    """

    def __init__(self, host: str, port: int) -> None:
        self._upstream = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._armed: tuple[bytes, Moment, Callable[[], object]] | None = None
        self._remaining = 0
        self._mutex = threading.Lock()
        self._open: set[socket.socket] = set()
        self.cuts = 0

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._listener.close()
        self.cut_all()

    def cut(
        self,
        pattern: bytes,
        moment: Moment,
        *,
        times: int = 1,
        meanwhile: Callable[[], object] = lambda: None,
    ) -> None:
        """Arm it; `meanwhile` is called when the connection is to be cut, before it is."""
        with self._mutex:
            self._armed, self._remaining = (pattern, moment, meanwhile), times

    def cut_all(self) -> None:
        """End every connection now."""
        with self._mutex:
            ends, self._open = self._open, set()
        for end in ends:
            _close(end)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(self._upstream)
                except OSError:
                    client.close()
                    continue
                with self._mutex:
                    self._open |= {client, server}
                link = _Link(client, server)
                for pump in (self._to_server, self._to_client):
                    threading.Thread(target=pump, args=(link,), daemon=True).start()

    def _to_server(self, link: _Link) -> None:
        with contextlib.suppress(OSError):
            while data := link.client.recv(1 << 16):
                fate = self._fate_of(data)
                if fate and fate[0] == "before":
                    fate[1]()
                    break
                if fate and fate[0] == "during":
                    link.is_deaf = True
                    link.server.sendall(data)
                    fate[1]()
                    break
                if fate:
                    link.when_answered = fate[1]
                link.server.sendall(data)
        if link.when_answered is None:
            link.close()

    def _to_client(self, link: _Link) -> None:
        with contextlib.suppress(OSError):
            while data := link.server.recv(1 << 16):
                if link.is_deaf:
                    break
                if link.when_answered is not None:
                    link.when_answered()
                    break
                link.client.sendall(data)
        link.close()

    def _fate_of(self, data: bytes) -> tuple[Moment, Callable[[], object]] | None:
        with self._mutex:
            if self._armed is None or self._armed[0] not in data:
                return None
            _, moment, meanwhile = self._armed
            self._remaining -= 1
            self.cuts += 1
            if not self._remaining:
                self._armed = None
            return moment, meanwhile


@dataclass
class _Link:
    """One connection; `when_answered` is set once it is to end with the server's next answer."""

    client: socket.socket
    server: socket.socket
    when_answered: Callable[[], object] | None = None
    is_deaf: bool = False

    def close(self) -> None:
        _close(self.client)
        _close(self.server)


def _close(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
