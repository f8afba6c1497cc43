"""
Writes docs/reference/cli.md from the parser of the command line; `--check` only compares.

The text is laid out here and not by argparse, whose layout differs between Python versions.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference" / "cli.md"

sys.path.insert(0, str(ROOT / "src"))

from messagedb_agent.cli.parser import build_parser  # noqa: E402  found by the line above

INTRODUCTION = """\
# Command line

Written by `scripts/generate_cli_reference.py` from the program's own parser; don't edit it by hand.

`./cli COMMAND …` from a clone, `messagedb-agent COMMAND …` where the package is installed. The
answer goes to stdout, all else to stderr. `THREAD` is a thread's id, a beginning of it that no
other thread has, or `last`, the thread with the newest event.
"""

COMMON = "common options"


def render() -> str:
    """The whole page."""
    parser = build_parser()
    commands = _commands(parser)
    parts = [INTRODUCTION, "## Commands\n", _table(("Command", "What it does"), _index(commands))]
    parts += ["## Common options\n", "Allowed before and after the command.\n"]
    parts.append(_table(("Option", "Meaning"), _options(parser, common=True)))
    for name, (summary, command) in commands.items():
        parts.append(_section(name, summary, command))
    parts += ["## Exit codes\n", _exit_codes(parser)]
    return "\n".join(parts)


def _commands(
    parser: argparse.ArgumentParser,
) -> dict[str, tuple[str, argparse.ArgumentParser]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            summaries = {choice.dest: choice.help or "" for choice in action._choices_actions}
            return {name: (summaries[name], command) for name, command in action.choices.items()}
    return {}


def _index(
    commands: dict[str, tuple[str, argparse.ArgumentParser]],
) -> Iterator[tuple[str, str]]:
    for name, (summary, _) in commands.items():
        yield f"[`{name}`](#{name})", summary


def _section(name: str, summary: str, command: argparse.ArgumentParser) -> str:
    arguments = list(_arguments(command))
    options = ["[options]"] if _has(command) else []
    usage = " ".join([f"./cli {name}", *(text for text, _ in arguments), *options])
    parts = [f"## {name}\n", f"{_sentence(summary)}\n", f"```text\n{usage}\n```\n"]
    if arguments:
        parts.append(_table(("Argument", "Meaning"), ((f"`{a}`", b) for a, b in arguments)))
    if _has(command):
        parts.append(_table(("Option", "Meaning"), _options(command, common=False)))
    if command.epilog:
        title, _, examples = command.epilog.partition("\n")
        lines = "\n".join(line.strip() for line in examples.strip().splitlines())
        parts.append(f"{_sentence(title.rstrip(':'))[:-1]}:\n\n```sh no-run\n{lines}\n```\n")
    return "\n".join(parts)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _arguments(command: argparse.ArgumentParser) -> Iterator[tuple[str, str]]:
    for action in command._get_positional_actions():
        name = str(action.metavar or action.dest)
        if action.nargs == "?":
            name = f"[{name}]"
        elif action.nargs == argparse.REMAINDER:
            name = f"[{name} …]"
        yield name, action.help or ""


def _has(command: argparse.ArgumentParser) -> bool:
    return any(True for _ in _options(command, common=False))


def _options(command: argparse.ArgumentParser, *, common: bool) -> Iterator[tuple[str, str]]:
    shared = {
        id(action)
        for group in command._action_groups
        if group.title == COMMON
        for action in group._group_actions
    }
    for action in command._get_optional_actions():
        if isinstance(action, argparse._HelpAction) or (id(action) in shared) is not common:
            continue
        yield f"`{', '.join(action.option_strings)}{_value(action)}`", _meaning(action)


def _value(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    if action.choices is not None:
        return f" {'|'.join(map(str, action.choices))}"
    return f" {action.metavar or action.dest.upper()}"


def _meaning(action: argparse.Action) -> str:
    text = action.help or ""
    has_default = action.default not in (None, False, argparse.SUPPRESS) and action.default != []
    if has_default and "default" not in text:
        text = f"{text} (default: {action.default})".lstrip()
    return text


def _exit_codes(parser: argparse.ArgumentParser) -> str:
    told = " ".join((parser.epilog or "").split("exit codes:")[1].split())
    rows = (row.strip().partition(" ") for row in told.split(","))
    return _table(("Code", "Meaning"), ((code, meaning) for code, _, meaning in rows))


def _table(head: tuple[str, str], rows: Iterator[tuple[str, str]]) -> str:
    lines = [" | ".join(head), "--- | ---"]
    lines += [" | ".join(cell.replace("|", "\\|") for cell in row) for row in rows]
    return "\n".join(f"| {line} |" for line in lines) + "\n"


def main(arguments: list[str]) -> int:
    """Write the page, or with `--check` tell whether it is up to date."""
    text = render()
    if arguments == ["--check"]:
        if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text:
            return 0
        sys.stderr.write(f"{PAGE.name} is out of date; run python scripts/{Path(__file__).name}\n")
        return 1
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
