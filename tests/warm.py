"""
Commands of the command line without their start: a process that has imported it forks for each.

A command is a process of its own, with its own arguments, environment, folder and streams, that
signals reach and that leaves with an exit code. Only its imports were made before: the SDKs' take
seconds. So this is not for what a start itself does, or may not import; see `Warm.run`.

This file is also that process's program. It is asked over a socket: with each byte come a channel
and the command's three streams. On the channel the command reads what it is, and the asker reads
two lines, the number of its process and how it ended.
"""

from __future__ import annotations

import gc
import importlib
import io
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NamedTuple, NoReturn

import pytest

ROOT = Path(__file__).resolve().parents[1]
PATIENCE_SECONDS = 60.0
SDKS = (
    "anthropic.lib.vertex",
    "google.auth.transport.requests",
    "google.genai",
    "google.oauth2.service_account",
    "mcp.client.stdio",
    "mcp.client.streamable_http",
    "openai",
)
# Python itself reads these, before any of its programs runs.
_READ_AT_START = ("PYTHON", "LANG", "LC_")


class Ended(NamedTuple):
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


class Warm:
    """The process that forks; it starts with the first command, and `stop` ends it."""

    def __init__(self) -> None:
        # What a developer has set must not decide what the tests see.
        kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT")
        self.environment = {
            **{name: os.environ[name] for name in kept if name in os.environ},
            "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT / "src"), *sys.path])),
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._requests: socket.socket | None = None

    def run(
        self,
        *arguments: str,
        cwd: Path,
        environment: Mapping[str, str],
        stdin: bytes = b"",
    ) -> Ended:
        """
        Run a command to its end, in an environment that starts from this object's own.

        What Python reads when it starts must be the same there.
        """
        assert _read_at_start(environment) == _read_at_start(self.environment)
        channel, theirs = socket.socketpair()
        read_end, write_end = os.pipe()
        with channel, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            streams = [read_end, out.fileno(), err.fileno()]
            socket.send_fds(self._asked(), [b"?"], [theirs.fileno(), *streams])
            theirs.close()
            os.close(read_end)
            channel.sendall(json.dumps([arguments, str(cwd), dict(environment)]).encode())
            channel.shutdown(socket.SHUT_WR)
            # It need not have read all before it ended.
            with suppress(BrokenPipeError), os.fdopen(write_end, "wb") as feed:
                feed.write(stdin)
            return Ended(_code(channel), _content(out), _content(err))

    def stop(self) -> None:
        """End the process; commands that still run are left alone."""
        if self._process is not None and self._requests is not None:
            self._requests.close()
            self._process.wait()

    def _asked(self) -> socket.socket:
        if self._requests is None:
            self._requests, theirs = socket.socketpair()
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", str(Path(__file__)), str(theirs.fileno())],
                    cwd="/",
                    env=self.environment,
                    stdin=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                )
        return self._requests


def _read_at_start(environment: Mapping[str, str]) -> dict[str, str]:
    return {k: value for k, value in environment.items() if k.startswith(_READ_AT_START)}


def _code(channel: socket.socket) -> int:
    channel.settimeout(PATIENCE_SECONDS)
    with channel.makefile("r") as lines:
        process = int(lines.readline())
        try:
            return os.waitstatus_to_exitcode(int(lines.readline()))
        except TimeoutError:
            os.kill(process, signal.SIGKILL)
            raise


def _content(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    """One for each test process."""
    process = Warm()
    yield process
    process.stop()


def _import_everything() -> None:
    package = importlib.import_module("messagedb_agent")
    for module in pkgutil.walk_packages(package.__path__, "messagedb_agent."):
        if not module.name.startswith("messagedb_agent.testing") and "__main__" not in module.name:
            importlib.import_module(module.name)
    for name in SDKS:
        importlib.import_module(name)
    # What is never collected is never written to either, so its memory stays shared.
    gc.collect()
    gc.freeze()


def _serve(requests: socket.socket) -> None:
    """Fork for each request and tell how each child ended, until there can be no more requests."""
    running: dict[int, socket.socket] = {}
    ended, ends = os.pipe()
    for end in (ended, ends):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(ends, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        ready, _, _ = select.select([requests.fileno(), ended], [], [])
        if ended in ready:
            os.read(ended, 4096)
            _tell(running)
        if requests.fileno() in ready:
            message, received, *_ = socket.recv_fds(requests, 1, 4)
            if not message:
                return
            for descriptor in received:
                os.set_inheritable(descriptor, False)
            channel = socket.socket(fileno=received[0])
            child = os.fork()
            if not child:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                _be_command(channel, received[1:])
            for stream in received[1:]:
                os.close(stream)
            running[child] = channel
            with suppress(OSError):
                channel.sendall(f"{child}\n".encode())


def _tell(running: dict[int, socket.socket]) -> None:
    for child, channel in list(running.items()):
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            # Who asked may have given up.
            with running.pop(child), suppress(OSError):
                channel.sendall(f"{status}\n".encode())


def _be_command(channel: socket.socket, streams: Sequence[int]) -> NoReturn:
    try:
        with channel, channel.makefile("r") as asked:
            arguments, folder, environment = json.load(asked)
        _take_streams(streams)
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)
        # As `python -m` has it.
        sys.path.insert(0, folder)
        command = importlib.import_module("messagedb_agent.cli.main")
        sys.argv = [str(command.__file__), *arguments]
        command.entry_point()
    except BaseException:  # noqa: BLE001  # a copy must never go on to be the original
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(1)


def _take_streams(streams: Sequence[int]) -> None:
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    # Those of the original remember how its own streams were to be buffered.
    writers = [io.BufferedWriter(io.FileIO(number, "w", closefd=False)) for number in (1, 2)]
    sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)))
    sys.stdout = io.TextIOWrapper(writers[0])
    sys.stderr = io.TextIOWrapper(writers[1], errors="backslashreplace", line_buffering=True)


if __name__ == "__main__":
    _import_everything()
    with suppress(KeyboardInterrupt):
        _serve(socket.socket(fileno=int(sys.argv[1])))
