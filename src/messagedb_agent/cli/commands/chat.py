"""chat: a conversation line by line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from messagedb_agent.cli.commands import approvals, run, travel
from messagedb_agent.cli.commands.read import show
from messagedb_agent.cli.home import home_of
from messagedb_agent.cli.mcp import shared_tool_servers
from messagedb_agent.cli.terminal import complain, paint, tell
from messagedb_agent.cli.wiring import category_of, configuration, database, reader
from messagedb_agent.config import Config
from messagedb_agent.engine.session import reopen_session
from messagedb_agent.errors import AgentError, ThreadEndedError, UsageError
from messagedb_agent.store.stream import generate_thread_id, parse_stream_name
from messagedb_agent.store.threads import find_stream

_HELP = """\
  /approve [CALL]     let what waits for approval run
  /deny [REASON]      refuse what waits for approval
  /continue           go on after an interruption, a failure or a limit
  /reopen             let a thread that has ended take messages again
  /fork [POSITION]    go on in a new thread that shares the past up to there
  /model [NAME]       the model to use from here on
  /show               the conversation so far
  /help               this
  /quit               leave, like Ctrl+D
A line that ends with \\ goes on in the next one; a message that begins with / is typed as //."""

_HISTORY_LENGTH = 1000


def chat(options: argparse.Namespace) -> int:
    """Answer line after line until there are no more."""
    if options.format != "text":
        raise UsageError("a chat is text; `message` has --format json and jsonl")
    config = configuration(options)
    # Between two lines the database stays up, and the tools' servers do.
    with database(config), shared_tool_servers(options, config):
        conversation = _Conversation(options, config)
        if sys.stdin.isatty():
            tell(paint("/help tells what there is; Ctrl+D leaves", "dim", stream=sys.stderr))
        with _line_history(config):
            for line in _lines():
                if not conversation.take(line):
                    break
    return 0


class _Conversation:
    """The thread that is talked in, and what has been chosen for it."""

    def __init__(self, options: argparse.Namespace, config: Config) -> None:
        self._options = argparse.Namespace(**vars(options))
        self._options.in_chat = True
        self._thread: str | None = None
        if options.thread is not None:
            with reader(config) as connection:
                stream_name = find_stream(connection, category_of(options), options.thread)
            self._thread = parse_stream_name(stream_name).thread_id
        self._commands: dict[str, Callable[[str], object]] = {
            "/approve": self._approve,
            "/deny": self._deny,
            "/continue": lambda _: run.carry_on(self._with()),
            "/reopen": self._reopen,
            "/fork": self._fork,
            "/model": self._model,
            "/show": lambda _: show(self._with(full=False, events=False, follow=False)),
            "/help": lambda _: tell(_HELP),
        }

    def take(self, line: str) -> bool:
        """Do what a line says; False when it says to leave."""
        if not line.strip():
            return True
        name, _, rest = line.strip().partition(" ")
        if name in ("/quit", "/exit"):
            return False
        try:
            if line.startswith("/") and not line.startswith("//"):
                self._command(name, rest.strip())
            else:
                self._say(line.removeprefix("/") if line.startswith("//") else line)
        except ThreadEndedError as error:
            # What else it advises is for other commands.
            complain(f"{str(error).partition(';')[0]}; /reopen reopens it")
        except AgentError as error:
            complain(str(error))
        except KeyboardInterrupt:
            complain("interrupted")
        return True

    def _command(self, name: str, rest: str) -> None:
        command = self._commands.get(name)
        if command is None:
            raise UsageError(f"there is no {name}; /help tells what there is")
        command(rest)

    def _say(self, text: str) -> None:
        if text == "-":
            raise UsageError("a dash alone means stdin, which is where you are typing")
        if self._thread is None:
            self._thread = generate_thread_id()
            tell(paint(f"thread {self._thread}", "dim", stream=sys.stderr))
            run.start(self._with_new(self._thread, text))
        else:
            run.message(self._with(message=text))

    def _approve(self, call: str) -> None:
        answer = {"edit": None, "always": None, "result": None, "by": None}
        approvals.approve(self._with(call=call or None, **answer))
        run.carry_on(self._with())

    def _deny(self, reason: str) -> None:
        approvals.deny(self._with(call=None, reason=reason or None, by=None))
        run.carry_on(self._with())

    def _fork(self, position: str) -> None:
        if position and not position.isdecimal():
            raise UsageError(f"{position[:40]!r} is no position; they count from 0")
        thread_id, at = generate_thread_id(), int(position) if position else None
        options = self._with(thread_id=thread_id, at=at, message=None, edit=False, model=None)
        travel.fork(options)
        self._thread = thread_id

    def _reopen(self, _rest: str) -> None:
        options = self._with()
        with travel.on_thread(options, options.thread) as (store, stream_name):
            reopen_session(store, stream_name)
        tell("it takes messages again")

    def _model(self, name: str) -> None:
        if name:
            self._options.model = name
        tell(f"model: {self._options.model or 'as the thread or the settings say'}")

    def _with(self, **changes: object) -> argparse.Namespace:
        """The options of another command, for the thread that is talked in."""
        if self._thread is None:
            raise UsageError("there is no thread yet; say something first")
        return self._changed(thread=self._thread, reopen=False, **changes)

    def _with_new(self, thread_id: str, text: str) -> argparse.Namespace:
        return self._changed(thread_id=thread_id, message=text, continue_last=False)

    def _changed(self, **changes: object) -> argparse.Namespace:
        defaults = {"no_wait": False, "attach": [], "schema": None, "follow": False}
        defaults |= {"at": None, "after": None}
        return argparse.Namespace(**{**defaults, **vars(self._options), **changes})


def _lines() -> Iterator[str]:
    """What is typed; a line that ends with a backslash goes on in the next one."""
    # Readline counts columns, and has to be told which characters take none.
    prompt = "\x01\x1b[1;32m\x02>\x01\x1b[0m\x02 " if paint("x", "bold") != "x" else "> "
    held: list[str] = []
    while True:
        try:
            line = input(("… " if held else prompt) if sys.stdin.isatty() else "")
        except EOFError:
            if held:
                yield "\n".join(held)
            if sys.stdin.isatty():
                tell("")
            return
        except KeyboardInterrupt:
            held.clear()
            tell("")
            continue
        except UnicodeDecodeError:
            complain("that line is not UTF-8 text")
            continue
        if line.endswith("\\"):
            held.append(line[:-1])
            continue
        yield "\n".join([*held, line])
        held.clear()


@contextmanager
def _line_history(config: Config) -> Iterator[None]:
    """Have the lines typed before at hand, where there is a person and readline."""
    if not sys.stdin.isatty():
        yield
        return
    try:
        import readline
    except ImportError:
        yield
        return

    file = home_of(config) / "chat_history"
    with suppress(OSError):
        readline.read_history_file(file)
    readline.set_history_length(_HISTORY_LENGTH)
    try:
        yield
    finally:
        # What people typed is theirs alone to read.
        with suppress(OSError):
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file.touch(mode=0o600)
            readline.write_history_file(file)
