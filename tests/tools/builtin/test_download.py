from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from messagedb_agent.errors import ToolError
from messagedb_agent.tools.builtin import download as module
from messagedb_agent.tools.builtin.download import Download, download
from tests.tools.builtin.site import Pages, Server, serving, this_server


def get(url: str, *, seconds: float = 10, cancelled: threading.Event | None = None) -> Download:
    return download(
        url, allowed=this_server, seconds=seconds, cancelled=cancelled or threading.Event()
    )


def test_a_page_is_fetched(site: str) -> None:
    found = get(f"http://{site}/?a=b c&d=%20é#part")

    assert found.body == f"{site} /?a=b%20c&d=%20%C3%A9".encode()
    assert (found.status, found.content_type, found.truncated) == (200, "text/plain", False)


def test_an_error_status_is_a_result(site: str) -> None:
    assert get(f"http://{site}/missing").status == 404


def test_redirects_are_followed(site: str) -> None:
    found = get(f"http://{site}/home")

    assert found.url == f"http://{site}/?moved"


def test_a_redirect_without_a_place_is_a_result(site: str) -> None:
    assert get(f"http://{site}/nowhere").body == b"no location"


def test_compressed_pages_are_unpacked(site: str) -> None:
    assert get(f"http://{site}/zipped").body == b"unzipped"


@pytest.mark.parametrize("page", ["bomb", "endless"])
def test_large_pages_are_cut(site: str, page: str) -> None:
    found = get(f"http://{site}/{page}")

    assert len(found.body) == module.MAX_BYTES
    assert found.truncated is True


@pytest.mark.parametrize(
    ("page", "complaint"),
    [
        ("again", "more than 5 redirects"),
        ("inside", "'127.0.0.2' is not on the public internet"),
        ("file", "only http and https"),
        ("not-zipped", "can't fetch"),
        ("nonsense", "can't fetch"),
        ("hang-up", "can't fetch"),
    ],
)
def test_answers_that_lead_nowhere_are_told(site: str, page: str, complaint: str) -> None:
    with pytest.raises(ToolError, match=complaint):
        get(f"http://{site}/{page}")


@pytest.mark.parametrize("page", ["slow-head", "slow-body", "silent"])
def test_a_server_can_not_take_forever(site: str, page: str) -> None:
    began = time.monotonic()

    with pytest.raises(ToolError, match="took too long"):
        get(f"http://{site}/{page}", seconds=0.4)
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("page", ["slow-body", "silent"])
def test_cancelling_ends_the_download(site: str, page: str) -> None:
    cancelled = threading.Event()
    threading.Timer(0.3, cancelled.set).start()
    began = time.monotonic()

    with pytest.raises(ToolError, match="cancelled"):
        get(f"http://{site}/{page}", cancelled=cancelled)
    assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("file:///etc/passwd", "only http and https"),
        ("ftp://host/", "only http and https"),
        ("gopher://127.0.0.1:5432/_x", "only http and https"),
        ("", "only http and https"),
        ("example.com", "only http and https"),
        ("http://", "names no host"),
        ("http:///path", "names no host"),
        ("http://user:password@127.0.0.1/", "user name or password"),
        ("http://127.0.0.1@evil.test/", "user name or password"),
        ("http://host:port/", "not a URL"),
        ("http://host:99999/", "not a URL"),
        ("http://[::1/", "not a URL"),
        ("http://" + "x" * 64 + ".test/", "not a URL"),
        ("http://" + "x" * 5_000, "more than 4000 characters"),
        ("http://127.0.0.1:1/", "can't fetch"),
        ("http://a b.test/", "not a URL"),
        ("http://a\r\nHost: b/", "not a URL"),
        ("http://127.0.0.1\0.test/", "not a URL"),
    ],
)
def test_urls_that_are_not_for_fetching_are_refused(url: str, complaint: str) -> None:
    with pytest.raises(ToolError, match=complaint):
        get(url)


def test_a_name_is_resolved_once_so_that_it_can_not_change_its_mind(
    site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine, asked = socket.getaddrinfo, []

    def rebinding(host: str, *arguments: Any, **options: Any) -> Any:
        if host != "rebind.test":
            return genuine(host, *arguments, **options)
        asked.append(host)
        return genuine("127.0.0.1" if len(asked) == 1 else "127.0.0.2", *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    port = site.rpartition(":")[2]

    assert get(f"http://rebind.test:{port}/").body == f"rebind.test:{port} /".encode()
    assert asked == ["rebind.test"]


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the openssl program to make a certificate")
    file = tmp_path / "both.pem"
    subprocess.run(
        [
            openssl,
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=secure.test",
            "-addext",
            "subjectAltName=DNS:secure.test",
            "-keyout",
            str(file),
            "-out",
            str(tmp_path / "cert.pem"),
        ],
        check=True,
        capture_output=True,
    )
    file.write_text(file.read_text() + (tmp_path / "cert.pem").read_text())
    return file


@pytest.fixture
def secure_port(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    server = Server(("127.0.0.1", 0), Pages)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    genuine = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *a, **k: genuine("127.0.0.1" if host.endswith(".test") else host, *a, **k),
    )
    for address in serving(server):
        yield address.rpartition(":")[2]


def test_https_checks_the_certificate_against_the_name(
    secure_port: str, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.with_name("cert.pem")))

    assert get(f"https://secure.test:{secure_port}/").status == 200
    with pytest.raises(ToolError, match=r"(?i)hostname"):
        get(f"https://other.test:{secure_port}/")


def test_https_refuses_a_certificate_that_nobody_vouches_for(secure_port: str) -> None:
    with pytest.raises(ToolError, match=r"(?i)certificate verify failed"):
        get(f"https://secure.test:{secure_port}/")


def test_a_handshake_can_not_take_forever() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(ToolError, match="took too long"):
            get(f"https://127.0.0.1:{port}/", seconds=0.3)
