"""The event catalogue in spec.md says of each event what its class says."""

from __future__ import annotations

import re

import msgspec
import pytest

from messagedb_agent.events.base import Event
from messagedb_agent.events.registry import registered
from messagedb_agent.subscriber.dead_letters import EventSkipped
from tests.reader import ROOT

_ROW = re.compile(r"^\| (\w+) \| ([^|]*)\| ([^|]*)\| ([^|]*)\|$", re.MULTILINE)


def catalogue() -> dict[str, tuple[str, str, str]]:
    text = (ROOT / "spec.md").read_text(encoding="utf-8")
    section = text.split("\n## 3. Events", 1)[1].split("\n## ", 1)[0]
    rows = (tuple(cell.strip() for cell in found) for found in _ROW.findall(section))
    return {name: (data, metadata, when) for name, data, metadata, when in rows if name != "Event"}


def own_events() -> list[type[Event]]:
    ours = [cls for cls in registered() if cls.__module__.startswith("messagedb_agent.")]
    # Known only where consumers are, which is why it is imported here.
    assert EventSkipped in ours
    return ours


def described(cls: type[Event], *, metadata: bool) -> set[str]:
    return {
        f"{field.name}?" if field.default is None else field.name
        for field in msgspec.structs.fields(cls)
        if (field.name in cls.METADATA) is metadata
    }


def listed(cell: str) -> set[str]:
    return {name.strip() for name in cell.split(",") if name.strip()}


@pytest.mark.parametrize("cls", own_events(), ids=lambda cls: cls.__name__)
def test_the_catalogue_describes_the_event(cls: type[Event]) -> None:
    data, metadata, when = catalogue()[cls.__name__]

    assert listed(data) == described(cls, metadata=False)
    assert listed(metadata) == described(cls, metadata=True)
    assert when


def test_the_catalogue_describes_nothing_else() -> None:
    assert set(catalogue()) == {cls.__name__ for cls in own_events()}
