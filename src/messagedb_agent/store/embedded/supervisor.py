"""
The server's guardian: a program of its own, without any import from this package.

It starts the server (or watches one that lost its guardian), reaps it, and stops it when
no client has held the lease for a while. Its guard lock tells the others that it lives.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import sys
import time
from pathlib import Path
from typing import NoReturn

# Everything is imported above: after the change of user Python's own files may be out of reach.

LONGEST_LOG = 4 * 1024 * 1024
KEPT_LOG = 256 * 1024
LONGEST_NAP = 5.0
# Clients wait at the lease meanwhile, so each kind of stop gets an end.
STOPS = ((signal.SIGINT, 60.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0))


class Alarm:
    """Wakes the guardian for signals, and remembers whether it was asked to stop."""

    def __init__(self) -> None:
        self.stop_asked = False
        self._read, write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for asking in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(asking, self._ask)

    def _ask(self, *_: object) -> None:
        self.stop_asked = True

    def wait(self, seconds: float, also: int | None = None) -> None:
        """Wait for a signal, for `also` to become readable, or for the time to pass."""
        watched = [self._read] if also is None else [self._read, also]
        ready, _, _ = select.select(watched, [], [], seconds)
        if self._read in ready:
            os.read(self._read, 4096)


class Server:
    """The server process, our child or an orphan."""

    def __init__(self, pid: int, *, is_child: bool) -> None:
        self.pid = pid
        self._is_child = is_child
        self.descriptor = None if is_child else _open_process(pid)

    def has_ended(self) -> bool:
        if self._is_child:
            return os.waitpid(self.pid, os.WNOHANG)[0] != 0
        if self.descriptor is not None:
            return bool(select.select([self.descriptor], [], [], 0)[0])
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        return False

    def has_sessions(self) -> bool:
        """Whether somebody is connected, with or without a lease; only Linux tells."""
        try:
            children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        except OSError:
            return False
        return any(map(_is_session, children))

    def stop(self, alarm: Alarm) -> None:
        for number, patience in STOPS:
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return
            end = time.monotonic() + patience
            while time.monotonic() < end:
                if self.has_ended():
                    return
                alarm.wait(0.1, self.descriptor)


def _open_process(pid: int) -> int | None:
    # A descriptor can not come to mean another process. macOS and old kernels have none.
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None


def _is_session(pid: str) -> bool:
    try:
        return b" [local] " in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def start(command: list[str]) -> Server:
    """Start the server as a child of this process."""
    pid = os.fork()
    if pid:
        return Server(pid, is_child=True)
    # Python ignores these; the server should find them as any program does.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    try:
        os.execv(command[0], command)  # noqa: S606  no shell wanted
    except OSError as error:
        os.write(2, os.fsencode(f"FATAL:  can not run {command[0]}: {error.strerror}\n"))
        os._exit(127)


def guard(server: Server, lease: int, idle_seconds: float, alarm: Alarm) -> None:
    """Stay as long as the server lives; stop it when nobody has needed it for a while."""
    nap = min(LONGEST_NAP, max(0.05, idle_seconds / 4))
    last_use, last_mark = time.monotonic(), _mark(lease)
    while not server.has_ended():
        if alarm.stop_asked:
            server.stop(alarm)
            return
        is_free = _lock(lease)
        # Clients mark the file: a short one may come and go between two looks.
        mark = _mark(lease)
        if not is_free or mark != last_mark or server.has_sessions():
            last_use, last_mark = time.monotonic(), mark
        if is_free and time.monotonic() - last_use >= idle_seconds:
            # With the lease held, the next client waits until all is over, then starts anew.
            server.stop(alarm)
            return
        if is_free:
            fcntl.flock(lease, fcntl.LOCK_UN)
        trim_log(1)
        alarm.wait(nap, server.descriptor)


def _lock(lease: int) -> bool:
    try:
        fcntl.flock(lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _mark(lease: int) -> int:
    return os.fstat(lease).st_mtime_ns


def trim_log(fd: int) -> None:
    """Keep the end of a log that has grown long; its writers append, so they go on there."""
    size = os.fstat(fd).st_size
    if size > LONGEST_LOG:
        end = os.pread(fd, KEPT_LOG, size - KEPT_LOG)
        os.ftruncate(fd, 0)
        os.write(fd, end[end.find(b"\n") + 1 :])


def become(uid: int, gid: int) -> None:
    """Give up root's rights for good."""
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def main(arguments: list[str]) -> NoReturn:
    """Detach, then guard: `IDLE UID GID GUARD_FD LEASE_FD run COMMAND…|watch PID`."""
    idle, (uid, gid, lock, lease) = float(arguments[0]), map(int, arguments[1:5])
    task, rest = arguments[5], arguments[6:]
    os.umask(0o077)
    if uid >= 0:
        become(uid, gid)
    if os.fork():
        os._exit(0)
    # Ours alone: a server that inherited them would look like a client and a guardian.
    os.set_inheritable(lock, False)  # noqa: FBT003  takes no keyword
    os.set_inheritable(lease, False)  # noqa: FBT003  likewise
    alarm = Alarm()
    server = start(rest) if task == "run" else Server(int(rest[0]), is_child=False)
    guard(server, lease, idle, alarm)
    sys.exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
