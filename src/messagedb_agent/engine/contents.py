"""
Contents that a thread refers to and does not hold: users' files, and large results of tools.

Each has a stream of its own, named by its hash, whatever category the thread is of. So it is
stored once, however often it comes, and the events and states of a thread stay small. A
reference is resolved when a model is called, or somebody wants to see the whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar
from uuid import NAMESPACE_URL, uuid5

import msgspec

from messagedb_agent.errors import ModelCallError, OptimisticConcurrencyError
from messagedb_agent.events.base import Event, JSONObject, RecordedEvent
from messagedb_agent.events.codec import as_stored
from messagedb_agent.events.json_text import canonical
from messagedb_agent.events.tool import StoredResult, ToolExecutionCompleted, ToolResultStored
from messagedb_agent.events.user import AttachmentStored, UserMessageAdded
from messagedb_agent.projections.messages import LargeToolResult, Message, ToolResult, UserMessage
from messagedb_agent.store.base import NO_STREAM, EventStore, NewEvent
from messagedb_agent.store.stream import build_stream_name

E = TypeVar("E", bound=Event)

BLOB_CATEGORY: Final = "agent_blob"
RESULT_CATEGORY: Final = "agent_result"
VERSION: Final = "v0"

INLINE_BYTES: Final = 16 * 1024
"""A result whose JSON takes more is stored apart: a second commit is then worth its while."""

PREVIEW_CHARACTERS: Final = 500


def blob_stream(sha256: str) -> str:
    """The stream that keeps a file with this hash."""
    return build_stream_name(BLOB_CATEGORY, VERSION, sha256)


def result_stream(sha256: str) -> str:
    """
    The stream that keeps a result with this hash.

    Not that of a file of the same bytes: the two are stored in different forms.
    """
    return build_stream_name(RESULT_CATEGORY, VERSION, sha256)


def store_once(store: EventStore, stream_name: str, content: Event) -> None:
    """
    Keep a content in its stream, unless it is kept there already.

    Content and what refers to it are two commits, in this order: content that nothing refers
    to does no harm.
    """
    if store.version(stream_name) == NO_STREAM:
        new = NewEvent(event=content, id=str(uuid5(NAMESPACE_URL, stream_name)))
        # Somebody else may just have stored the same content.
        with suppress(OptimisticConcurrencyError):
            store.append(stream_name, [new], expected_version=NO_STREAM)


def referred_streams(events: Iterable[Event]) -> tuple[str, ...]:
    """The streams of all contents that events refer to, each once."""
    found: dict[str, None] = {}
    for event in events:
        match event:
            case UserMessageAdded(content=blocks) if blocks:
                hashes = (str(block["sha256"]) for block in blocks if "sha256" in block)
                found.update(dict.fromkeys(map(blob_stream, hashes)))
            case ToolExecutionCompleted(stored=StoredResult(sha256=sha256)):
                found[result_stream(sha256)] = None
    return tuple(found)


def with_whole_results(store: EventStore, records: Iterable[RecordedEvent]) -> list[RecordedEvent]:
    """The events with their results in place; see `Contents.whole`."""
    contents = Contents(store)
    return [
        msgspec.structs.replace(record, event=contents.whole(record.event)) for record in records
    ]


class Contents:
    """
    The contents that one thread refers to, each read at most once by this process.

    Methods that resolve references raise `ModelCallError` for one to what is not stored.
    """

    def __init__(self, store: EventStore, references: References | None = None) -> None:
        self._store = store
        self._known: dict[str, Any] = {}
        self._references = references or References()

    def set_aside(self, event: Event) -> Event:
        """The event as it is, or, of a large result, one that refers to it; it is stored then."""
        if not isinstance(event, ToolExecutionCompleted) or event.stored is not None:
            return event
        text = canonical(event.result)
        if len(text) <= INLINE_BYTES:
            return event
        stored = StoredResult(hashlib.sha256(text).hexdigest(), len(text))
        stream_name = result_stream(stored.sha256)
        if stream_name not in self._known:
            content = as_stored(
                ToolResultStored(sha256=stored.sha256, size=stored.size, result=event.result)
            )
            store_once(self._store, stream_name, content)
            assert isinstance(content, ToolResultStored)
            self._known[stream_name] = content.result
        beginning = event.result if isinstance(event.result, str) else text.decode()
        preview = f"{beginning[:PREVIEW_CHARACTERS]}…"
        return msgspec.structs.replace(event, result=preview, stored=stored)

    def whole(self, event: E) -> E:
        """The event with its result in place, if it refers to one: what `set_aside` was given."""
        if not isinstance(event, ToolExecutionCompleted) or event.stored is None:
            return event
        return msgspec.structs.replace(event, result=self._result(event.stored), stored=None)

    def resolve(self, messages: Sequence[Message], *, files: bool = True) -> Sequence[Message]:
        """The messages with contents in place of references; `files` says whether theirs too."""
        places = self._references.within(messages)
        if not places:
            return messages
        resolved = list(messages)
        for place in places:
            resolved[place] = self._resolved(resolved[place], files=files)
        return resolved

    def _resolved(self, message: Message, *, files: bool) -> Message:
        match message:
            case LargeToolResult():
                result = self._result(message.stored)
                return ToolResult(message.tool_call_id, message.tool_name, result, message.is_error)
            case UserMessage(content=blocks) if files:
                return msgspec.structs.replace(message, content=tuple(map(self._block, blocks)))
            case _:
                return message

    def _block(self, block: JSONObject) -> Mapping[str, Any]:
        if "sha256" not in block or "data" in block:
            return block
        kept = {key: value for key, value in block.items() if key not in ("sha256", "size")}
        return {**kept, "data": self._content(blob_stream(str(block["sha256"])))}

    def _result(self, stored: StoredResult) -> Any:
        return self._content(result_stream(stored.sha256))

    def _content(self, stream_name: str) -> Any:
        if stream_name not in self._known:
            event = next((record.event for record in self._store.read(stream_name)), None)
            match event:
                case AttachmentStored(data=content) | ToolResultStored(result=content):
                    self._known[stream_name] = content
                case _:
                    raise _missing(stream_name)
        return self._known[stream_name]


class References:
    """
    Which messages of a context may refer to contents.

    Contexts grow, so each call looks only at what is new. One that is no continuation of the
    last does not have the same message in the same place.
    """

    def __init__(self) -> None:
        self._places: list[int] = []
        self._count = 0
        self._last: Message | None = None

    def within(self, messages: Sequence[Message]) -> list[int]:
        """The places of these messages, in order."""
        count = self._count
        if count > len(messages) or (count and messages[count - 1] is not self._last):
            self._places, count = [], 0
        for place, message in enumerate(messages[count:], start=count):
            if isinstance(message, LargeToolResult) or (
                isinstance(message, UserMessage) and message.content
            ):
                self._places.append(place)
        self._count = len(messages)
        self._last = messages[-1] if messages else None
        return self._places


def _missing(stream_name: str) -> ModelCallError:
    what = "a result of a tool" if stream_name.startswith(RESULT_CATEGORY) else "an attachment"
    return ModelCallError(
        f"{what} of this thread is not in the store (stream {stream_name})",
        error_type="invalid_request",
    )
