"""Tokens for Vertex AI, from a server on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from google.auth.exceptions import RefreshError, TransportError

from messagedb_agent.llm.adapters import google_credentials
from messagedb_agent.testing.provider_server import ProviderServer


@pytest.fixture
def server() -> Iterator[ProviderServer]:
    with ProviderServer() as server:
        yield server


@pytest.fixture
def environ(server: ProviderServer, tmp_path: Path) -> Mapping[str, str]:
    server.write_service_account(tmp_path / "account.json")
    return server.environment()


def test_credentials_tell_their_project(environ: Mapping[str, str]) -> None:
    assert google_credentials.load(environ).project == "p1"


def test_a_token_is_fetched_when_there_is_none_that_lasts(
    server: ProviderServer, environ: Mapping[str, str]
) -> None:
    login = google_credentials.load(environ)

    login.renew()
    login.renew()

    assert login.credentials.token == "test-token"
    assert server.tokens_given == 1


def test_prepared_credentials_have_their_token(
    server: ProviderServer, environ: Mapping[str, str]
) -> None:
    google_credentials.prepare(environ)()

    google_credentials.load(environ).renew()

    assert server.tokens_given == 1


def test_prepared_credentials_are_taken_once(environ: Mapping[str, str]) -> None:
    google_credentials.prepare(environ)()
    first = google_credentials.load(environ)

    assert google_credentials.load(environ) is not first


def test_what_fails_ahead_is_told_to_whoever_needs_it(
    server: ProviderServer, environ: Mapping[str, str]
) -> None:
    server.refuses_tokens = True
    google_credentials.prepare(environ)()

    with pytest.raises(RefreshError):
        google_credentials.load(environ)
    server.refuses_tokens = False
    google_credentials.load(environ).renew()


def test_a_token_server_out_of_reach_is_a_failure_of_transport(
    environ: Mapping[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "account.json"
    account = json.loads(file.read_text()) | {"token_uri": "http://127.0.0.1:1/token"}
    file.write_text(json.dumps(account))

    with pytest.raises(TransportError):
        google_credentials.load(environ).renew()


def test_tokens_take_no_http_library_beside_that_of_the_sdks(environ: Mapping[str, str]) -> None:
    program = (
        "import os, sys; from messagedb_agent.llm.adapters import google_credentials as google;"
        "login = google.load(os.environ); login.renew();"
        "print(login.credentials.token, sorted({'requests', 'urllib3'} & set(sys.modules)))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.stdout, done.stderr) == ("test-token []\n", "")


def test_a_machine_with_a_certificate_of_its_own_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not google_credentials.has_client_certificate()
    paths = {"cert_path": str(tmp_path / "cert.pem"), "key_path": str(tmp_path / "key.pem")}
    for file in paths.values():
        Path(file).touch()
    config = tmp_path / "certificate_config.json"
    config.write_text(json.dumps({"cert_configs": {"workload": paths}}))
    monkeypatch.setenv("GOOGLE_API_CERTIFICATE_CONFIG", str(config))

    assert google_credentials.has_client_certificate()


def test_the_identity_of_a_workload_is_exchanged_for_a_token(
    server: ProviderServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "subject").write_text("a token of another cloud")
    pool = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x"
    account = {
        "type": "external_account",
        "audience": pool,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{server.url}/token",
        "credential_source": {"file": str(tmp_path / "subject")},
    }
    file = tmp_path / "identity.json"
    file.write_text(json.dumps(account))

    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    # Else google-auth asks a service of Google's for the project's name.
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p2")

    login = google_credentials.load(os.environ)
    login.renew()

    assert (login.credentials.token, login.project) == ("test-token", "p2")
