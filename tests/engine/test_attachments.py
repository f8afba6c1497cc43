from __future__ import annotations

import pytest

from messagedb_agent.engine.attachments import Attachment, store_attachment
from messagedb_agent.engine.contents import Contents, blob_stream
from messagedb_agent.engine.transfer import export_thread, import_thread
from messagedb_agent.errors import ModelCallError
from messagedb_agent.events.user import AttachmentStored, UserMessageAdded
from messagedb_agent.projections.messages import AssistantMessage, Message, UserMessage
from messagedb_agent.store.base import NewEvent
from messagedb_agent.store.memory import MemoryStore

PICTURE = Attachment("a.png", "image/png", b"picture")


def test_the_same_content_is_stored_once_under_whatever_name() -> None:
    store = MemoryStore()

    first = store_attachment(store, PICTURE)
    second = store_attachment(store, Attachment("b.png", "image/png", b"picture"))

    assert first["sha256"] == second["sha256"] == PICTURE.sha256
    assert (first["name"], second["name"]) == ("a.png", "b.png")
    (record,) = store.read(blob_stream(PICTURE.sha256))
    assert isinstance(record.event, AttachmentStored)
    assert (record.event.size, record.event.data) == (7, "cGljdHVyZQ==")


def test_contents_are_kept_apart_from_threads() -> None:
    assert blob_stream("ab") == "agent_blob:v0-ab"


def test_a_reference_becomes_content_in_what_a_model_is_given() -> None:
    store = MemoryStore()
    block = store_attachment(store, PICTURE)
    paper = store_attachment(store, Attachment("b.pdf", "application/pdf", b"%PDF-"))
    messages: list[Message] = [UserMessage("look", (block, paper)), AssistantMessage("nice")]

    resolved = Contents(store).resolve(messages)

    first = resolved[0]
    assert isinstance(first, UserMessage)
    assert first.content == (
        {"type": "image", "media_type": "image/png", "name": "a.png", "data": "cGljdHVyZQ=="},
        {"type": "file", "media_type": "application/pdf", "name": "b.pdf", "data": "JVBERi0="},
    )
    assert resolved[1] is messages[1]
    assert messages[0] == UserMessage("look", (block, paper))


def test_a_conversation_without_files_is_not_touched() -> None:
    messages = [UserMessage("hello")]

    assert Contents(MemoryStore()).resolve(messages) is messages


def test_content_that_came_within_the_message_stays() -> None:
    message = UserMessage("look", ({"type": "image", "media_type": "image/png", "data": "aGk="},))

    assert Contents(MemoryStore()).resolve([message]) == [message]


def test_content_is_read_once() -> None:
    store = MemoryStore()
    message = UserMessage("look", (store_attachment(store, PICTURE),))
    attachments = Contents(store)
    once = attachments.resolve([message])
    store._streams.clear()

    assert attachments.resolve([message, message]) == [*once, *once]


def test_a_reference_to_nothing_fails_the_call() -> None:
    message = UserMessage("look", ({"type": "image", "sha256": "0" * 64},))

    with pytest.raises(ModelCallError, match="agent_blob:v0-000") as failed:
        Contents(MemoryStore()).resolve([message])
    assert not failed.value.retryable


def test_an_exported_thread_takes_its_files_along() -> None:
    store, elsewhere = MemoryStore(), MemoryStore()
    block = store_attachment(store, PICTURE)
    message = UserMessageAdded(message="look", content=(block, block))
    store.append("agent:v0-t", [NewEvent(event=message)])

    import_thread(elsewhere, export_thread(store, "agent:v0-t"))
    import_thread(elsewhere, export_thread(store, "agent:v0-t"), rename="agent:v0-copy")

    given = UserMessage("look", (block,))
    assert Contents(elsewhere).resolve([given]) == Contents(store).resolve([given])
