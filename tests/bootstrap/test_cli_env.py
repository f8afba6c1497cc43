"""cli.env: settings for the wrappers, taken as text and never as shell."""

from __future__ import annotations

import io

import pytest
from dotenv import dotenv_values

from tests.bootstrap.conftest import Tree

SAME_IN_DOTENV = {
    "KEY=plain": "plain",
    "KEY=two words": "two words",
    "KEY = spaced ": "spaced",
    "export KEY=exported": "exported",
    "  KEY=indented": "indented",
    "KEY=": "",
    "KEY=a=b==": "a=b==",
    "KEY=pass#word": "pass#word",
    "KEY=#word": "#word",
    "KEY=value # a comment": "value",
    "KEY=value\t# a comment": "value",
    "KEY='single # quoted'": "single # quoted",
    'KEY="double # quoted"': "double # quoted",
    'KEY="quoted" # a comment': "quoted",
    "KEY='quoted' # it's a comment": "quoted",
    "KEY='  kept  '": "  kept  ",
    "KEY=it's": "it's",
    'KEY=say "hi"': 'say "hi"',
    'KEY=""': "",
    "KEY=$(touch pwned)": "$(touch pwned)",
    "KEY=`touch pwned`": "`touch pwned`",
    "KEY=a; touch pwned": "a; touch pwned",
    "KEY='$HOME'": "$HOME",
    "KEY=*": "*",
    "KEY=~": "~",
    "KEY=-n": "-n",
    "KEY=back\\slash\\n": "back\\slash\\n",
    "KEY=späte Grüße 😀": "späte Grüße 😀",
    "KEY=windows\r": "windows",
}

ONLY_HERE = {
    "KEY=$HOME ${HOME}": "$HOME ${HOME}",
    'KEY="back\\slash\\n"': "back\\slash\\n",
    """KEY='{"say": "it's"}'""": """{"say": "it's"}""",
    "KEY='unclosed": "'unclosed",
    "KEY='": "'",
    "KEY= # nothing but a comment": "",
}


@pytest.mark.parametrize(("line", "value"), [*SAME_IN_DOTENV.items(), *ONLY_HERE.items()])
def test_a_value_is_read_as_text(ready_tree: Tree, line: str, value: str) -> None:
    (ready_tree.root / "cli.env").write_bytes(line.encode())

    report = ready_tree.report()

    assert report["env"]["KEY"] == value
    assert not (ready_tree.home / "pwned").exists()


@pytest.mark.parametrize(("line", "value"), SAME_IN_DOTENV.items())
def test_the_line_would_mean_the_same_in_dot_env(line: str, value: str) -> None:
    assert dotenv_values(stream=io.StringIO(line), interpolate=False) == {"KEY": value}


def test_many_lines_comments_and_gaps(ready_tree: Tree) -> None:
    (ready_tree.root / "cli.env").write_text("# first\n\nONE=1\n   # more\nTWO=2\nmda_x=3\nLAST=4")

    env = ready_tree.report()["env"]

    assert (env["ONE"], env["TWO"], env["mda_x"], env["LAST"]) == ("1", "2", "3", "4")


@pytest.mark.parametrize("value", ["mine", ""])
def test_what_the_caller_has_set_wins(ready_tree: Tree, value: str) -> None:
    (ready_tree.root / "cli.env").write_text("KEY=theirs\nHOME=/nowhere\n")

    env = ready_tree.report(KEY=value)["env"]

    assert env["KEY"] == value
    assert env["HOME"] == str(ready_tree.home)


@pytest.mark.parametrize(
    "line", ["hunter2", "=hunter2", "1KEY=hunter2", "A B=hunter2", "K;touch pwned=hunter2"]
)
def test_a_line_that_is_no_setting_is_named_but_not_shown(ready_tree: Tree, line: str) -> None:
    (ready_tree.root / "cli.env").write_text(f"# settings\n{line}\n")

    done = ready_tree.run()

    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "cli.env, line 2: expected KEY=VALUE" in done.stderr
    assert "hunter2" not in done.stderr
