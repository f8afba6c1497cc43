"""
Run a program under control: its own process group, bounded output, bounded time.

Standard input is empty and the environment holds no secrets. Needs POSIX process groups.
"""

from __future__ import annotations

import atexit
import os
import re
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Self

import msgspec

from messagedb_agent.cancellation import Cancellation
from messagedb_agent.errors import ToolError

MAX_STREAM_BYTES = 32 * 1024
_POLL_SECONDS = 0.05
_LINGER_SECONDS = 0.25
_TERM_SECONDS = 2.0
_LEAVING_SECONDS = 0.5
_LONGEST_LINE = 300
_SECRET = re.compile(
    r"KEY|TOKEN|SECRET|PASS|PWD$|CREDENTIAL|_HEADERS$|^(DATABASE|REDIS)_URL$|^DB_|^PG",
    re.IGNORECASE,
)
_URL_WITH_PASSWORD = re.compile(r"://[^/\s:@]*:[^/\s@]+@")


_groups: set[int] = set()
"""The process groups of the programs that run."""
_starting = threading.RLock()
"""Held from before a program begins until its group is known; a signal may come in between."""
_ended = threading.Condition()
"""Told when a program has ended."""


def _have_none() -> None:
    # Who held them is not there in a child that was forked.
    global _starting, _ended
    _starting, _ended = threading.RLock(), threading.Condition()
    _groups.clear()


os.register_at_fork(after_in_child=_have_none)


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """
    How a program ended: what it wrote, and why it was stopped if it was.

    A negative `exit_code` is the number of the signal that ended it. `duration` is in seconds.
    """

    exit_code: int
    stdout: str
    stderr: str
    truncated: bool
    duration: float
    stopped: str | None = None


class HeadAndTail:
    """Keeps the beginning and the end of a stream of bytes."""

    def __init__(self, limit: int) -> None:
        self._half = limit // 2
        self._head = bytearray()
        self._tail = bytearray()
        self._dropped = 0

    def add(self, data: bytes) -> None:
        """Take the next bytes."""
        room = self._half - len(self._head)
        self._head += data[:room]
        self._tail += data[room:]
        surplus = len(self._tail) - self._half
        if surplus > 0:
            del self._tail[:surplus]
            self._dropped += surplus

    @property
    def truncated(self) -> bool:
        """Whether something is missing in the middle."""
        return self._dropped > 0

    def __str__(self) -> str:
        if not self._dropped:
            return (self._head + self._tail).decode("utf-8", "replace")
        notice = f"\n[… {self._dropped} bytes left out …]\n"
        head, tail = (part.decode("utf-8", "replace") for part in (self._head, self._tail))
        return head + notice + tail


def run(
    argv: Sequence[str],
    *,
    cwd: str,
    seconds: float,
    cancelled: Cancellation,
    progress: Callable[[str], None],
) -> Ended:
    """
    Run a program until it ends, for at most `seconds`, or until `cancelled`.

    `progress` is told the last line of what it has just written. Whatever it started in its
    process group ends with it. Raises `ToolError` when it can't be started.
    """
    began = time.monotonic()
    with _starting:
        process = _start(argv, cwd)
        _groups.add(process.pid)
    streams = (HeadAndTail(MAX_STREAM_BYTES), HeadAndTail(MAX_STREAM_BYTES))
    with process, _Pipes(process, streams, progress) as pipes:
        try:
            stopped = _until_ended(process, pipes, began + seconds, cancelled)
            if stopped:
                _signal_group(process.pid, signal.SIGTERM)
                _drain(process, pipes, _TERM_SECONDS)
        finally:
            _end(process.pid)
        code = process.wait()
        # A descendant in another group may hold the pipes open for as long as it lives.
        _drain(process, pipes, _LINGER_SECONDS)
    return Ended(
        exit_code=code,
        stdout=str(streams[0]),
        stderr=str(streams[1]),
        truncated=any(stream.truncated for stream in streams),
        duration=round(time.monotonic() - began, 3),
        stopped=stopped,
    )


@atexit.register
def end_programs() -> None:
    """
    End the programs that still run, as this process is about to leave.

    The thread that looks after a program ends with the process, perhaps before it has ended the
    program. Those that don't go when they are asked to are killed after half a second.
    """
    if _starting.acquire(timeout=_LEAVING_SECONDS):
        # Only to know of the one that was about to begin.
        _starting.release()
    for group in tuple(_groups):
        _signal_group(group, signal.SIGTERM)
    with _ended:
        _ended.wait_for(lambda: not _groups, _LEAVING_SECONDS)
    for group in tuple(_groups):
        _signal_group(group, signal.SIGKILL)


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables whose names and values don't look like credentials."""
    return {
        name: value
        for name, value in environment.items()
        if not _SECRET.search(name) and not _URL_WITH_PASSWORD.search(value)
    }


def _start(argv: Sequence[str], cwd: str) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(  # noqa: S603  running what was approved is the purpose; no shell
            list(argv),
            cwd=cwd,
            env=without_secrets(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
    except OSError as error:
        raise ToolError(f"can't run {argv[0][:200]!r}: {error.strerror or error}") from error
    except ValueError as error:
        raise ToolError(f"can't run this: {error}") from error


class _Pipes:
    """The two output pipes of a process, read as data comes."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        streams: tuple[HeadAndTail, HeadAndTail],
        progress: Callable[[str], None],
    ) -> None:
        self._progress = progress
        self._selector = selectors.DefaultSelector()
        for pipe, stream in zip((process.stdout, process.stderr), streams, strict=True):
            if pipe is not None:
                self._selector.register(pipe, selectors.EVENT_READ, stream)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()

    @property
    def open(self) -> bool:
        """Whether anything may still come."""
        return bool(self._selector.get_map())

    def read(self, seconds: float) -> None:
        """Read once from each pipe that has something, waiting at most `seconds` for it."""
        for key, _ in self._selector.select(seconds):
            if data := os.read(key.fd, 65_536):
                key.data.add(data)
                if lines := data.rstrip().splitlines():
                    self._progress(lines[-1][-_LONGEST_LINE:].decode("utf-8", "replace"))
            else:
                self._selector.unregister(key.fileobj)


def _until_ended(
    process: subprocess.Popen[bytes], pipes: _Pipes, deadline: float, cancelled: Cancellation
) -> str | None:
    """Read until the process is over; why it has to be stopped, if it is not."""
    while process.poll() is None:
        if cancelled.is_set():
            return "cancelled"
        if time.monotonic() >= deadline:
            return "timeout"
        if pipes.open:
            pipes.read(_POLL_SECONDS)
        else:
            cancelled.wait(_POLL_SECONDS)
    return None


def _drain(process: subprocess.Popen[bytes], pipes: _Pipes, seconds: float) -> None:
    """Go on reading for a while: until the pipes are closed and the process is over."""
    deadline = time.monotonic() + seconds
    while (pipes.open or process.poll() is None) and time.monotonic() < deadline:
        if pipes.open:
            pipes.read(_POLL_SECONDS)
        else:
            time.sleep(_POLL_SECONDS)


def _end(group: int) -> None:
    _signal_group(group, signal.SIGKILL)
    with _ended:
        _groups.discard(group)
        _ended.notify_all()


def _signal_group(group: int, number: signal.Signals) -> None:
    # The leader of the session may be gone while others of its group are not.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
