from __future__ import annotations

from pathlib import Path

import pytest

from messagedb_agent.cli import attachments
from messagedb_agent.cli.attachments import media_type_of, read_attachments
from messagedb_agent.errors import UsageError


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b"\x89PNG\r\n\x1a\n...", "image/png"),
        (b"\xff\xd8\xff\xe0...", "image/jpeg"),
        (b"GIF87a", "image/gif"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"RIFF\x00\x00\x00\x00WAVE", None),
        (b"%PDF-1.7", "application/pdf"),
        (b"<svg></svg>", None),
        (b"", None),
    ],
)
def test_the_first_bytes_tell_the_type(content: bytes, media_type: str | None) -> None:
    assert media_type_of(content) == media_type


def test_names_are_shown_without_their_folders(tmp_path: Path) -> None:
    file = tmp_path / "photo"
    file.write_bytes(b"GIF89a")

    (read,) = read_attachments([str(file)])

    assert (read.name, read.media_type, read.content) == ("photo", "image/gif", b"GIF89a")


def test_files_have_a_size_that_counts_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.gif"
    file.write_bytes(b"GIF89a....")
    monkeypatch.setattr(attachments, "MAX_TOTAL_BYTES", 25)

    assert len(read_attachments([str(file)] * 2)) == 2
    with pytest.raises(UsageError, match="30 bytes together"):
        read_attachments([str(file)] * 3)
    monkeypatch.setattr(attachments, "MAX_IMAGE_BYTES", 9)
    with pytest.raises(UsageError, match="at most 9 bytes"):
        read_attachments([str(file)])


@pytest.mark.parametrize("name", [".", "nowhere", "\0"])
def test_what_is_no_file_is_said_to_be_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(UsageError, match="can not read the attachment"):
        read_attachments([name])
