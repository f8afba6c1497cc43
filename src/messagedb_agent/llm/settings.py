"""What a model may need besides its name."""

from __future__ import annotations

import os
from collections.abc import Mapping

import msgspec

DEFAULT_LOCATION = "global"
DEFAULT_TIMEOUT_SECONDS = 120.0


def _environment() -> Mapping[str, str]:
    return dict(os.environ)


class ModelSettings(msgspec.Struct, frozen=True, kw_only=True):
    """
    What adapters may need besides the name.

    `environ` holds the variables that the providers' SDKs define (keys, base URLs). A model
    may be silent for `timeout_seconds`; it has to take the connection in `connect_seconds`.
    """

    gcp_project: str | None = None
    gcp_location: str | None = None
    environ: Mapping[str, str] = msgspec.field(default_factory=_environment)
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
    connect_seconds: float = 10.0

    def __repr__(self) -> str:
        """Without the environment, which holds keys."""
        return f"ModelSettings(gcp_project={self.gcp_project!r}, location={self.gcp_location!r})"

    def location(self, variable: str) -> str:
        """The Google Cloud location: as set, as the SDK's own variable says, or the default."""
        return (
            self.gcp_location
            or self.environ.get(variable)
            or self.environ.get("GOOGLE_CLOUD_LOCATION")
            or DEFAULT_LOCATION
        )
