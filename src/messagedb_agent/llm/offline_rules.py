"""
What the offline stand-in understands: instructions in a message, as calls of offered tools.

Pure. Every rule sees a bounded piece of text and matches in linear time, whatever it holds.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from messagedb_agent.events.base import JSONObject
from messagedb_agent.llm.offline_arithmetic import find_expression

MAX_CHARACTERS = 4_000
MAX_CALLS = 8

PlannedCall: TypeAlias = tuple[str, dict[str, Any]]
"""A tool's name and its arguments."""

Rule: TypeAlias = Callable[[str, str], PlannedCall | None]
"""Looks at one instruction, as written and on one line in plain spacing."""

ZONES = {
    "amsterdam": "Europe/Amsterdam",
    "auckland": "Pacific/Auckland",
    "beijing": "Asia/Shanghai",
    "berlin": "Europe/Berlin",
    "cairo": "Africa/Cairo",
    "chicago": "America/Chicago",
    "delhi": "Asia/Kolkata",
    "denver": "America/Denver",
    "dubai": "Asia/Dubai",
    "germany": "Europe/Berlin",
    "hong kong": "Asia/Hong_Kong",
    "india": "Asia/Kolkata",
    "istanbul": "Europe/Istanbul",
    "japan": "Asia/Tokyo",
    "london": "Europe/London",
    "los angeles": "America/Los_Angeles",
    "madrid": "Europe/Madrid",
    "moscow": "Europe/Moscow",
    "new york": "America/New_York",
    "paris": "Europe/Paris",
    "rome": "Europe/Rome",
    "san francisco": "America/Los_Angeles",
    "sao paulo": "America/Sao_Paulo",
    "seoul": "Asia/Seoul",
    "shanghai": "Asia/Shanghai",
    "singapore": "Asia/Singapore",
    "sydney": "Australia/Sydney",
    "tokyo": "Asia/Tokyo",
    "toronto": "America/Toronto",
    "vienna": "Europe/Vienna",
    "zurich": "Europe/Zurich",
}

_SEPARATOR = re.compile(
    r"""(?P<quoted>"[^"\n]*"|(?<!\w)'[^'\n]*'(?!\w)|`[^`\n]*`)"""
    r"""|[;\n]|[.?!,](?=\s)|\s(?:and|then)(?=\s)""",
    re.IGNORECASE,
)
_POLITE = re.compile(
    r"(?:(?:please|kindly|now|then|also|and|ok|okay|so|can you|could you|would you|will you"
    r"|tell me|let me know|i want you to|i'd like you to)\b[\s,:]*)+",
    re.IGNORECASE,
)
_ECHO = re.compile(r"(?:echo|say|repeat after me|repeat)\b[\s:]+(\S.*)", re.IGNORECASE | re.DOTALL)
_RUN = re.compile(
    r"(?:run|execute) (?:the )?(?:shell )?(?:command:? )?[`$]? ?(\S.*)", re.IGNORECASE
)
_WRITE = re.compile(r"(?:write|save|put)\s+(\S.*)", re.IGNORECASE | re.DOTALL)
_TARGET = re.compile(r"\s(?:to|into|in) (?:the )?(?:file )?(\S+)$", re.IGNORECASE)
_SEARCH = re.compile(
    r"(?:search|grep|look|find)(?: (?:in )?(?:(?:the|all|my) )?files)?(?: for)? (.+?)"
    r"(?: in (?:(?:the|all|my) )?(?:files|(?:(?:folder|directory|files in) )?(\S+)))?$",
    re.IGNORECASE,
)
_READ = re.compile(
    r"(?:read|open|cat) (?:me )?(?:the )?(?:contents? of )?(?:the )?(?:file )?(\S+)$"
    r"|(?:show me|show|print|display|what is in|what's in|what is written in)"
    r" (?:the )?(?:contents? of )?(?:the )?(?:(?:file )(\S+)|(\S*[./]\S*))$"
    r"|what does (?:the )?(?:file )?(\S*[./]\S*) (?:say|contain)$",
    re.IGNORECASE,
)
_FETCH = re.compile(
    r"(?:fetch|get|open|download|read|show me|show) (?:the page )?(https?://\S+)$", re.IGNORECASE
)
_EDIT = re.compile(
    r"""(?:replace|change)\s+("[^"]*"|'[^']*')\s+(?:with|by|to)\s+("[^"]*"|'[^']*')"""
    r"""\s+in\s+(?:the\s+)?(?:file\s+)?(\S+)$""",
    re.IGNORECASE,
)
_LIST = re.compile(
    r"(?:(?:list|show|show me|what|which|give me)(?: all)?(?: the| my)? (?:files|folders)"
    r"(?: and (?:files|folders))?(?: are| exist)?(?: there)?|ls|list)"
    r"(?: (?:in|of|from|under|inside|here)\b)?(?: (?:the )?(?:folder |directory )?(\S+))?$",
    re.IGNORECASE,
)
_TIME = re.compile(
    r"\b(?:what time|(?:the|current) (?:current |local )?(?:time|date)|time is it|time now"
    r"|today's date|what day)\b(?:.{0,30}? in ([a-z_/+\- ]{2,40}))?",
    re.IGNORECASE,
)
_AFTER_PLACE = re.compile(r"(?: (?:right now|now|please|today|at the moment))+$", re.IGNORECASE)


def _echo(raw: str, _line: str) -> PlannedCall | None:
    match = _ECHO.match(raw)
    return ("echo", {"text": _unquoted(match[1])}) if match else None


