"""Application Default Credentials, and the project they belong to."""

from __future__ import annotations

import os
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
    # Not for the person at the terminal: calls work without a quota project, and a file that
    # the operator names is as trusted as the one that the SDK would find by itself.
    warnings.filterwarnings("ignore", message="Your application has authenticated using end user")
    warnings.filterwarnings("ignore", message="The load_credentials_from_file method is deprecated")
    path = environ.get("GOOGLE_APPLICATION_CREDENTIALS")
    if path and path != os.environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
        credentials, project = auth.load_credentials_from_file(path, scopes=_SCOPES)
    else:
        credentials, project = auth.default(scopes=_SCOPES)
    return credentials, project
