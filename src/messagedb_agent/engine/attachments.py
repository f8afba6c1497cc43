"""Files that users send along, as contents and as blocks of messages that refer to them."""

from __future__ import annotations

import base64
import hashlib

import msgspec

from messagedb_agent.engine.contents import blob_stream, store_once
from messagedb_agent.events.base import JSONObject
from messagedb_agent.events.user import AttachmentStored
from messagedb_agent.store.base import EventStore


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
    store_once(store, blob_stream(sha256), stored)
    return {
        "type": "image" if attachment.media_type.startswith("image/") else "file",
        "media_type": attachment.media_type,
        "name": attachment.name,
        "sha256": sha256,
        "size": len(attachment.content),
    }
