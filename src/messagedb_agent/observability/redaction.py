"""Keeping secrets out of what leaves the process as a failure's event, a log line or a span."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, unquote

REDACTED = "[redacted]"

_SHORTEST = 4
"""Shorter values would be found in innocent words; nobody's password should be that short."""

_SECRET_VARIABLE = re.compile(
    r"PASS(WD|WORD|PHRASE)?($|_)|_PWD$|SECRET|TOKEN($|_)|(^|_|API)KEYS?($|_)|CREDENTIAL|_HEADERS$"
    r"|AUTH(ORIZATION)?$|COOKIE",
    re.IGNORECASE,
)
_PATHS = frozenset({"GOOGLE_APPLICATION_CREDENTIALS"})
"""Variables that only say where a secret is."""

_SECRET_KEY = re.compile(
    r"pass(wd|word|phrase)|(^|[_\-.])pwd$|secret|(^|[_\-.]|[a-z])token$|(^|[_\-.])(api|access|private)"
    r"[_\-]?key|apikey|credential|authorization|cookie|bearer",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"(?<=://)([^/\s:@]*):([^/\s@]+)@")
_PASSWORD_SETTING = re.compile(r"(?i)\b(password\s*=\s*)('(?:[^'\\]|\\.)*'|[^\s&]+)")
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9+/._~=-]{8,}")
_HARMLESS = frozenset({"true", "false", "none", "null", "auto", "default"})
_DEEPEST = 20
_UNMISTAKABLE = 8
_WORD_OR_PATH = re.compile(r"[A-Za-z_]{1,15}|[/~][^\n]*")


class Redactor:
    """
    Replaces the secrets that an environment holds, and what looks like one.

    Secrets are the values of variables whose names say so, and the passwords in URLs and
    connection strings; each is also found in its percent-encoded form.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        spellings = {form for secret in _secrets(environ) for form in (secret, quote(secret, ""))}
        longest_first = sorted(spellings, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, longest_first))) if spellings else None
        self._unmistakable = tuple(filter(_is_unmistakable, longest_first))

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Redactor:
        """The one for an environment; made anew only when that has changed."""
        global _latest  # noqa: PLW0603 - a cache of one, whose key can't be hashed
        if _latest is None or _latest[0] != environ:
            _latest = dict(environ), cls(environ)
        return _latest[1]

    def result(self, value: Any) -> Any:
        """
        A JSON value without the secrets of the environment; the value itself if it has none.

        Those that might as well be words (`postgres`) or paths stay: what tools read has to
        come through as it is.
        """
        return self._without(value) if self._unmistakable else value

    def _without(self, value: Any) -> Any:
        match value:
            case str():
                for secret in self._unmistakable:
                    if secret in value:
                        value = value.replace(secret, REDACTED)
                return value
            case dict():
                clean = {self._without(key): self._without(item) for key, item in value.items()}
                return clean if clean != value else value
            case list() | tuple():
                items = [self._without(item) for item in value]
                is_same = all(item is old for item, old in zip(items, value, strict=True))
                return value if is_same else items
            case _:
                return value

    def text(self, text: str) -> str:
        """The text without secrets."""
        if self._known is not None:
            text = self._known.sub(REDACTED, text)
        text = _ADDRESS.sub(rf"\1:{REDACTED}@", text)
        text = _PASSWORD_SETTING.sub(rf"\1{REDACTED}", text)
        return _BEARER.sub(rf"\1 {REDACTED}", text)

    def value(self, value: Any, depth: int = 0) -> Any:
        """A JSON-like value without secrets: keys named like one lose their value."""
        if isinstance(value, str):
            return self.text(value)
        if depth > _DEEPEST:
            return REDACTED
        if isinstance(value, Mapping):
            return {
                self.text(str(key)): REDACTED
                if is_secret_key(str(key))
                else self.value(item, depth + 1)
                for key, item in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.value(item, depth + 1) for item in value]
        return value


_latest: tuple[dict[str, str], Redactor] | None = None


def is_secret_key(key: str) -> bool:
    """Whether a key of an object says that its value is nobody's business."""
    return _SECRET_KEY.search(key) is not None


def _secrets(environ: Mapping[str, str]) -> Iterable[str]:
    for name, value in environ.items():
        if _SECRET_VARIABLE.search(name) and name not in _PATHS:
            yield from filter(_is_worth_hiding, (value, *_header_values(name, value)))
        yield from filter(_is_worth_hiding, _passwords_in(value))


def _header_values(name: str, value: str) -> Iterable[str]:
    """OTEL_EXPORTER_OTLP_HEADERS is a list of `name=value`."""
    if not name.upper().endswith("_HEADERS"):
        return ()
    values = (pair.partition("=")[2].strip() for pair in value.split(","))
    return [form for value in values for form in (value, unquote(value))]


def _passwords_in(value: str) -> Iterable[str]:
    for found in _ADDRESS.finditer(value):
        yield from {found[2], unquote(found[2])}
    for found in _PASSWORD_SETTING.finditer(value):
        yield re.sub(r"\\(.)", r"\1", found[2].strip("'"))


def _is_unmistakable(value: str) -> bool:
    """Whether whoever finds this in a text has found the secret, and no word, name or path."""
    return len(value) >= _UNMISTAKABLE and not _WORD_OR_PATH.fullmatch(value)


def _is_worth_hiding(value: str) -> bool:
    value = value.strip()
    is_small_number = value.isdecimal() and len(value) < 2 * _SHORTEST
    return len(value) >= _SHORTEST and value.lower() not in _HARMLESS and not is_small_number
