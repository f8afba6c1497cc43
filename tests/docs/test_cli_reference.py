"""docs/reference/cli.md is what the generator makes of today's parser."""

from __future__ import annotations

import subprocess
import sys

from tests.reader import ROOT

GENERATOR = ROOT / "scripts" / "generate_cli_reference.py"


def test_the_reference_of_the_command_line_is_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, GENERATOR, "--check"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
