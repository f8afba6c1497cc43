from __future__ import annotations

import subprocess
import sys

PROGRAM = f"""
import gc, sys
sys.path[:] = {sys.path!r}
from messagedb_agent.cli.garbage import import_for_good
gc.set_threshold(10)
before = gc.get_stats()[0]["collections"]
gc.freeze = lambda freeze=gc.freeze: (print(gc.get_stats()[0]["collections"] - before), freeze())
try:
    import_for_good(sys.argv[1])
except ImportError:
    print("missing")
print(gc.isenabled(), gc.get_freeze_count() > 1000)
"""


def run(name: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, name], capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_no_garbage_is_looked_for_while_a_module_is_imported_nor_in_it_later() -> None:
    collections, enabled, kept = run("asyncio")

    assert int(collections) <= 1  # the one before it is off
    assert (enabled, kept) == ("True", "True")


def test_a_module_that_is_missing_leaves_collection_on() -> None:
    _, missing, enabled, _ = run("there_is_no_such_module")

    assert (missing, enabled) == ("missing", "True")
