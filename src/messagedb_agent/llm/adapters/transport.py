"""What connections to providers share: the SDKs' HTTP library, and the trusted authorities."""

from __future__ import annotations

import os
import ssl
import threading
from importlib import import_module
from typing import Any

_lock = threading.Lock()
_contexts: dict[tuple[str | None, ...], ssl.SSLContext] = {}


def http_library() -> Any:
    """Under which name the SDKs brought it: older ones have httpx."""
    try:
        return import_module("httpx2")
    except ModuleNotFoundError:
        return import_module("httpx")


def tls_context() -> ssl.SSLContext:
    """
    The authorities that the SDKs would trust, by SSL_CERT_FILE and SSL_CERT_DIR.

    Each client would read them anew, which takes longer than many a call to a server nearby.
    """
    library = http_library()
    trusted = tuple(os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"))
    with _lock:
        if trusted not in _contexts:
            _contexts[trusted] = library.create_ssl_context()
        return _contexts[trusted]
