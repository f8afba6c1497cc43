"""Ask what is really there: a server that answers, a process that lives."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from messagedb_agent.store.embedded.place import SOCKET, Place, is_private

# The protocol's SSLRequest: any PostgreSQL answers it with one letter, before any login.
SSL_REQUEST = b"\0\0\0\x08\x04\xd2\x16\x2f"


def is_ready(place: Place) -> bool:
    """Whether the server takes connections: it answers, and is neither starting nor stopping."""
    # The file alone may be left over from a dead server; the answer alone may come from one
    # that is still recovering.
    return read_pid_file(place)[1] == "ready" and answers(place)


def answers(place: Place, seconds: float = 2.0) -> bool:
    """Whether something speaks PostgreSQL on the socket, in a folder nobody else can write."""
    if not is_private(place.socket_folder, place.account):
        return False
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(seconds)
            connection.connect(os.fsencode(place.socket))
            connection.sendall(SSL_REQUEST)
            return connection.recv(1) in {b"N", b"S"}
    except OSError:
        return False


def read_pid_file(place: Place) -> tuple[int, str]:
    """The process and the state that `postmaster.pid` claims; `(0, "")` if it says nothing."""
    try:
        lines = (place.data / "postmaster.pid").read_bytes().splitlines()
    except OSError:
        return 0, ""
    pid = _as_pid(lines[0]) if lines else 0
    state = lines[7].strip().decode("ascii", "replace") if len(lines) > 7 else ""
    return pid, state


def live_postmaster(place: Place) -> int:
    """The process id of the living server of this place, or 0."""
    pid = read_pid_file(place)[0]
    return pid if pid and _is_postmaster(pid, place.data) else 0


def remove_stale_locks(place: Place) -> None:
    """
    Remove lock files whose process is not this server; call with the start lock held.

    PostgreSQL takes any process with the number in the file, even a zombie, for the old
    server. A server that still lives stays protected by its shared memory.
    """
    for path in (place.data / "postmaster.pid", place.socket_folder / f"{SOCKET}.lock"):
        try:
            first, *_ = path.read_bytes().splitlines() or [b""]
        except FileNotFoundError:
            continue
        if not _is_postmaster(_as_pid(first), place.data):
            path.unlink(missing_ok=True)


def _as_pid(text: bytes) -> int:
    return int(text) if text.strip().isdigit() else 0


def _is_postmaster(pid: int, data: Path) -> bool:
    if not Path("/proc/self").exists():
        return _is_postmaster_by_ps(pid, data)
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        state = Path(f"/proc/{pid}/stat").read_bytes().rsplit(b")", 1)[1].split()[0]
    except (OSError, IndexError):
        return False
    return state != b"Z" and b"postgres" in command[0] and os.fsencode(data) in command


def _is_postmaster_by_ps(pid: int, data: Path) -> bool:
    import subprocess  # noqa: PLC0415  slow to import, and a warm start does not need it

    answer = subprocess.run(  # noqa: S603  a number, no shell
        ["ps", "-ww", "-o", "state=,command=", "-p", str(pid)],  # noqa: S607  macOS has it on PATH
        capture_output=True,
        check=False,
    ).stdout
    return not answer.startswith(b"Z") and b"postgres" in answer and os.fsencode(data) in answer
