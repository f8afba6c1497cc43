"""Application Default Credentials, and the project they belong to."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

_SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]


def load(environ: Mapping[str, str]) -> tuple[Any, str | None]:
    """
    The credentials and their project, if they tell it.

    The file that GOOGLE_APPLICATION_CREDENTIALS names is read here, because the variable
    may come from a configuration file and not from the process's own environment.
    """
    import google.auth

    auth: Any = google.auth
    # Not for the person at the terminal: calls work, and a quota project is theirs to choose.
    warnings.filterwarnings("ignore", message="Your application has authenticated using end user")
    if path := environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
        credentials, project = auth.load_credentials_from_file(path, scopes=_SCOPES)
    else:
        credentials, project = auth.default(scopes=_SCOPES)
    return credentials, project
