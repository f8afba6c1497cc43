"""Whatever a tool returns, as JSON of a bounded size and depth."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import msgspec

MAX_RESULT_CHARACTERS = 256 * 1024
MAX_DEPTH = 100
MAX_INT_BITS = 14_000  # Python refuses to print ints of more than 4300 digits


def to_json(value: Any, *, limit: int = MAX_RESULT_CHARACTERS) -> Any:
    """
    The value as JSON types; NaN and infinities stay floats, bytes become base64.

    What JSON has no word for becomes its text. Beyond `limit` characters the result is text
    with its middle left out; below `MAX_DEPTH` levels, a container is its text.
    """
    found = _convert(value, 0)
    if isinstance(found, str):
        return cut(found, limit)
    if isinstance(found, list | dict):
        import json  # noqa: PLC0415  only results that are containers need it

        text = json.dumps(found, ensure_ascii=False)
        return found if len(text) <= limit else cut(text, limit)
    return found


def cut(text: str, limit: int) -> str:
    """The text, with its middle replaced by a notice when it has more than `limit` characters."""
    if len(text) <= limit:
        return text
    half = limit // 2
    notice = f"\n[… {len(text) - 2 * half} characters left out …]\n"
    return text[:half] + notice + text[len(text) - half :]


def text_of(value: object) -> str:
    """`str(value)`, or what can be said when that fails."""
    try:
        return str(value)
    except Exception as error:  # noqa: BLE001  a tool's __str__ may raise anything
        return f"<{type(value).__name__} that has no text: {type(error).__name__}>"


def _convert(value: Any, depth: int) -> Any:
    if value is None or type(value) in {bool, str}:
        return value
    if isinstance(value, enum.Enum):
        return _convert(value.value, depth)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, int):
        return int(value) if value.bit_length() <= MAX_INT_BITS else hex(value)
    children = _children(value)
    if children is None:
        return _leaf(value)
    if depth >= MAX_DEPTH:
        return cut(text_of(value), 1000)
    if isinstance(children, dict):
        return {_key(key): _convert(child, depth + 1) for key, child in children.items()}
    return [_convert(child, depth + 1) for child in children]


def _children(value: Any) -> dict[Any, Any] | list[Any] | None:
    """What a container holds, or None for anything else."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, AbstractSet):
        return sorted(value, key=lambda item: (type(item).__name__, text_of(item)))
    if isinstance(value, str | bytes | bytearray | memoryview | type):
        return None
    if isinstance(value, Sequence):
        return list(value)
    # Asked of the type, since an object may claim to have every attribute.
    for names in ("__dataclass_fields__", "__struct_fields__"):
        if fields := getattr(type(value), names, None):
            return {name: getattr(value, name) for name in fields}
    return None


def _key(key: Any) -> str:
    if isinstance(key, str):
        return str(key)
    plain = _convert(key, MAX_DEPTH)
    return plain if isinstance(plain, str) else text_of(plain)


def _leaf(value: Any) -> Any:
    try:
        return msgspec.to_builtins(value, enc_hook=text_of)
    except Exception:  # noqa: BLE001  the object's own code may raise anything
        return text_of(value)
