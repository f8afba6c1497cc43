"""Application Default Credentials, and the project they belong to."""

from __future__ import annotations

import logging
import os
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import msgspec

from messagedb_agent.llm.adapters.transport import http_library, tls_context

_SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]
_TOKEN_SECONDS = 60.0


class Login(msgspec.Struct, frozen=True):
    """Credentials as google-auth has them, and their project if they tell it."""

    credentials: Any
    project: str | None

    def renew(self) -> None:
        """
        Fetch a token if there is none that lasts.

        The SDKs would do it as well, by a third HTTP library that takes time to import and has
        variables of its own for certificates.
        """
        if not self.credentials.valid:
            self.credentials.refresh(_request())


_prepared: dict[str, Future[Login]] = {}


def prepare(environ: Mapping[str, str]) -> Callable[[], None]:
    """
    What loads the credentials and then fetches a token in the background.

    The next `load` takes them, and waits for them; so what this gives has to be called.
    """
    future: Future[Login] = Future()

    def renew(login: Login) -> None:
        with _failing(future):
            login.renew()
            future.set_result(login)

    def work() -> None:
        with _failing(future):
            login = _load(environ)
            http_library()
            threading.Thread(target=renew, args=(login,), name="google-login", daemon=True).start()

    _prepared[_path(environ)] = future
    return work


@contextmanager
def _failing(future: Future[Login]) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whoever takes the credentials gets it
        future.set_exception(error)


def load(environ: Mapping[str, str]) -> Login:
    """The credentials that were prepared, or else loaded now."""
    future = _prepared.pop(_path(environ), None)
    return future.result() if future else _load(environ)


def _load(environ: Mapping[str, str]) -> Login:
    """
    What google-auth finds.

    The file that GOOGLE_APPLICATION_CREDENTIALS names is read here, because the variable
    may come from a configuration file and not from the process's own environment.
    """
    import google.auth

    auth: Any = google.auth
    # Not for the person at the terminal: calls work without a quota project, and a file that
    # the operator names is as trusted as the one that the SDK would find by itself.
    warnings.filterwarnings("ignore", message="Your application has authenticated using end user")
    warnings.filterwarnings("ignore", message="The load_credentials_from_file method is deprecated")
    # What it warns of while it looks around is either no matter or an error after all.
    logging.getLogger("google.auth").setLevel(logging.ERROR)
    path = _path(environ)
    if path and path != os.environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
        return Login(*auth.load_credentials_from_file(path, scopes=_SCOPES))
    return Login(*auth.default(scopes=_SCOPES))


def _path(environ: Mapping[str, str]) -> str:
    return environ.get("GOOGLE_APPLICATION_CREDENTIALS") or ""


def has_client_certificate() -> bool:
    """Whether this machine identifies itself to Google by a certificate of its own."""
    from google.auth.transport import mtls

    transport: Any = mtls
    return bool(transport.has_default_client_cert_source())


def _request() -> Any:
    if has_client_certificate():
        from google.auth.transport import requests

        transport: Any = requests
        return transport.Request()
    return _fetch


class _Response(msgspec.Struct, frozen=True):
    status: int
    headers: Mapping[str, str]
    data: bytes


def _fetch(
    url: str,
    method: str = "GET",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float | None = None,
    **_: object,
) -> _Response:
    """A request as google-auth wants it made (`google.auth.transport.Request`)."""
    from google.auth.exceptions import TransportError

    library = http_library()
    try:
        response = library.request(
            method,
            url,
            content=body,
            headers=headers,
            timeout=timeout or _TOKEN_SECONDS,
            verify=tls_context(),
            follow_redirects=True,
        )
    except library.HTTPError as error:
        failure: Exception = TransportError(error)  # type: ignore[no-untyped-call]  # google-auth has no types there
        raise failure from error
    return _Response(response.status_code, response.headers, response.content)
