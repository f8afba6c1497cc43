"""completion: scripts for shells, made from the parser."""

from __future__ import annotations

import argparse
import re
from typing import NamedTuple

from messagedb_agent.cli.terminal import say
from messagedb_agent.cli.text import one_line, shorten
from messagedb_agent.errors import AgentError

_THREADS_OFFERED = 50
_PROGRAMS = ("cli", "messagedb-agent")


class _Option(NamedTuple):
    """One option: how it is written, what it means, the words that may follow."""

    names: tuple[str, ...]
    help: str
    takes_value: bool
    choices: tuple[str, ...]


class _Command(NamedTuple):
    """One command: its options, and what its first argument may be."""

    name: str
    help: str
    options: tuple[_Option, ...]
    takes_thread: bool
    words: tuple[str, ...]


def run(options: argparse.Namespace) -> int:
    """Print the script of a shell, or the threads that it offers."""
    if options.shell == "threads":
        _print_threads(options)
        return 0
    commands = _commands()
    say({"bash": _bash, "zsh": _zsh, "fish": _fish}[options.shell](commands))
    return 0


def _print_threads(options: argparse.Namespace) -> None:
    from messagedb_agent.cli.wiring import category_of, configuration, reader
    from messagedb_agent.store.threads import newest_threads
    from messagedb_agent.store.titles import thread_titles

    try:
        with reader(configuration(options)) as connection:
            threads = newest_threads(connection, category_of(options), _THREADS_OFFERED)
            titles = thread_titles(connection, [thread.stream_name for thread in threads])
    except AgentError:
        return  # an error in the middle of a line that somebody types helps nobody
    say("last\tthe thread used last")
    for thread in threads:
        title = shorten(one_line(titles.get(thread.stream_name, thread.status)), 40)
        say(f"{one_line(thread.thread_id)}\t{title}")


def _commands() -> tuple[_Command, ...]:
    from messagedb_agent.cli.parser import build_parser

    actions = build_parser()._actions  # noqa: SLF001 - argparse tells what it knows only privately
    (found,) = (each for each in actions if isinstance(each, argparse._SubParsersAction))  # noqa: SLF001 - likewise
    helps = {each.dest: each.help or "" for each in found._choices_actions}  # noqa: SLF001 - likewise
    return tuple(_command(name, helps[name], parser) for name, parser in found.choices.items())


def _command(name: str, summary: str, parser: argparse.ArgumentParser) -> _Command:
    options: list[_Option] = []
    words: tuple[str, ...] = ()
    takes_thread = False
    for action in parser._actions:  # noqa: SLF001 - argparse tells what it knows only privately
        choices = tuple(map(str, action.choices or ()))
        if action.option_strings:
            shown = "" if action.help == argparse.SUPPRESS else action.help or ""
            names = tuple(action.option_strings)
            options.append(_Option(names, shown, action.nargs != 0, choices))
        elif action.dest in ("thread", "other", "target"):
            takes_thread = True
        else:
            words = words or choices
    return _Command(name, summary, tuple(options), takes_thread, words)


def _plain(text: str) -> str:
    """Text that no shell reads anything into."""
    return re.sub(r"[^\w ,.;()/=+-]", "", text)


def _bash(commands: tuple[_Command, ...]) -> str:
    cases = []
    for command in commands:
        words = " ".join([*(n for o in command.options for n in o.names), *command.words])
        valued = [
            f"      {'|'.join(o.names)}) "
            f"_messagedb_agent_words {_quoted(' '.join(o.choices))}; return ;;"
            for o in command.options
            if o.choices
        ]
        values = ['    case "$prev" in', *valued, "    esac"] if valued else []
        threads = ['    words="$words $(_messagedb_agent_threads)"'] if command.takes_thread else []
        cases += [f"  {command.name})", *values, f'    words="{words}"', *threads, "    ;;"]
    names = " ".join(command.name for command in commands)
    return "\n".join(
        [
            "_messagedb_agent_threads() {",
            '  "${COMP_WORDS[0]}" completion threads 2>/dev/null | cut -f 1',
            "}",
            "_messagedb_agent_words() {",
            '  COMPREPLY=($(compgen -W "$1" -- "${COMP_WORDS[COMP_CWORD]}"))',
            "}",
            "_messagedb_agent() {",
            '  local prev="${COMP_WORDS[COMP_CWORD-1]}" words=""',
            '  case "${COMP_WORDS[1]}" in',
            *cases,
            "  esac",
            f'  [ "$COMP_CWORD" -eq 1 ] && words="{names}"',
            '  _messagedb_agent_words "$words"',
            "}",
            f"complete -o default -F _messagedb_agent {' '.join(_PROGRAMS)}",
        ]
    )


def _zsh(commands: tuple[_Command, ...]) -> str:
    cases = []
    for command in commands:
        options = [
            f"      {_quoted(f'{name}[{_plain(o.help)}]' + _zsh_value(o))}"
            for o in command.options
            for name in o.names
        ]
        rest = f"'1: :({' '.join(command.words)})'" if command.words else "'*: :_files'"
        first = "'*: :_messagedb_agent_threads'" if command.takes_thread else rest
        cases += [f"    {command.name}) _arguments \\", " \\\n".join([*options, f"      {first}"])]
        cases += ["    ;;"]
    names = "\n".join(f"    {_quoted(f'{c.name}:{_plain(c.help)}')}" for c in commands)
    return "\n".join(
        [
            f"#compdef {' '.join(_PROGRAMS)}",
            "_messagedb_agent_threads() {",
            "  local -a threads",
            '  threads=(${(f)"$($program completion threads 2>/dev/null | tr "\\t" ":")"})',
            "  _describe thread threads",
            "}",
            "_messagedb_agent() {",
            "  local program=$words[1]",
            "  local -a commands=(",
            names,
            "  )",
            "  if (( CURRENT == 2 )); then _describe command commands; return; fi",
            "  local command=$words[2]",
            "  shift words; (( CURRENT-- ))",
            "  case $command in",
            *cases,
            "  esac",
            "}",
            f"compdef _messagedb_agent {' '.join(_PROGRAMS)}",
        ]
    )


def _zsh_value(option: _Option) -> str:
    if not option.takes_value:
        return ""
    return f": :({' '.join(option.choices)})" if option.choices else ": :_files"


def _fish(commands: tuple[_Command, ...]) -> str:
    lines = [
        "function __messagedb_agent_threads",
        "  set -l words (commandline -opc)",
        "  $words[1] completion threads 2>/dev/null",
        "end",
    ]
    names = " ".join(command.name for command in commands)
    for program in _PROGRAMS:
        begin = f"complete -c {program}"
        at_start = f"-n 'not __fish_seen_subcommand_from {names}'"
        for command in commands:
            here = f"-n '__fish_seen_subcommand_from {command.name}'"
            lines.append(
                f"{begin} {at_start} -f -a {command.name} -d {_quoted(_plain(command.help))}"
            )
            if command.takes_thread:
                lines.append(f"{begin} {here} -f -a '(__messagedb_agent_threads)'")
            elif command.words:
                lines.append(f"{begin} {here} -f -a {_quoted(' '.join(command.words))}")
            lines += [f"{begin} {here} {_fish_option(option)}" for option in command.options]
    return "\n".join(lines)


def _fish_option(option: _Option) -> str:
    parts = [
        f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names
    ]
    if option.choices:
        parts.append(f"-x -a {_quoted(' '.join(option.choices))}")
    elif option.takes_value:
        parts.append("-r")
    return " ".join([*parts, f"-d {_quoted(_plain(option.help))}"])


def _quoted(text: str) -> str:
    return f"'{text}'"
