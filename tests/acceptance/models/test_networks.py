"""Proxies, and servers whose certificates an authority of one's own has signed."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from messagedb_agent.testing.provider_frames import Reply
from messagedb_agent.testing.provider_server import ProviderServer
from tests.acceptance.conftest import Cli
from tests.acceptance.models.conftest import ALL, EACH, OPENAI, Dialect


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that signs itself, with its key in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "an authority of our own")])
    now = datetime.now(UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    private = key.private_bytes(
        encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = tmp_path_factory.mktemp("authority") / "authority.pem"
    file.write_bytes(certificate.public_bytes(encoding) + private)
    return file


@pytest.fixture
def secure(authority: Path, cli: Cli, tmp_path: Path) -> Iterator[ProviderServer]:
    """Models and tokens behind HTTPS."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(authority)
    with ProviderServer(tls=tls) as server:
        server.write_service_account(tmp_path / "account.json")
        cli.environment |= {**server.environment(), "MODEL_MAX_ATTEMPTS": "1"}
        yield server


@EACH
@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_either_variable_makes_an_authority_known(
    cli: Cli, secure: ProviderServer, authority: Path, dialect: Dialect, variable: str
) -> None:
    secure.script(Reply(text="in private"))

    told = cli.ask("start", "hi", "--model", dialect.model, env={variable: str(authority)})

    assert told["response"] == "in private"


def test_an_unknown_authority_is_one_line_with_what_to_do(cli: Cli, secure: ProviderServer) -> None:
    ended = cli("start", "hi", "--model", OPENAI.model)

    assert ended.code == 1
    assert "SSL_CERT_FILE" in ended.err.splitlines()[-1]
    assert secure.requests == []


def test_requests_go_through_the_proxy(cli: Cli, provider: ProviderServer) -> None:
    elsewhere = {
        name: value.replace(provider.url, "http://provider.invalid")
        for name, value in provider.environment().items()
    }
    # The account's tokens come from where its file says.
    proxy = {"HTTP_PROXY": provider.url, "http_proxy": provider.url, "NO_PROXY": "127.0.0.1"}
    for dialect in ALL:
        provider.script(Reply(text="by way of"))

        told = cli.ask("start", "hi", "--model", dialect.model, env=elsewhere | proxy)

        assert told["response"] == "by way of"
        assert provider.requests[-1].path.startswith("http://provider.invalid/")
