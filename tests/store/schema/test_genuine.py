"""How the genuine package gets onto a machine."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from tests.store.schema import genuine


def archive_of(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def integrity_of(archive: bytes) -> str:
    return "sha512-" + base64.b64encode(hashlib.sha512(archive).digest()).decode()


def test_it_can_be_had_without_npm(tmp_path: Path) -> None:
    archive = archive_of(VERSION=b"1.3.1")
    served = tmp_path / "served.tgz"
    served.write_bytes(archive)

    package = {"resolved": served.as_uri(), "integrity": integrity_of(archive)}

    assert (genuine.download(package, tmp_path) / "VERSION").read_bytes() == b"1.3.1"


def test_another_archive_than_the_locked_one_is_refused(tmp_path: Path) -> None:
    expected = integrity_of(archive_of(VERSION=b"1.3.1"))

    with pytest.raises(ValueError, match="does not match its sha512"):
        genuine.unpack(archive_of(VERSION=b"6.6.6"), expected, tmp_path)

    assert not list(tmp_path.iterdir())


def test_without_a_way_to_get_it_there_is_a_reason_to_skip(tmp_path: Path) -> None:
    package = {"resolved": (tmp_path / "nowhere.tgz").as_uri(), "integrity": "sha512-"}

    with pytest.raises(genuine.NotAvailableError, match="@eventide/message-db"):
        genuine.download(package, tmp_path)


def test_the_lock_file_names_no_private_registry() -> None:
    assert genuine.locked_package()["resolved"].startswith("https://registry.npmjs.org/")
