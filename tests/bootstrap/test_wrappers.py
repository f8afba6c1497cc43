"""The second call: everything is there, and the wrapper only hands over."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.bootstrap.conftest import Tree


def test_arguments_input_and_the_callers_folder_arrive_untouched(
    ready_tree: Tree, tmp_path: Path
) -> None:
    words = ["start", "two words", "", "*", "$HOME", "line\nbreak", "-"]

    report = ready_tree.report(ready_tree.root / "cli", *words, cwd=tmp_path, stdin="hello")

    assert report["args"] == words
    assert report["cwd"] == str(tmp_path)
    assert report["stdin"] == "hello"


def test_tui_is_a_command_of_cli(ready_tree: Tree) -> None:
    assert ready_tree.report(ready_tree.root / "tui", "--last")["args"] == ["tui", "--last"]


@pytest.mark.parametrize("name", ["cli", "tui"])
def test_it_is_found_through_a_chain_of_links(ready_tree: Tree, name: str, tmp_path: Path) -> None:
    links = tmp_path / "links"
    links.mkdir()
    (links / "absolute").symlink_to(ready_tree.root / name)
    (links / "relative").symlink_to("absolute")
    (tmp_path / "folder").symlink_to(links)
    (tmp_path / "deep").symlink_to("folder/relative")

    report = ready_tree.report(tmp_path / "deep")

    assert report["file"].startswith(str(ready_tree.root))


def test_it_is_found_on_path_and_by_a_bare_name(ready_tree: Tree) -> None:
    (ready_tree.bin / "agent").symlink_to(ready_tree.root / "cli")

    assert ready_tree.report("/usr/bin/env", "agent")["args"] == []
    assert ready_tree.report("/bin/sh", "cli", "x", cwd=ready_tree.root)["args"] == ["x"]


def test_the_exit_code_is_the_programs(ready_tree: Tree) -> None:
    assert ready_tree.run(EXIT="4").returncode == 4


def test_signals_reach_the_program_because_it_takes_the_wrappers_place(ready_tree: Tree) -> None:
    with ready_tree.start() as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == -signal.SIGTERM

    with ready_tree.start() as process:
        out, _ = process.communicate("", timeout=10)
    assert json.loads(out)["pid"] == process.pid


def test_a_module_in_the_callers_folder_is_not_taken_for_ours(ready_tree: Tree) -> None:
    (ready_tree.home / "json.py").write_text("raise SystemExit('the wrong json')\n")

    assert ready_tree.report()["args"] == []


def test_an_edit_of_the_sources_takes_effect_at_once(ready_tree: Tree) -> None:
    main = ready_tree.root / "src" / "messagedb_agent" / "cli" / "__main__.py"
    ready_tree.report()

    main.write_text("print('edited')\n")

    assert ready_tree.run().stdout == "edited\n"


def test_byte_code_is_kept_although_the_caller_wants_none_of_his_own(ready_tree: Tree) -> None:
    module = ready_tree.root / "src" / "messagedb_agent" / "errors.py"
    module.write_text("")
    main = module.parent / "cli" / "__main__.py"
    main.write_text(f"import messagedb_agent.errors\n{main.read_text()}")

    report = ready_tree.report(PYTHONDONTWRITEBYTECODE="1")

    assert list((module.parent / "__pycache__").glob("errors.*.pyc"))
    assert "PYTHONDONTWRITEBYTECODE" not in report["env"]


def test_nothing_is_said_and_nothing_set_up(ready_tree: Tree) -> None:
    before = sorted(ready_tree.root.iterdir())

    assert ready_tree.run().stderr == ""
    assert sorted(ready_tree.root.iterdir()) == before
