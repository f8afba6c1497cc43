"""
Get a web page: bounded in size and time, redirects included, and only from allowed addresses.

The connection goes to the very address that was checked; resolving the name again would let
its owner answer differently the second time. Proxies of the environment are not used, since
they would resolve the name again, too.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import SplitResult, quote, urljoin, urlsplit

import msgspec

from messagedb_agent.cancellation import Cancellation
from messagedb_agent.errors import ToolError
from messagedb_agent.tools.builtin.addresses import AddressPolicy, resolve

MAX_BYTES = 2 * 1024 * 1024
MAX_REDIRECTS = 5
MAX_URL = 4_000
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[A-Za-z0-9_.:%-]+")
_SAFE = "/%:@!$&'()*+,;=~-._?"
_POLL_SECONDS = 0.05
_HEADERS = {
    "User-Agent": "messagedb-agent",
    "Accept": "text/html, text/plain, application/json, */*;q=0.5",
    "Accept-Encoding": "identity",
    "Connection": "close",
}


class Download(msgspec.Struct, frozen=True, kw_only=True):
    """What a server answered; `url` is the last one after redirects."""

    url: str
    status: int
    content_type: str
    body: bytes
    truncated: bool


class _Watch:
    """Ends a connection at a deadline or on cancellation, whatever it is waiting for."""

    def __init__(self, seconds: float, cancelled: Cancellation) -> None:
        self._deadline = time.monotonic() + seconds
        self._cancelled = cancelled

    def remaining(self) -> float:
        """Seconds that are left; raises `ToolError` when there are none."""
        left = self._deadline - time.monotonic()
        if left <= 0 or self._cancelled.is_set():
            raise ToolError(self.reason())
        return left

    def reason(self) -> str:
        """Why it is over."""
        return "cancelled" if self._cancelled.is_set() else "the server took too long"

    @property
    def over(self) -> bool:
        """Whether the deadline has passed or somebody cancelled."""
        return self._cancelled.is_set() or time.monotonic() >= self._deadline

    @contextmanager
    def over_socket(self, connection: socket.socket) -> Iterator[None]:
        """Shut the connection down when it is time; a read that waits ends then."""
        done = threading.Event()

        def watch() -> None:
            while not done.wait(_POLL_SECONDS):
                if self.over:
                    # SSLSocket.shutdown would change the object under the reader's feet.
                    with suppress(OSError):
                        socket.socket.shutdown(connection, socket.SHUT_RDWR)
                    return

        watcher = threading.Thread(target=watch, name="fetch-url-watch", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()


def download(
    url: str,
    *,
    allowed: AddressPolicy,
    seconds: float,
    cancelled: Cancellation,
) -> Download:
    """
    What is at a URL, following at most `MAX_REDIRECTS` redirects.

    Raises `ToolError` when the URL is not one to fetch, an address is not allowed, the
    server can't be reached or doesn't speak HTTP, or `seconds` are over.
    """
    watch = _Watch(seconds, cancelled)
    for _ in range(MAX_REDIRECTS + 1):
        parts = _checked(url)
        try:
            answer = _request(parts, allowed, watch)
        except (OSError, http.client.HTTPException, zlib.error) as error:
            if watch.over:
                raise ToolError(watch.reason()) from error
            what = str(error) or type(error).__name__
            raise ToolError(f"can't fetch {url[:200]!r}: {what[:300]}") from error
        if isinstance(answer, Download):
            return answer
        url = urljoin(parts.geturl(), answer)
    raise ToolError(f"more than {MAX_REDIRECTS} redirects")


def _checked(url: str) -> SplitResult:
    if len(url) > MAX_URL:
        raise ToolError(f"the URL has more than {MAX_URL} characters")
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
        if parts.scheme not in _PORTS:
            raise ToolError("only http and https URLs can be fetched")
        if parts.username is not None or parts.password is not None:
            raise ToolError("URLs with a user name or password are not fetched")
        if not host:
            raise ToolError("the URL names no host")
        name = host if ":" in host else host.encode("idna").decode("ascii")
        if not _HOST.fullmatch(name):
            raise ValueError(name)
        path, query = quote(parts.path or "/", safe=_SAFE), quote(parts.query, safe=_SAFE)
    except ValueError as error:
        raise ToolError(f"not a URL: {url[:200]!r}") from error
    shown = f"[{name}]" if ":" in name else name
    netloc = shown if port is None else f"{shown}:{port}"
    return SplitResult(parts.scheme, netloc, path, query, "")


def _request(parts: SplitResult, allowed: AddressPolicy, watch: _Watch) -> Download | str:
    """One request: what was answered, or where a redirect leads."""
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    plain = _connect(resolve(host, port, allowed), port, watch)
    with _secured(plain, host, parts.scheme) as connection, watch.over_socket(connection):
        if isinstance(connection, ssl.SSLSocket):
            connection.do_handshake()
        client = http.client.HTTPConnection(host, port)
        client.sock = connection
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        client.request("GET", target, headers={"Host": parts.netloc, **_HEADERS})
        with client.getresponse() as response:
            location = response.getheader("Location")
            if response.status in _REDIRECTS and location:
                return location
            answer = _read(response, parts.geturl())
        # A connection that was shut down looks like one that ended.
        watch.remaining()
        return answer


def _connect(addresses: tuple[str, ...], port: int, watch: _Watch) -> socket.socket:
    failure: OSError | None = None
    for address in addresses:
        try:
            connection = socket.create_connection((address, port), timeout=watch.remaining())
        except OSError as error:
            failure = error
        else:
            connection.settimeout(watch.remaining())
            return connection
    raise failure or OSError("no address")


def _secured(plain: socket.socket, host: str, scheme: str) -> socket.socket:
    if scheme == "http":
        return plain
    context = ssl.create_default_context()
    try:
        return context.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
    except BaseException:
        plain.close()
        raise


def _read(response: http.client.HTTPResponse, url: str) -> Download:
    body = response.read(MAX_BYTES + 1)
    truncated = len(body) > MAX_BYTES
    if response.getheader("Content-Encoding", "identity").lower() in {"gzip", "x-gzip", "deflate"}:
        body = zlib.decompressobj(wbits=47).decompress(body, MAX_BYTES + 1)
        truncated |= len(body) > MAX_BYTES
    return Download(
        url=url,
        status=response.status,
        content_type=response.getheader("Content-Type", ""),
        body=body[:MAX_BYTES],
        truncated=truncated,
    )
