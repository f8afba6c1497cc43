"""The first call: it makes the environment, once, whatever happens meanwhile."""

from __future__ import annotations

import json
import os
import selectors
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.bootstrap.conftest import ROOT, Tree
from tests.waiting import wait_until

TIMEOUT = 20


def finish(process: subprocess.Popen[str]) -> str:
    """Let a started call run to its end; returns what it said while it set up."""
    out, err = process.communicate("", timeout=TIMEOUT)
    assert process.returncode == 0, err
    assert json.loads(out)["pid"] == process.pid
    return err


WAITING = "waiting for another set-up"


def wait_for_words(processes: Sequence[subprocess.Popen[str]], words: str) -> None:
    """Until one of the processes has said this on stderr."""
    said = ""
    with selectors.DefaultSelector() as selector:
        for process in processes:
            assert process.stderr is not None
            selector.register(process.stderr.fileno(), selectors.EVENT_READ)
        while words not in said:
            ready = selector.select(TIMEOUT)
            assert ready, f"only this was said: {said}"
            said += "".join(os.read(key.fd, 4096).decode() for key, _ in ready)


def test_the_first_call_sets_up_and_the_second_does_not(tree: Tree) -> None:
    first = tree.run(tree.root / "cli", "list", PYTHONDONTWRITEBYTECODE="1", stdin="kept")
    second = tree.run(tree.root / "cli", "list")

    report = json.loads(first.stdout)
    assert (report["args"], report["stdin"]) == (["list"], "kept")
    assert report["was_compiled"]
    assert "making the private Python environment" in first.stderr
    assert second.stderr == ""
    assert len(tree.calls_of_uv()) == 2
    assert "--frozen" in tree.calls_of_uv()[0]
    assert not list(tree.root.glob("*.unfinished"))


def test_without_uv_pip_installs_the_locked_versions(tree: Tree) -> None:
    (tree.bin / "uv").unlink()

    assert tree.report()["args"] == []
    assert tree.run().stderr == ""


def test_pip_serves_where_uv_fails(tree: Tree) -> None:
    (tree.notes / "broken").touch()

    done = tree.run()

    assert done.returncode == 0
    assert "uv could not do it; trying pip" in done.stderr


def test_a_changed_lock_is_installed_and_keeps_what_development_needs(tree: Tree) -> None:
    bootstrap = tree.root / "scripts" / "bootstrap.py"
    tree.run("python3", bootstrap, tree.root, tree.env, "dev")
    kept = tree.env / "kept"
    kept.touch()

    (tree.root / "uv.lock").write_text("version = 1\n# another\n")

    assert "updating" in tree.run().stderr
    assert "--group dev" in tree.calls_of_uv()[-2]
    assert kept.exists()
    assert (tree.env / "installed.dev").read_bytes() == (tree.root / "uv.lock").read_bytes()


def test_two_first_calls_at_once_set_up_once(tree: Tree) -> None:
    (tree.notes / "hold").touch()
    with tree.start() as one, tree.start() as other:
        wait_for_words((one, other), WAITING)
        (tree.notes / "hold").unlink()
        finish(one)
        finish(other)

    assert len(tree.calls_of_uv()) == 2


def test_after_a_kill_the_next_call_starts_over(tree: Tree) -> None:
    (tree.notes / "hold").touch()
    with tree.start() as doomed:
        wait_until((tree.env / "bin" / "python").exists)
        (tree.env / "half-written").touch()
        os.killpg(doomed.pid, signal.SIGKILL)
    (tree.notes / "hold").unlink()

    assert tree.report()["args"] == []
    assert not (tree.env / "half-written").exists()


def test_an_installer_that_outlives_its_set_up_is_waited_for(tree: Tree) -> None:
    (tree.notes / "hold").touch()
    with tree.start() as doomed:
        wait_until(lambda: len(tree.calls_of_uv()) == 1)
        for pid in (int((tree.notes / "parent").read_text()), doomed.pid):
            os.kill(pid, signal.SIGKILL)
        doomed.wait(TIMEOUT)
        with tree.start() as following:
            wait_for_words((following,), WAITING)
            assert len(tree.calls_of_uv()) == 1
            (tree.notes / "hold").unlink()
            finish(following)

    assert [call.split()[0] for call in tree.calls_of_uv()] == ["begin", "end"] * 2


def test_the_folder_may_be_moved_with_its_environment(tree: Tree, tmp_path: Path) -> None:
    tree.report()
    moved = tmp_path / "moved"
    tree.root.rename(moved)

    done = tree.run(moved / "cli")

    assert done.stderr == ""
    assert json.loads(done.stdout)["file"].startswith(str(moved))


def test_an_environment_whose_python_was_removed_is_made_again(tree: Tree) -> None:
    tree.report()
    for python in (tree.env / "bin").glob("python*"):
        python.unlink()
    (tree.env / "bin" / "python").symlink_to("/nowhere/python3")

    assert tree.report()["args"] == []


@pytest.mark.parametrize("script", [None, "#!/bin/sh\nexit 1\n"], ids=["none", "too old"])
def test_without_a_python_one_line_says_what_is_needed(tree: Tree, script: str | None) -> None:
    (tree.bin / "uv").unlink()
    (tree.bin / "python3").unlink()
    if script is not None:
        tree.offer("python3", script)

    done = tree.run()

    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "Python 3.11" in done.stderr


def test_uv_is_asked_for_a_python_where_there_is_none(tree: Tree) -> None:
    (tree.bin / "python3").unlink()
    assert tree.report()["args"] == []

    shutil.rmtree(tree.env)
    tree.offer("uv", "#!/bin/sh\nexit 2\n")

    done = tree.run()

    assert done.returncode == 1
    assert "uv could not provide one" in done.stderr


def test_test_runs_pytest_from_the_top_level_and_ends_with_its_exit_code(tree: Tree) -> None:
    """`./test` is the third wrapper; its stages are its own concern, tried here with a stub."""
    shutil.copy(ROOT / "test", tree.root / "test")
    bootstrap = tree.root / "scripts" / "bootstrap.py"
    tree.run("python3", bootstrap, tree.root, tree.env, "dev")
    (tree.root / "cli.env").write_text("PYTEST_ADDOPTS=-x\n")
    stub = (
        "import os, sys\n"
        "print('{0}', *sys.argv[1:], os.environ['PYTEST_ADDOPTS'], os.getcwd())\n"
        "sys.exit({1})\n"
    )
    for name, code in {"ruff": 3, "mypy": 0, "importlinter": 0, "pytest": 0}.items():
        (tree.root / "src" / f"{name}.py").write_text(stub.format(name, code))

    whole = tree.run(tree.root / "test")
    part = tree.run(tree.root / "test", "tests/store", "-k", "a b")

    *_, before, last = whole.stdout.splitlines()
    assert last == f"pytest -n auto -x {tree.root}"
    assert before.startswith("== FAILED before the tests: ruff check, ruff format")
    assert whole.returncode == 1
    assert part.stdout == f"pytest -n auto tests/store -k a b -x {tree.root}\n"
    assert part.returncode == 0