def _run(_raw: str, line: str) -> PlannedCall | None:
    match = _RUN.match(line)
    if not match:
        return None
    command = match[1].strip("` ")
    try:
        argv = shlex.split(command)
    except ValueError:
        argv = command.split()
    return ("run_command", {"argv": argv}) if argv else None


def _write(raw: str, _line: str) -> PlannedCall | None:
    match = _WRITE.match(raw)
    target = _TARGET.search(match[1]) if match else None
    if not match or not target:
        return None
    path = _unquoted(target[1].rstrip(".,!?") or target[1])
    return ("write_file", {"path": path, "content": _unquoted(match[1][: target.start()])})


def _edit(raw: str, _line: str) -> PlannedCall | None:
    match = _EDIT.match(raw.rstrip("."))
    if not match:
        return None
    old, new, path = (_unquoted(group) for group in match.groups())
    return ("edit_file", {"path": path, "old": old, "new": new})


def _fetch(_raw: str, line: str) -> PlannedCall | None:
    match = _FETCH.match(line)
    return ("fetch_url", {"url": match[1]}) if match else None


def _search(_raw: str, line: str) -> PlannedCall | None:
    match = _SEARCH.match(line)
    everyday = not line.casefold().startswith(("search", "grep"))
    # "look" and "find" are everyday words; only with "files" do they mean this tool.
    if not match or (everyday and "files" not in line.casefold()):
        return None
    arguments = {"query": _unquoted(match[1])}
    return ("search_files", arguments | ({"path": _unquoted(match[2])} if match[2] else {}))


def _read(_raw: str, line: str) -> PlannedCall | None:
    match = _READ.match(line)
    return ("read_file", {"path": _unquoted(next(filter(None, match.groups())))}) if match else None


def _list(_raw: str, line: str) -> PlannedCall | None:
    match = _LIST.match(line)
    if not match:
        return None
    folder = _unquoted(match[1] or "")
    about_files = "file" in line or "folder" in line or "/" in folder or folder == "."
    # "list reasons" is not about files.
    if line.casefold().startswith("list") and not about_files:
        return None
    here = folder.casefold() in {"", "here", "it", "there", "workspace", "directory", "folder"}
    return ("list_files", {} if here else {"path": folder})


def _time(_raw: str, line: str) -> PlannedCall | None:
    match = _TIME.search(line)
    if not match:
        return None
    place = _AFTER_PLACE.sub("", match[1] or "").strip()
    zone = ZONES.get(place.casefold(), place if "/" in place or place.upper() == "UTC" else "")
    # An unknown place is passed on: the tool's error is a better answer than a wrong time.
    return ("get_current_time", {"timezone": zone or place} if place else {})


def _calculate(_raw: str, line: str) -> PlannedCall | None:
    expression = find_expression(line)
    return ("calculate", {"expression": expression}) if expression else None


RULES: tuple[Rule, ...] = (
    _echo,
    _run,
    _write,
    _edit,
    _fetch,
    _search,
    _read,
    _list,
    _time,
    _calculate,
)


def plan(text: str, tools: Sequence[JSONObject]) -> list[PlannedCall]:
    """The calls that a message asks for, in its order; none when no rule understands it."""
    if len(text) > MAX_CHARACTERS:
        return []
    offered = {tool["name"]: tool for tool in tools if isinstance(tool.get("name"), str)}
    found = (_match(instruction, offered) for instruction in _instructions(text, offered))
    return [call for call in found if call][:MAX_CALLS]


def _instructions(text: str, offered: Mapping[str, JSONObject]) -> Iterator[str]:
    """Cut a message where an instruction begins; what begins none belongs to the one before."""
    begin = 0
    for start, end in _pieces(text):
        if start > begin and _match(text[start:end], offered):
            yield text[begin:start]
            begin = start
    yield text[begin:]


def _pieces(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for separator in _SEPARATOR.finditer(text):
        if not separator["quoted"]:
            if separator.start() - start > 1:
                yield start, separator.start()
            start = separator.end()
    yield start, len(text)


def _match(instruction: str, offered: Mapping[str, JSONObject]) -> PlannedCall | None:
    raw = instruction.strip(" \t\r\n,;")
    while raw.endswith((" and", " then", ",", ";")):
        raw = raw.removesuffix(" and").removesuffix(" then").rstrip(" \n,;")
    if polite := _POLITE.match(raw):
        raw = raw[polite.end() :]
    line = " ".join(raw.split()).rstrip("?!. ")
    for rule in RULES:
        call = rule(raw, line)
        if call and call[0] in offered:
            return call[0], _named_as_declared(call[1], offered[call[0]])
    return None


def _named_as_declared(arguments: dict[str, Any], tool: JSONObject) -> dict[str, Any]:
    """Fit arguments to a tool that calls its parameters differently."""
    schema = tool.get("parameters")
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    if not isinstance(properties, Mapping):
        return arguments
    spare = [name for name in properties if name not in arguments]
    fitted: dict[str, Any] = {}
    for name, value in arguments.items():
        declared = name if name in properties else (spare.pop(0) if spare else name)
        about = properties.get(declared)
        wants_text = isinstance(about, Mapping) and about.get("type") == "string"
        fitted[declared] = shlex.join(value) if isinstance(value, list) and wants_text else value
    return fitted


def _unquoted(text: str) -> str:
    text = text.strip()
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'`"
    return text[1:-1] if quoted else text
