"""
Any Python JSON value as text that PostgreSQL's JSONB takes, and back without loss.

JSONB refuses NUL characters and lone surrogates, knows no NaN or infinity, forgets the sign
of zero and turns large floats into integers. What it would refuse or change is written as
an escape that starts with U+FDD0, a code point that Unicode reserves for internal use; a
U+FDD0 in the value itself is escaped as well, so reading back is exact. Text without that
code point, which is nearly all text, is read by the C decoder alone.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from messagedb_agent.errors import EncodingError

MAX_DEPTH = 200
"""Deeper nesting is refused: JSON parsers, PostgreSQL's among them, recurse."""

LEAD = "\ufdd0"
"""What escapes begin with: a stored text that has it must be read by `from_json`."""

_UNSAFE = re.compile("[\x00\ud800-\udfff\ufdd0]")
_ESCAPE = re.compile(f"{LEAD}([0-9A-F]{{4}})")
_INT64 = 1 << 63
_LARGE_FLOAT = 1e16

_REFUSED = (UnicodeEncodeError, OverflowError, RecursionError, TypeError, ValueError)

# What the C encoder writes in a way that JSONB would refuse or change, or that may stand for
# such a thing. Finding one only means to look closer.
_NUL, _LEAD_BYTES = b"\\u0000", LEAD.encode()
# Such numbers are floats, or integers of more than 32 bits. In MessagePack these begin with a byte
# of their own, which is found many times quicker than a form of the text, and seldom in texts.
_FLOAT, _UNSIGNED, _SIGNED = b"\xcb", b"\xcf", b"\xd3"
# NaN and infinities are written as null, but have a form of their own there.
_ODD_FLOAT = re.compile(rb"\xcb[\x7f\xff][\xf0-\xff]")
# A number with an exponent, or of nineteen digits, where a value begins. It is sought in a copy of
# few letters (x: before a value, 0: digit or sign), where `re` can skip to what it begins with.
_SUSPECT_NUMBER = re.compile(rb"x0(?:0*(?:\.0+)?e|0{18})")
_FEW_LETTERS = bytes.maketrans(b":,[\n123456789-E", b"xxxx0000000000e")
_NEGATIVE_ZERO = b"-0.0"

_NESTED = frozenset({dict, list})

_encode = msgspec.json.Encoder().encode
_encode_sorted = msgspec.json.Encoder(order="sorted").encode
_encode_lines = msgspec.json.Encoder(order="sorted").encode_lines
_decode = msgspec.json.Decoder().decode
_pack = msgspec.msgpack.Encoder().encode


def to_json(value: Any) -> str:
    """
    The text to store. Raises `EncodingError` for what is not JSON, or nested too deep.

    Tuples become arrays, keys text; dates, UUIDs and the like become what msgspec makes of them.
    """
    return _encoded(value, _encode).decode()


def from_json(text: str) -> Any:
    """The value that `to_json` wrote, or that any other program did."""
    value = _decode(text)
    return unescape(value) if LEAD in text else value


def canonical(value: Any) -> bytes:
    """One byte string for all equal values: sorted keys, no spaces. For digests."""
    return _encoded(value, _encode_sorted)


def canonical_lines(values: Sequence[Any]) -> bytes:
    """The canonical form of each value, a newline after each; quicker than one by one."""
    try:
        text = _encode_lines(values)
    except _REFUSED:
        text = b""
    if text and not _is_suspect(text, values):
        return text
    return b"".join(canonical(value) + b"\n" for value in values)


def digest(value: Any) -> str:
    """SHA-256 of the canonical form, in hexadecimal."""
    return hashlib.sha256(canonical(value)).hexdigest()


def in_stored_order(text: str) -> str:
    """A text of `to_json`, with the keys of inner objects in the order that JSONB gives them."""
    if text.count("{") <= 1:
        return text
    value = _decode(text)
    inner = value.values() if type(value) is dict else (value,)
    return text if _are_ordered(inner) else _encode(_ordered(value)).decode()


def unescape(value: Any) -> Any:
    """Undo the escapes within a decoded value."""
    if isinstance(value, str):
        return _unescape_text(value) if LEAD in value else value
    if isinstance(value, list):
        return [unescape(item) for item in value]
    if isinstance(value, dict):
        return {_unescape_key(key): unescape(item) for key, item in value.items()}
    return value


