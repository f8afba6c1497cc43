"""What connections share."""

from __future__ import annotations

import ssl

import pytest

from messagedb_agent.llm.adapters.transport import tls_context


def test_the_authorities_are_read_once() -> None:
    assert tls_context() is tls_context()


def test_other_authorities_are_another_context(monkeypatch: pytest.MonkeyPatch) -> None:
    before = tls_context()
    monkeypatch.setenv("SSL_CERT_DIR", "/nowhere")

    assert tls_context() is not before


def test_certificates_are_checked() -> None:
    context = tls_context()

    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
