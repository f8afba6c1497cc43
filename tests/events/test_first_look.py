"""Types that several threads meet for the first time, at once."""

from __future__ import annotations

import os
import subprocess
import sys

MEETING = """
import threading
import msgspec
from messagedb_agent.events import register
from messagedb_agent.events.base import Event
from messagedb_agent.events.codec import decode_event

is_looking, is_read = threading.Event(), threading.Event()

def slowly():
    is_looking.set()
    is_read.wait(0.5)
    return int

class Inner(msgspec.Struct, frozen=True):
    number: "slowly()"

@register
class Outer(Event, frozen=True, kw_only=True):
    inner: Inner

def read():
    return decode_event("Outer", '{"inner": {"number": 1}}', None)

first = threading.Thread(target=read)
first.start()
is_looking.wait()
assert read() == Outer(inner=Inner(1))
is_read.set()
first.join()
"""


def test_an_event_that_two_threads_read_at_once_does_not_end_the_process() -> None:
    ended = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", MEETING],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
