"""Old shapes of event data, lifted to the shape the classes have today."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

Upcaster: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]
"""Takes the data of one schema version to that of the next."""

_upcasters: dict[tuple[str, int], Upcaster] = {}


def register_upcaster(type_name: str, from_version: int, upcaster: Upcaster) -> None:
    """Lift `type_name` from one schema version to the next; raises `ValueError` if taken."""
    if _upcasters.setdefault((type_name, from_version), upcaster) is not upcaster:
        raise ValueError(f"{type_name} version {from_version} already has an upcaster")


def upcast(type_name: str, version: int, data: dict[str, Any]) -> dict[str, Any]:
    """The data in the newest shape, one version at a time."""
    while upcaster := _upcasters.get((type_name, version)):
        data, version = upcaster(data), version + 1
    return data
