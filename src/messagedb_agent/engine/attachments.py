"""
Files that users send along: stored once, by their content, and fetched when a model is called.

Each content has a stream of its own, `agent_blob:v0-<sha256>`, whatever category the thread
is of. A message holds a reference of a hundred bytes, however often it is projected.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import msgspec

from messagedb_agent.errors import ModelCallError, OptimisticConcurrencyError
from messagedb_agent.events.base import Event, JSONObject
from messagedb_agent.events.user import AttachmentStored, UserMessageAdded
from messagedb_agent.projections.messages import Message, UserMessage
from messagedb_agent.store.base import NO_STREAM, EventStore, NewEvent
from messagedb_agent.store.stream import build_stream_name

CATEGORY, VERSION = "agent_blob", "v0"


class Attachment(msgspec.Struct, frozen=True):
    """A file's content, its type, and the name to show."""

    name: str
    media_type: str
    content: bytes

    @property
    def sha256(self) -> str:
        """The hash that the content is stored under."""
        return hashlib.sha256(self.content).hexdigest()


def store_attachment(store: EventStore, attachment: Attachment) -> JSONObject:
    """
    Keep the content, unless it is kept already; gives the block for a message that refers to it.

    Content and message are two commits, in this order: content that no message refers to
    does no harm.
    """
    sha256 = attachment.sha256
    stored = AttachmentStored(
        sha256=sha256,
        media_type=attachment.media_type,
        size=len(attachment.content),
        data=base64.b64encode(attachment.content).decode(),
    )
    blob = blob_stream(sha256)
    if store.version(blob) == NO_STREAM:
        try:
            event_id = str(uuid5(NAMESPACE_URL, blob))
            store.append(blob, [NewEvent(event=stored, id=event_id)], expected_version=NO_STREAM)
        except OptimisticConcurrencyError:
            pass  # somebody else just stored the same content
    return {
        "type": "image" if attachment.media_type.startswith("image/") else "file",
        "media_type": attachment.media_type,
        "name": attachment.name,
        "sha256": sha256,
        "size": len(attachment.content),
    }


def blob_stream(sha256: str) -> str:
    """The stream that keeps this content."""
    return build_stream_name(CATEGORY, VERSION, sha256)


def referred(events: Iterable[Event]) -> tuple[str, ...]:
    """The hashes of all contents that messages refer to, each once."""
    blocks = (
        block
        for event in events
        if isinstance(event, UserMessageAdded)
        for block in event.content or ()
    )
    return tuple(dict.fromkeys(str(block["sha256"]) for block in blocks if "sha256" in block))


class Attachments:
    """The contents that one thread refers to, each read once by this process."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._known: dict[str, str] = {}

    def resolve(self, messages: Sequence[Message]) -> Sequence[Message]:
        """
        The messages with contents in place of references.

        Raises `ModelCallError` for a reference to what is not stored.
        """
        if not any(isinstance(message, UserMessage) and message.content for message in messages):
            return messages
        return [
            msgspec.structs.replace(message, content=tuple(map(self._block, message.content)))
            if isinstance(message, UserMessage) and message.content
            else message
            for message in messages
        ]

    def _block(self, block: JSONObject) -> Mapping[str, Any]:
        if "sha256" not in block or "data" in block:
            return block
        kept = {key: value for key, value in block.items() if key not in ("sha256", "size")}
        return {**kept, "data": self._data(str(block["sha256"]))}

    def _data(self, sha256: str) -> str:
        if sha256 not in self._known:
            blob = blob_stream(sha256)
            event = next((record.event for record in self._store.read(blob)), None)
            if not isinstance(event, AttachmentStored):
                raise ModelCallError(
                    f"an attachment of this thread is not in the store (stream {blob})",
                    error_type="invalid_request",
                )
            self._known[sha256] = event.data
        return self._known[sha256]
