"""
Writes docs/reference/api.md from the signatures and docstrings of the public names.

    python scripts/generate_api_reference.py
    python scripts/generate_api_reference.py --check   # leaves with 1 when the page is out of date

The sources are read, not imported: so types and defaults stand on the page as they were written.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple, TypeAlias

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src"
PACKAGE = "messagedb_agent"
PAGE = ROOT / "docs" / "reference" / "api.md"
HEAD = f"""\
# API reference

Made from the docstrings by `scripts/{Path(__file__).name}`; not edited by hand. What is not on this
page is not public and may change. [The library page of the README](../../README.md#the-library)
shows how the parts fit together, [examples](../../examples) show them at work, and
[the specification](../../spec.md#3-events) has the fields of events.
"""
LONGEST_LINE = 88

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
Definition: TypeAlias = Function | ast.ClassDef | ast.AnnAssign | ast.Assign


class Section(NamedTuple):
    """
    Some public names of one module; none named means all that its `__all__` has.

    In a `brief` one each gets a line of a table, and no heading.
    """

    title: str
    module: str
    names: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    brief: bool = False


EVENT_BASICS = ("Event", "RecordedEvent", "UnknownEvent", "ToolCall", "JSONObject", "register")
MESSAGES = ("Message", "UserMessage", "AssistantMessage", "ToolResult")
OUTSIDE = (
    "add_message", "approve", "deny", "complete", "find_pending", "interrupt_session",
    "resume_session", "reopen_session", "rename_session", "read_state",
)  # fmt: skip
SECTIONS = (
    Section("Agents and threads", "engine"),
    Section("Threads from outside a run", "engine.session", OUTSIDE),
    Section("What an agent may do", "engine.approvals", ("ApprovalPolicy", "PolicyRule")),
    Section("Limits of a turn", "engine.limits", ("Limits",)),
    Section("Retries", "llm.retry", ("RetryPolicy",)),
    Section("Tools", "tools"),
    Section("Models", "llm", without=("LLMResponse", "ToolCall", "Message", "preload")),
    Section("Scripted models", "llm.scripted", ("ScriptedModel",)),
    Section("The event store", "store", without=("Event", "OptimisticConcurrencyError")),
    Section("What any store has to do", "store.base", ("EventStore", "ThreadLock")),
    Section("Categories", "store.stream", ("build_category", "StreamName")),
    Section("The embedded server", "store.embedded", ("EmbeddedServer", "Lease", "default_home")),
    Section("The Message DB functions", "store.schema", ("install",)),
    Section("Projections", "projections"),
    Section("Messages", "projections.messages", MESSAGES),
    Section("Threads for people", "projections.transcript", ("entry", "Entry")),
    Section("History", "engine.history", ("read_history",)),
    Section("Forks and replays", "engine.travel", ("fork_thread", "rewind_thread", "replay")),
    Section("Watching a thread", "engine.follow", ("Follower",)),
    Section("Being watched", "engine.live", ("Announcer", "Voice", "Ears")),
    Section("Consumers", "subscriber", without=("EventSkipped",)),
    Section(
        "Events",
        "events",
        ("Event", "RecordedEvent", "UnknownEvent", "ToolCall", "JSONObject", "register"),
    ),
    Section(
        "Event types",
        "events",
        without=("Event", "RecordedEvent", "UnknownEvent", "ToolCall", "JSONObject", "register"),
        brief=True,
    ),
    Section("Exceptions", "errors", brief=True),
)


def render() -> str:
    """The whole page."""
    parts = [HEAD, _table(("Part", "Names"), map(_in_index, SECTIONS))]
    for section in SECTIONS:
        parts.append(f"## {section.title}\n\n`from {PACKAGE}.{section.module} import …`\n")
        if section.brief:
            rows = ((f"`{name}`", _doc(find(section.module, name))) for name in names_of(section))
            parts.append(_table(("Name", "Meaning"), rows))
        else:
            parts += [_entry(section.module, name) for name in names_of(section)]
    return "\n".join(parts)


def names_of(section: Section) -> tuple[str, ...]:
    """The names of a section, in their order on the page."""
    if section.names:
        return section.names
    body = tree(section.module).body
    for node in body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return tuple(n for n in ast.literal_eval(node.value) if n not in section.without)
    return tuple(node.name for node in body if isinstance(node, ast.ClassDef))


@cache
def tree(module: str) -> ast.Module:
    """The parsed source of a module, which is named without the package."""
    folder = SOURCE / PACKAGE / module.replace(".", "/")
    file = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    return ast.parse(file.read_text(encoding="utf-8"))


def find(module: str, name: str) -> tuple[Definition, str]:
    """Where a name is defined, and the docstring there; imports are followed."""
    body = tree(module).body
    following = [*body[1:], ast.Pass()]
    for node, after in zip(body, following, strict=True):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name:
            if "overload" in map(ast.unparse, node.decorator_list):
                continue
            return node, ast.get_docstring(node) or ""
        if isinstance(node, ast.AnnAssign | ast.Assign) and name in _targets(node):
            return node, _string(after)
    for imported in (each for each in ast.walk(tree(module)) if isinstance(each, ast.ImportFrom)):
        for alias in imported.names:
            if (alias.asname or alias.name) == name and imported.module:
                return find(imported.module.removeprefix(f"{PACKAGE}."), alias.name)
    raise LookupError(f"{module} has no {name}")


def _string(node: ast.stmt) -> str:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return str(node.value.value).strip()
    return ""


def _targets(node: ast.AnnAssign | ast.Assign) -> list[str]:
    targets = [node.target] if isinstance(node, ast.AnnAssign) else node.targets
    return [ast.unparse(target) for target in targets]


def _doc(found: tuple[Definition, str]) -> str:
    return " ".join(found[1].split("\n\n")[0].split())


def _in_index(section: Section) -> tuple[str, str]:
    names = names_of(section)
    linked = ", ".join(f"[`{name}`](#{_anchor(_heading(section.module, name))})" for name in names)
    return (
        f"[{section.title}](#{_anchor(section.title)})",
        f"{len(names)} classes" if section.brief else linked,
    )


def _heading(module: str, name: str) -> str:
    """A name, and more where a viewer would otherwise make one anchor of two: Tool and tool."""
    others = [other for other in names_of_module(module) if other.lower() == name.lower()]
    return name if name == min(others) else f"{name} (function)"


def names_of_module(module: str) -> list[str]:
    """All names of one module that are on the page."""
    return [name for each in SECTIONS if each.module == module for name in names_of(each)]


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _entry(module: str, name: str) -> str:
    node, doc = find(module, name)
    parts = [
        f"### {_heading(module, name)}\n",
        _code(_declared(node)),
        f"{doc}\n" if doc else "",
    ]
    if isinstance(node, ast.ClassDef):
        parts.append("".join(map(_member, _members(node))))
    return "\n".join(part for part in parts if part)


def _code(text: str) -> str:
    return f"```python no-run\n{text}\n```\n"


def _declared(node: Definition) -> str:
    if isinstance(node, ast.ClassDef):
        return _class(node)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return _signature(f"def {node.name}", node.args, node.returns)
    return ast.unparse(node).split(" = Projection(")[0].split(" = combine(")[0]


def _class(node: ast.ClassDef) -> str:
    for each in node.body:
        if isinstance(each, ast.FunctionDef) and each.name == "__init__":
            return _signature(f"class {node.name}", each.args, None)
    fields = [each for each in node.body if isinstance(each, ast.AnnAssign | ast.Assign)]
    shown = [f"    {ast.unparse(each)}" for each in fields if not _targets(each)[0].startswith("_")]
    bases = ", ".join(ast.unparse(base) for base in node.bases if "Struct" not in ast.unparse(base))
    head = f"class {node.name}({bases})" if bases else f"class {node.name}"
    return "\n".join([f"{head}:", *shown]) if shown else head


def _signature(head: str, arguments: ast.arguments, returns: ast.expr | None) -> str:
    given = [part for part in _parameters(arguments) if part != "self"]
    end = f" -> {ast.unparse(returns)}" if returns is not None else ""
    line = f"{head}({', '.join(given)}){end}"
    if len(line) <= LONGEST_LINE:
        return line
    return "\n".join([f"{head}(", *(f"    {part}," for part in given), f"){end}"])


def _parameters(arguments: ast.arguments) -> Iterator[str]:
    plain = [*arguments.posonlyargs, *arguments.args]
    defaults = [*([None] * (len(plain) - len(arguments.defaults))), *arguments.defaults]
    for parameter, default in zip(plain, defaults, strict=True):
        yield _parameter(parameter, default)
    if arguments.vararg is not None:
        yield f"*{_parameter(arguments.vararg, None)}"
    elif arguments.kwonlyargs:
        yield "*"
    for parameter, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        yield _parameter(parameter, default)
    if arguments.kwarg is not None:
        yield f"**{_parameter(arguments.kwarg, None)}"


def _parameter(parameter: ast.arg, default: ast.expr | None) -> str:
    value = f" = {ast.unparse(default)}" if default is not None else ""
    return f"{ast.unparse(parameter)}{value}"


def _members(node: ast.ClassDef) -> Iterator[Function]:
    for each in node.body:
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and each.name[0] != "_":
            yield each


def _member(function: Function) -> str:
    """One method or property, its docstring as running text."""
    is_property = any(ast.unparse(mark) == "property" for mark in function.decorator_list)
    bare = "" if is_property else f"({_names(function.args)})"
    doc = " ".join((ast.get_docstring(function) or "").split())
    return f"- `{function.name}{bare}`: {doc}\n"


def _names(arguments: ast.arguments) -> str:
    """The parameters of a call without their types, which the text tells where it matters."""
    names = [
        re.sub(r"^(\**\w+): .*?(?: = (.*))?$", lambda m: m[1] + (f"={m[2]}" if m[2] else ""), part)
        for part in _parameters(arguments)
    ]
    return ", ".join(name for name in names if name != "self")


def _table(head: tuple[str, str], rows: Iterable[tuple[str, str]]) -> str:
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
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
