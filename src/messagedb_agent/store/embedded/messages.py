"""Make one line of what PostgreSQL's programs print."""

from __future__ import annotations

TELLING = ("PANIC:", "FATAL:", "ERROR:", "error:", "could not", "cannot", "No such", "denied")


def reason(output: str) -> str:
    """The line that tells best why a program of PostgreSQL failed."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    for word in TELLING:
        for line in lines:
            if word in line:
                # Without the time and process id of a log line.
                return line[line.index(word) :] if word.isupper() else line
    return lines[-1] if lines else "it said nothing"
