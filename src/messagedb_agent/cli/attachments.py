"""Files that are sent along with a message: recognised by their content, kept within bounds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from messagedb_agent.engine.attachments import Attachment, store_attachment
from messagedb_agent.errors import UsageError
from messagedb_agent.events.base import JSONObject
from messagedb_agent.store.base import EventStore

MAX_IMAGE_BYTES = 5 * 1024 * 1024
MAX_PDF_BYTES = 20 * 1024 * 1024
MAX_TOTAL_BYTES = 20 * 1024 * 1024
"""What all providers take in one request, with room for the conversation."""

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
)


def read_attachments(files: list[str]) -> tuple[Attachment, ...]:
    """The files of a message. Raises `UsageError` for what no model could be given."""
    attachments = tuple(map(_read, files))
    total = sum(len(attachment.content) for attachment in attachments)
    if total > MAX_TOTAL_BYTES:
        raise UsageError(
            f"the attachments have {total:,} bytes together; at most {MAX_TOTAL_BYTES:,} can go"
        )
    return attachments


def keep_attachments(
    store: EventStore, attachments: Sequence[Attachment]
) -> tuple[JSONObject, ...] | None:
    """Store them; gives the content of the message that refers to them, if there are any."""
    return tuple(store_attachment(store, attachment) for attachment in attachments) or None


def media_type_of(content: bytes) -> str | None:
    """The type that the first bytes tell, whatever the file is called."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for magic, kind in _MAGIC if content.startswith(magic)), None)


def _read(file: str) -> Attachment:
    path = Path(file)
    try:
        with path.open("rb") as opened:
            content = opened.read(MAX_TOTAL_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"can not read the attachment {file}: {reason}") from error
    media_type = media_type_of(content)
    if media_type is None:
        raise UsageError(
            f"can not attach {file}: by its content it is neither png, jpeg, gif, webp nor pdf"
        )
    limit = MAX_PDF_BYTES if media_type == "application/pdf" else MAX_IMAGE_BYTES
    if len(content) > limit:
        raise UsageError(f"can not attach {file}: {media_type} may have at most {limit:,} bytes")
    return Attachment(path.name, media_type, content)