def _are_ordered(values: Iterable[Any]) -> bool:
    for value in values:
        if type(value) in _NESTED:
            items = value
            if type(value) is dict:
                if [*value] != _keys_in_jsonb(value):
                    return False
                items = value.values()
            if not (_NESTED.isdisjoint(map(type, items)) or _are_ordered(items)):
                return False
    return True


def _ordered(value: Any) -> Any:
    if type(value) is dict:
        return {
            key: _ordered(item) if type(item) in _NESTED else item
            for key in _keys_in_jsonb(value)
            for item in (value[key],)
        }
    return [_ordered(item) if type(item) in _NESTED else item for item in value]


def _keys_in_jsonb(value: dict[str, Any]) -> list[str]:
    """Shorter keys come first, and keys of one length in the order of their bytes."""
    keys = sorted(value)
    keys.sort(key=len if "".join(keys).isascii() else _size)
    return keys


def _size(key: str) -> int:
    return len(key.encode())


def _encoded(value: Any, encoder: Callable[[Any], bytes]) -> bytes:
    try:
        text = encoder(value)
    except _REFUSED:
        text = b""
    # What is opened has to be closed, and most texts are short.
    shallow = len(text) <= 2 * MAX_DEPTH or text.count(b"[") + text.count(b"{") <= MAX_DEPTH
    if text and shallow and not _is_suspect(text, value):
        return text
    return encoder(_escaped(value, 0))


def _is_suspect(text: bytes, value: Any) -> bool:
    # `find`, for `in` tries the bytes as a number first, and an exception is dear.
    if text.find(_NUL) >= 0 or text.find(_LEAD_BYTES) >= 0:
        return True
    try:
        packed = _pack(value)
    except _REFUSED:
        return True
    if packed.find(_FLOAT) < 0 and packed.find(_UNSIGNED) < 0 and packed.find(_SIGNED) < 0:
        return False
    return (
        text.find(_NEGATIVE_ZERO) >= 0
        or text[0] in b"-0123456789"
        or _SUSPECT_NUMBER.search(text.translate(_FEW_LETTERS)) is not None
        or _ODD_FLOAT.search(packed) is not None
    )


def _escaped(value: Any, depth: int) -> Any:
    if value is None or value is True or value is False:
        return value
    if isinstance(value, str):
        return _escape_text(value)
    if isinstance(value, int):
        return int(value) if -_INT64 <= value < _INT64 else f"{LEAD}i{value:x}"
    if isinstance(value, float):
        return _escape_float(float(value))
    if depth >= MAX_DEPTH:
        raise EncodingError(f"the value is nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, list | tuple):
        return [_escaped(item, depth + 1) for item in value]
    if isinstance(value, Mapping):
        return {_escape_key(key): _escaped(item, depth + 1) for key, item in value.items()}
    if isinstance(value, msgspec.Struct):
        return _escaped(msgspec.structs.asdict(value), depth)
    try:
        return _escaped(msgspec.to_builtins(value), depth + 1)
    except TypeError as error:
        raise EncodingError(f"a value of type {type(value).__name__} is not JSON") from error


def _escape_text(text: str) -> str:
    if text.isascii() and "\x00" not in text:
        return text
    return _UNSAFE.sub(lambda match: f"{LEAD}{ord(match[0]):04X}", text)


def _escape_key(key: object) -> str:
    if isinstance(key, int | float) and not isinstance(key, bool):
        return str(key)
    if not isinstance(key, str):
        raise EncodingError(f"an object key of type {type(key).__name__} is not JSON")
    return _escape_text(key)


def _escape_float(value: float) -> float | str:
    if not math.isfinite(value) or abs(value) >= _LARGE_FLOAT:
        return f"{LEAD}f{value!r}"
    if value == 0 and math.copysign(1, value) < 0:
        return f"{LEAD}f-0.0"
    return value


def _unescape_text(text: str) -> Any:
    if text.startswith(f"{LEAD}i"):
        return int(text.removeprefix(f"{LEAD}i"), 16)
    if text.startswith(f"{LEAD}f"):
        return float(text[2:])
    return _unescape_key(text)


def _unescape_key(key: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)), key)
