from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from messagedb_agent.tools.builtin.addresses import Address


class Pages(BaseHTTPRequestHandler):
    """A server with good and bad habits."""

    def do_GET(self) -> None:
        name = self.path.partition("?")[0].strip("/").replace("-", "_")
        page: Callable[[], None] = getattr(self, f"page_{name}", self.page_missing)
        page()

    def log_message(self, *_: Any) -> None:
        pass

    def answer(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content_Type": "text/plain", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def drip(self, piece: bytes) -> None:
        try:
            for _ in range(300):
                self.wfile.write(piece)
                self.wfile.flush()
                time.sleep(0.05)
        except OSError:
            pass

    def page_(self) -> None:
        self.answer(f"{self.headers['Host']} {self.path}".encode())

    def page_missing(self) -> None:
        self.answer(b"nothing here", 404)

    def page_html(self) -> None:
        self.answer(b"<p>Hello<script>x</script>", Content_Type="text/html; charset=utf-8")

    def page_image(self) -> None:
        self.answer(b"\x89PNG", Content_Type="image/png")

    def page_again(self) -> None:
        self.answer(b"", 302, Location="/again")

    def page_home(self) -> None:
        self.answer(b"", 301, Location="/?moved")

    def page_inside(self) -> None:
        _, port = self.connection.getsockname()
        self.answer(b"", 302, Location=f"http://127.0.0.2:{port}/")

    def page_file(self) -> None:
        self.answer(b"", 302, Location="file:///etc/passwd")

    def page_nowhere(self) -> None:
        self.answer(b"no location", 302)

    def page_zipped(self) -> None:
        self.answer(gzip.compress(b"unzipped"), Content_Encoding="gzip")

    def page_bomb(self) -> None:
        self.answer(gzip.compress(b"\n" * 50_000_000), Content_Encoding="gzip")

    def page_not_zipped(self) -> None:
        self.answer(b"plain", Content_Encoding="gzip")

    def page_endless(self) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            while True:
                self.wfile.write(b"x" * 65_536)
        except OSError:
            pass

    def page_slow_head(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        self.drip(b"X")

    def page_slow_body(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.drip(b"x")

    def page_silent(self) -> None:
        self.connection.recv(1)

    def page_nonsense(self) -> None:
        self.wfile.write(b"SSH-2.0-OpenSSH\r\n\r\n")

    def page_hang_up(self) -> None:
        self.connection.shutdown(socket.SHUT_RDWR)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """Clients that hang up are part of the plan."""


def serving(server: Server) -> Iterator[str]:
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    host, port = server.server_address[:2]
    yield f"{host!s}:{port}"
    server.shutdown()
    server.server_close()


def this_server(address: Address) -> bool:
    """The address policy of these tests."""
    return str(address) == "127.0.0.1"
