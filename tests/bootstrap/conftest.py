"""A copy of the wrappers around a package that only reports how it was started."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PYTHON = f"{sys.base_prefix}/bin/python{sys.version_info.major}.{sys.version_info.minor}"

REPORT = """\
import json, os, sys

print(json.dumps({
    "args": sys.argv[1:],
    "cwd": os.getcwd(),
    "env": dict(os.environ),
    "stdin": sys.stdin.read(),
    "pid": os.getpid(),
    "file": __file__,
    "cached": __spec__.cached,
    "was_compiled": os.path.exists(__spec__.cached),
}))
sys.exit(int(os.environ.get("EXIT", "0")))
"""

# Stands in for uv: makes the environment as `uv sync` does, says what it was asked for, and stays
# in the middle of it as long as there is a file named `hold`.
UV = """\
#!/bin/sh
[ "$1" != run ] || {{ echo "{python}"; exit; }}
echo $PPID >"{notes}/parent"
echo "begin $*" >>"{notes}/calls"
{python} -I -m venv --without-pip "$UV_PROJECT_ENVIRONMENT" || exit
while [ -e "{notes}/hold" ]; do {sleep} 0.02; done
echo end >>"{notes}/calls"
[ ! -e "{notes}/broken" ]
"""


@dataclass(frozen=True)
class Tree:
    """A project without dependencies, so that setting it up takes no more than a second."""

    root: Path
    home: Path
    bin: Path
    notes: Path
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def env(self) -> Path:
        return self.root / ".venv"

    def start(
        self, *command: str | Path, cwd: Path | None = None, **variables: str
    ) -> subprocess.Popen[str]:
        return subprocess.Popen(
            list(map(str, command)) or [str(self.root / "cli")],
            cwd=cwd or self.home,
            env={"HOME": str(self.home), "PATH": str(self.bin), **self.variables, **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(
        self,
        *command: str | Path,
        cwd: Path | None = None,
        stdin: str = "",
        **variables: str,
    ) -> subprocess.CompletedProcess[str]:
        with self.start(*command, cwd=cwd, **variables) as process:
            out, err = process.communicate(stdin, timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def report(self, *command: str | Path, **options: Any) -> dict[str, Any]:
        done = self.run(*command, **options)
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def calls_of_uv(self) -> list[str]:
        calls = self.notes / "calls"
        return calls.read_text().splitlines() if calls.exists() else []

    def offer(self, name: str, script: str) -> None:
        (self.bin / name).write_text(script)
        (self.bin / name).chmod(0o755)

    def offer_uv(self) -> None:
        sleep = shutil.which("sleep")
        self.offer("uv", UV.format(notes=self.notes, python=PYTHON, sleep=sleep))


def new_tree(folder: Path) -> Tree:
    tree = Tree(folder / "a tree", folder / "home", folder / "bin", folder / "notes")
    package = tree.root / "src" / "messagedb_agent"
    (package / "cli").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "cli" / "__init__.py").touch()
    (package / "cli" / "__main__.py").write_text(REPORT)
    (tree.root / "scripts").mkdir()
    for name in ("cli", "tui", "scripts/bootstrap.sh", "scripts/bootstrap.py"):
        shutil.copy(ROOT / name, tree.root / name)
    (tree.root / "uv.lock").write_text("version = 1\n")
    for group in ("runtime", "dev"):
        (tree.root / "scripts" / f"requirements-{group}.txt").write_text("# nothing\n")
    for made in (tree.home, tree.bin, tree.notes):
        made.mkdir()
    for name in ("cmp", "cksum", "readlink"):
        (tree.bin / name).symlink_to(shutil.which(name) or name)
    tree.offer("python3", f'#!/bin/sh\nexec "{PYTHON}" "$@"\n')
    return tree


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Not set up yet."""
    made = new_tree(tmp_path)
    made.offer_uv()
    return made


@pytest.fixture
def ready_tree(tmp_path: Path) -> Tree:
    """Passes for set up: the warm path looks at nothing else."""
    made = new_tree(tmp_path)
    (made.env / "bin").mkdir(parents=True)
    (made.env / "bin" / "python").symlink_to(PYTHON)
    shutil.copyfile(made.root / "uv.lock", made.env / "installed.runtime")
    made.variables["PYTHONPATH"] = str(made.root / "src")
    return made
