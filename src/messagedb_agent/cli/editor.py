"""The user's own editor."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from pathlib import Path

from messagedb_agent.errors import UsageError


def edit_text(text: str) -> str:
    """What a person makes of a text in their editor. Raises `UsageError` if that is nothing."""
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    with tempfile.NamedTemporaryFile("w+", suffix=".md", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        try:
            ended = subprocess.run([*shlex.split(editor), file.name], check=False)  # noqa: S603 - the user's own editor
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise UsageError(f"can not run the editor {editor}: {reason}") from error
        result = Path(file.name).read_text(encoding="utf-8").strip("\n")
    if ended.returncode or not result:
        raise UsageError("the editor left no text")
    return result
