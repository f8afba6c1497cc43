"""From whatever state things are in to a server that takes connections."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from signal import SIGINT

from messagedb_agent.errors import EmbeddedServerError
from messagedb_agent.store.embedded.binaries import find_binaries
from messagedb_agent.store.embedded.cluster import create_cluster
from messagedb_agent.store.embedded.home import VARIABLE
from messagedb_agent.store.embedded.launch import adopt_server, server_command, start_server
from messagedb_agent.store.embedded.locks import is_held
from messagedb_agent.store.embedded.messages import reason
from messagedb_agent.store.embedded.place import Place, make_private
from messagedb_agent.store.embedded.private_copy import usable_binaries
from messagedb_agent.store.embedded.probe import (
    is_ready,
    live_postmaster,
    read_pid_file,
    remove_stale_locks,
)

PATIENCE = 60.0
LOOK_EVERY = 0.005
# What a server says that meets the remains of the one before: they go away by themselves.
PASSING = ("shared memory block", "lock file")
PASSING_SECONDS = 10.0
TRIES = 3


class Starter:
    """Brings one server up; use it with the start lock held."""

    def __init__(
        self, place: Place, *, idle_seconds: float, durable: bool, settings: Mapping[str, str]
    ) -> None:
        self._place = place
        self._idle_seconds = idle_seconds
        self._durable = durable
        self._settings = settings
        self._began = time.monotonic()
        self._log_start = 0

    def bring_up(self) -> str:
        """Look, do the one thing that is missing, and look again. Says how it was done."""
        how = "warm"
        tries = 0
        while True:
            if is_held(self._place.guard_lock):
                # Another one may have started it and died; its supervisor carries on.
                if is_ready(self._place):
                    return how
                self._stop_if_unreachable()
            elif pid := live_postmaster(self._place):
                adopt_server(pid, self._place, self._idle_seconds)
            else:
                if tries:
                    self._give_up_unless_passing(tries)
                how = self._start()
                tries += 1
            self._wait()

    def _stop_if_unreachable(self) -> None:
        # Somebody cleaned up the temporary files; nobody can connect any more.
        pid, state = read_pid_file(self._place)
        if state == "ready" and not self._place.socket.exists() and live_postmaster(self._place):
            os.kill(pid, SIGINT)

    def _start(self) -> str:
        place = self._place
        if not place.account.can_enter(place.root):
            raise EmbeddedServerError(
                f"uid {place.account.uid}, who runs the database, can not enter {place.root}; "
                f"restore the permissions of the folders above it, or set {VARIABLE}"
            )
        mark = place.data / "PG_VERSION"
        major = mark.read_text(encoding="ascii").strip() if mark.exists() else None
        binaries = usable_binaries(find_binaries(os.environ, major=major), place)
        if major is None:
            create_cluster(binaries, place, durable=self._durable)
        make_private(place.socket_folder, place.account)
        remove_stale_locks(place)
        self._log_start = _size(place.log)
        command = server_command(binaries, place, durable=self._durable, settings=self._settings)
        start_server(command, place, self._idle_seconds)
        return "start" if major else "cold"

    def _give_up_unless_passing(self, tries: int) -> None:
        with self._place.log.open("rb") as log:
            log.seek(self._log_start)
            output = log.read().decode(errors="replace")
        if any(word in output for word in PASSING):
            is_passing = time.monotonic() - self._began < PASSING_SECONDS
        else:
            # Killed, perhaps, in the middle of its start: that does not happen each time.
            is_passing = "FATAL:" not in output and tries < TRIES
        if not is_passing:
            raise EmbeddedServerError(
                f"the database did not start: {reason(output)}; see {self._place.log}"
            )

    def _wait(self) -> None:
        if time.monotonic() - self._began > PATIENCE:
            raise EmbeddedServerError(
                f"the database is not ready after {PATIENCE:.0f} seconds; see {self._place.log}"
            )
        # Other people's processes: nothing announces what they have done, so ask often.
        time.sleep(LOOK_EVERY)


def await_end(place: Place, seconds: float) -> bool:
    """Wait until neither server nor supervisor is left."""
    end = time.monotonic() + seconds
    while live_postmaster(place) or is_held(place.guard_lock):
        if time.monotonic() > end:
            return False
        # Another process, not our child: there is nothing to wait on but its absence.
        time.sleep(LOOK_EVERY)
    return True


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
