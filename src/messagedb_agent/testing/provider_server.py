"""
A loopback server that speaks the providers' protocols, for tests through the real SDKs.

It answers streaming requests of Claude and Gemini on Vertex AI, of Anthropic and of OpenAI's
chat completions, and hands out tokens for service accounts. What it answers is scripted;
what it was asked is recorded.
"""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import msgspec

from messagedb_agent.testing.provider_frames import (
    Reply,
    anthropic_frames,
    gemini_frames,
    openai_frames,
)

_RESET = struct.pack("ii", 1, 0)


class Received(msgspec.Struct, frozen=True):
    """A request as it came."""

    path: str
    headers: Mapping[str, str]
    body: Any


class ProviderServer:
    """
    Answers each request with the next reply of the script, as a context manager.

    With `tls` it speaks HTTPS, by the certificate in there.
    """

    def __init__(self, *replies: Reply, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Received] = []
        self.tokens_given = 0
        self.refuses_tokens = False
        self._replies = deque(replies)
        self._credentials: dict[str, str] = {}
        self._server = _Server(self)
        self._scheme = "https" if tls else "http"
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)

    @property
    def url(self) -> str:
        """The server's address, without a path."""
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}"

    def script(self, *replies: Reply) -> None:
        """Add replies."""
        self._replies.extend(replies)

    def reset(self) -> None:
        """Forget the script and what was asked."""
        self.requests.clear()
        self._replies.clear()
        self.refuses_tokens = False

    def next_reply(self) -> Reply:
        """The reply that is due; past the end, an error that says so."""
        if self._replies:
            return self._replies.popleft()
        return Reply(status=400, body={"error": {"message": "the script is used up"}})

    def environment(self) -> dict[str, str]:
        """The variables that point every SDK here."""
        return {
            "ANTHROPIC_API_KEY": "test-key",
            "ANTHROPIC_BASE_URL": self.url,
            "ANTHROPIC_VERTEX_BASE_URL": f"{self.url}/v1",
            "GOOGLE_VERTEX_BASE_URL": self.url,
            "OPENAI_API_KEY": "test-key",
            "OPENAI_BASE_URL": f"{self.url}/v1",
            **self._credentials,
        }

    def write_service_account(self, file: Path, *, project: str = "p1") -> Path:
        """Make credentials whose tokens this server gives; needs `cryptography`."""
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import rsa

        key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        account = {
            "type": "service_account",
            "project_id": project,
            "private_key_id": "k1",
            "private_key": key.decode(),
            "client_email": "agent@example.iam.gserviceaccount.com",
            "client_id": "1",
            "token_uri": f"{self.url}/token",
        }
        file.write_text(json.dumps(account))
        self._credentials = {"GOOGLE_APPLICATION_CREDENTIALS": str(file)}
        return file

    def __enter__(self) -> Self:
        serve = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        serve.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _frames_of(path: str) -> Callable[[Reply], Iterator[bytes]] | None:
    if ":streamRawPredict" in path or path.endswith("/v1/messages"):
        return anthropic_frames
    if ":streamGenerateContent" in path:
        return gemini_frames
    return openai_frames if path.endswith("/chat/completions") else None


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, provider: ProviderServer) -> None:
        self.provider = provider
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        provider = self.server.provider
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.path == "/token":
            if provider.refuses_tokens:
                self._answer(400, {"error": "invalid_grant", "error_description": "revoked"}, {})
                return
            provider.tokens_given += 1
            token = {"access_token": "test-token", "expires_in": 3599, "token_type": "Bearer"}
            self._answer(200, token, {})
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        provider.requests.append(Received(self.path, headers, json.loads(raw)))
        try:
            self._reply(provider.next_reply())
        except OSError:
            # The caller has gone away, which is what some tests are about.
            self.close_connection = True

    def _reply(self, reply: Reply) -> None:
        frames = _frames_of(self.path)
        if reply.fault == "drop":
            self._reset()
        elif frames is None:
            self._answer(404, {"error": {"message": f"no such path: {self.path}"}}, {})
        elif reply.status != 200:
            self._answer(reply.status, reply.body, reply.headers)
        else:
            self._stream(reply, tuple(frames(reply)) if reply.frames is None else reply.frames)

    def _answer(self, status: int, body: Any, headers: Mapping[str, str]) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"content-type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, reply: Reply, frames: tuple[bytes, ...]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        for number, frame in enumerate(frames):
            if number == reply.after:
                time.sleep(reply.silence)
                if self._break(reply):
                    return
            self.wfile.write(frame)
            self.wfile.flush()

    def _break(self, reply: Reply) -> bool:
        if reply.fault == "cut":
            self._reset()
        elif reply.fault == "garbage":
            self.wfile.write(b'event: content_block_delta\ndata: {"type": "cont\n\n')
        elif reply.fault == "error":
            name = "event: error\n" if _frames_of(self.path) is anthropic_frames else ""
            self.wfile.write(f"{name}data: {json.dumps(reply.body)}\n\n".encode())
        return bool(reply.fault)

    def _reset(self) -> None:
        time.sleep(0.05)  # what was written before has to arrive before the reset does
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.connection.close()
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass
