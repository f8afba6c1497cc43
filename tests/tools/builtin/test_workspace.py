from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from messagedb_agent.errors import ToolError
from messagedb_agent.tools.builtin import workspace as ws
from messagedb_agent.tools.builtin.workspace import locate, read_bytes, write_bytes


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    file = tmp_path / "secret.txt"
    file.write_text("outside")
    return file


def test_a_path_inside_is_found(workspace: Path) -> None:
    (workspace / "a").mkdir()
    (workspace / "a/b.txt").write_text("inside")

    assert read_bytes(locate(workspace, "a/../a/./b.txt")) == b"inside"


def test_an_absolute_path_inside_is_found(workspace: Path) -> None:
    (workspace / "b.txt").write_text("inside")

    assert str(locate(workspace, str(workspace / "b.txt"))) == "b.txt"


def test_a_link_that_stays_inside_is_followed(workspace: Path) -> None:
    (workspace / "b.txt").write_text("inside")
    (workspace / "link").symlink_to("b.txt")

    assert read_bytes(locate(workspace, "link")) == b"inside"


def test_a_workspace_may_be_named_by_a_link(workspace: Path, tmp_path: Path) -> None:
    (workspace / "b.txt").write_text("inside")
    (tmp_path / "alias").symlink_to(workspace)

    assert read_bytes(locate(tmp_path / "alias", "b.txt")) == b"inside"


@pytest.mark.parametrize(
    "path",
    [
        "..",
        "../secret.txt",
        "a/../../secret.txt",
        "/etc/passwd",
        "/",
        "link",
        "folder/secret.txt",
        "chain",
        "../workspace-other/x",
        "/proc/self/environ",
        "/dev/zero",
    ],
)
def test_no_path_leads_out(workspace: Path, outside: Path, path: str) -> None:
    (workspace / "link").symlink_to(outside)
    (workspace / "folder").symlink_to(outside.parent)
    (workspace / "chain").symlink_to("link")

    with pytest.raises(ToolError, match="outside of the workspace"):
        locate(workspace, path)


@pytest.mark.parametrize("path", ["/proc/self/environ", "dev/zero", "sys"])
def test_a_workspace_at_the_root_leaves_out_what_belongs_to_the_system(path: str) -> None:
    with pytest.raises(ToolError, match="belongs to the system"):
        locate(Path("/"), path)


@pytest.mark.parametrize("path", ["a\0b", "\ud800"])
def test_what_is_no_path_is_told(workspace: Path, path: str) -> None:
    with pytest.raises(ToolError, match="not a usable path"):
        locate(workspace, path)


@pytest.mark.parametrize("path", ["x" * 5_000, "a/" * 3_000, "missing", "missing/x", "loop", ""])
def test_what_is_not_there_is_told(workspace: Path, path: str) -> None:
    (workspace / "loop").symlink_to("loop")

    with pytest.raises(ToolError) as raised:
        read_bytes(locate(workspace, path))

    assert "\n" not in str(raised.value)


def test_a_link_swapped_in_after_the_check_is_not_followed(workspace: Path, outside: Path) -> None:
    (workspace / "a").mkdir()
    (workspace / "a/secret.txt").write_text("inside")
    location = locate(workspace, "a/secret.txt")
    (workspace / "a/secret.txt").unlink()
    (workspace / "a").rmdir()
    (workspace / "a").symlink_to(outside.parent)

    with pytest.raises(ToolError):
        read_bytes(location)
    with pytest.raises(ToolError):
        write_bytes(location, b"mine")
    assert outside.read_text() == "outside"


def test_a_pipe_is_refused_without_waiting(workspace: Path) -> None:
    os.mkfifo(workspace / "pipe")
    began = time.monotonic()

    with pytest.raises(ToolError, match="not a regular file"):
        read_bytes(locate(workspace, "pipe"))
    with pytest.raises(ToolError, match="not a regular file"):
        write_bytes(locate(workspace, "pipe"), b"x")
    assert time.monotonic() - began < 1


def test_a_socket_is_refused(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workspace)  # socket paths have to be short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("s")
        with pytest.raises(ToolError):
            read_bytes(locate(workspace, "s"))


def test_a_folder_is_no_file(workspace: Path) -> None:
    (workspace / "folder").mkdir()

    with pytest.raises(ToolError, match=r"not a regular file|directory"):
        read_bytes(locate(workspace, "folder"))
    with pytest.raises(ToolError, match="not a regular file"):
        write_bytes(locate(workspace, "folder"), b"x")
    with pytest.raises(ToolError, match="the workspace itself"):
        write_bytes(locate(workspace, "."), b"x")


def test_too_large_files_are_refused(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ws, "MAX_FILE_BYTES", 10)
    (workspace / "large").write_bytes(b"x" * 11)

    with pytest.raises(ToolError, match="11 bytes; at most 10"):
        read_bytes(locate(workspace, "large"))
    with pytest.raises(ToolError, match="too many"):
        write_bytes(locate(workspace, "new"), b"x" * 11)


@pytest.mark.parametrize(
    "name", [".env", ".env.local", "cli.env", "server.PEM", "id_rsa", ".pgpass"]
)
def test_files_that_hold_secrets_are_not_read(workspace: Path, name: str) -> None:
    (workspace / name).write_text("x")
    (workspace / "innocent").symlink_to(name)

    for path in (name, "innocent"):
        with pytest.raises(ToolError, match="may hold secrets"):
            read_bytes(locate(workspace, path))


@pytest.mark.parametrize("name", [".env.example", "environment.py", "id_rsa.pub"])
def test_files_with_harmless_names_are_read(workspace: Path, name: str) -> None:
    (workspace / name).write_text("x")

    assert read_bytes(locate(workspace, name)) == b"x"


def test_writing_makes_the_folders_it_needs(workspace: Path) -> None:
    assert write_bytes(locate(workspace, "a/b/c.txt"), b"new") is True
    assert (workspace / "a/b/c.txt").read_bytes() == b"new"


def test_writing_keeps_the_mode(workspace: Path) -> None:
    script = workspace / "run.sh"
    script.write_text("old")
    script.chmod(0o750)

    assert write_bytes(locate(workspace, "run.sh"), b"new") is False
    assert script.stat().st_mode & 0o777 == 0o750


def test_readers_never_see_half_a_file(workspace: Path) -> None:
    file = workspace / "a.txt"
    file.write_bytes(b"old")
    with file.open("rb") as reader:
        write_bytes(locate(workspace, "a.txt"), b"new and longer")
        assert reader.read() == b"old"


def test_a_failed_write_leaves_nothing_behind(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workspace / "a.txt").write_bytes(b"old")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(ToolError, match="No space left"):
        write_bytes(locate(workspace, "a.txt"), b"new")
    assert [p.name for p in workspace.iterdir()] == ["a.txt"]
    assert (workspace / "a.txt").read_bytes() == b"old"


def test_no_descriptor_is_left_open(workspace: Path) -> None:
    def count() -> int:
        return len(list(Path("/dev/fd").iterdir()))

    write_bytes(locate(workspace, "a/b"), b"x")
    before = count()
    rounds = 20
    for _ in range(rounds):
        read_bytes(locate(workspace, "a/b"))
        with pytest.raises(ToolError):
            read_bytes(locate(workspace, "a/missing"))
        with pytest.raises(ToolError):
            read_bytes(locate(workspace, "a/b/c"))

    # Threads that earlier tests left behind open and close some, too.
    assert abs(count() - before) < rounds / 2


PARTS = st.sampled_from(["..", ".", "", "a", "up", "file", "/", "~", "proc", "etc"]) | st.text(
    max_size=5
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(PARTS, max_size=8), absolute=st.booleans())
def test_every_path_lies_inside_or_is_refused(
    workspace: Path, parts: list[str], *, absolute: bool
) -> None:
    if not (workspace / "up").is_symlink():
        (workspace / "up").symlink_to("..")
    try:
        location = locate(workspace, ("/" if absolute else "") + "/".join(parts))
    except ToolError:
        return
    assert Path(location.real_path).is_relative_to(workspace.resolve())
    assert ".." not in location.parts
