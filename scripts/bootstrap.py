"""Make the private Python environment that the wrappers run in.

Runs before anything is installed: standard library only. The environment is built in place,
because scripts in it name its path; a marker beside it tells a finished one from one whose
set-up was killed, and the stamps inside are written last.
"""

from __future__ import annotations

import fcntl
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PYTHON = sys.executable


class SetUpError(Exception):
    """Set-up cannot go on; the text is one line for the person at the terminal."""


def say(text: str) -> None:
    print(f"messagedb-agent: {text}", file=sys.stderr, flush=True)


# Each contains the ones before it. The model SDKs are most of the bytes, and needed only by
# those who have a model.
GROUPS = ("runtime", "models", "dev")
WANTED = {
    "runtime": ["--extra", "cli"],
    "models": ["--extra", "cli", "--extra", "models"],
    "dev": ["--extra", "all", "--group", "dev"],
}


class SetUp:
    """One environment, and the group of packages that it has to hold at least."""

    def __init__(self, root: Path, env: Path, group: str) -> None:
        self.root, self.env, self.group = root, env, group
        self.lock_file = root / "uv.lock"
        self.unfinished = env.with_name(env.name + ".unfinished")
        self.python = env / "bin" / "python"
        self.lock_fd = -1

    def stamp(self, group: str) -> Path:
        return self.env / f"installed.{group}"

    def is_current(self, group: str) -> bool:
        stamp = self.stamp(group)
        return self.runs() and stamp.is_file() and stamp.read_bytes() == self.lock_file.read_bytes()

    def runs(self) -> bool:
        """Whether the environment's Python is still there; an upgrade may have removed it."""
        return self.python.exists() and self.run_quietly(str(self.python), "-I", "-c", "") == 0

    def run_quietly(self, *command: str) -> int:
        done = subprocess.run(command, capture_output=True, check=False)
        return done.returncode

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """Hold the lock. The kernel drops it when the last process of a set-up is gone.

        The installers inherit it: if this process is killed alone, an installer that lives on
        still keeps the next set-up away from the folder it writes to.
        """
        self.env.parent.mkdir(parents=True, exist_ok=True)
        lock = self.env.with_name(self.env.name + ".lock")
        self.lock_fd = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self.lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another set-up of the same environment")
            fcntl.flock(self.lock_fd, fcntl.LOCK_EX)
        try:
            yield
        finally:
            os.close(self.lock_fd)

    def ensure(self) -> None:
        with self.exclusively():
            if self.is_current(self.group):
                return
            # A plain ./cli must not throw out what ./test has installed.
            largest = max(GROUPS.index(self.group), GROUPS.index(self.earlier()))
            groups = GROUPS[: largest + 1]
            if self.unfinished.exists() or not self.runs():
                shutil.rmtree(self.env, ignore_errors=True)
            first = "making" if not self.env.exists() else "updating"
            say(f"{first} the private Python environment (once; may take a minute)")
            self.unfinished.touch()
            for group in GROUPS:
                self.stamp(group).unlink(missing_ok=True)
            self.install(groups[-1])
            self.point_at_the_sources()
            self.compile()
            for group in groups:
                self.write_stamp(group)
            self.unfinished.unlink()
            say("ready")

    def earlier(self) -> str:
        present = [group for group in GROUPS if self.stamp(group).exists()]
        return present[-1] if present else GROUPS[0]

    def install(self, group: str) -> None:
        """With uv where there is one; pip where it fails, as with a private package index."""
        uv = shutil.which("uv")
        if uv is not None and self.sync(uv, group):
            return
        if not self.python.exists():
            self.call([PYTHON, "-I", "-m", "venv", "--without-pip", str(self.env)])
        requirements = self.root / "scripts" / f"requirements-{group}.txt"
        options = ["--no-deps", "--no-input", "--disable-pip-version-check", "--progress-bar=off"]
        self.call([*self.pip(), "install", *options, "-r", str(requirements)], watch=True)

    def sync(self, uv: str, group: str) -> bool:
        """The sources are added by hand afterwards, which saves a build of this project.

        `--inexact` leaves alone what somebody added to the environment for himself.
        """
        options = ["--frozen", "--inexact", "--no-install-project", "--no-default-groups"]
        settings = {"UV_PROJECT_ENVIRONMENT": str(self.env), "UV_COMPILE_BYTECODE": "1"}
        done = subprocess.run(
            [uv, "sync", "--project", str(self.root), "--python", PYTHON, *options, *WANTED[group]],
            env={**os.environ, **settings},
            pass_fds=(self.lock_fd,),
            check=False,
        )
        if done.returncode != 0:
            say("uv could not do it; trying pip")
        return done.returncode == 0

    def pip(self) -> list[str]:
        """A pip that installs into the environment; the base Python's own saves seconds."""
        if importlib.util.find_spec("pip") is not None:
            version = importlib.metadata.version("pip").split(".")
            if (int(version[0]), int(version[1])) >= (22, 3):
                return [PYTHON, "-I", "-m", "pip", "--python", str(self.python)]
        if self.run_quietly(str(self.python), "-I", "-m", "pip", "--version") != 0:
            if importlib.util.find_spec("ensurepip") is None:
                raise SetUpError(f"{PYTHON} has no pip: install python3-venv, python3-pip or uv")
            self.call([str(self.python), "-I", "-m", "ensurepip"])
        return [str(self.python), "-I", "-m", "pip"]

    def call(self, command: list[str], *, watch: bool = False) -> None:
        """Run a command, in silence but for what it fetches; show all of it when it fails."""
        # A user-wide `user = true` would refuse to install into an environment.
        settings = {**os.environ, "PIP_USER": "0"}
        output: list[str] = []
        with subprocess.Popen(
            command,
            env=settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            pass_fds=(self.lock_fd,),
        ) as process:
            for line in process.stdout or ():
                output.append(line)
                if watch and line.startswith("Collecting "):
                    say(f"  fetching {line.split()[1]}")
                elif watch and line.startswith("Installing collected"):
                    say("  installing")
        if process.returncode != 0:
            sys.stderr.writelines(output)
            raise SetUpError("set-up failed, see above; the next call tries again")

    def point_at_the_sources(self) -> None:
        """Let the environment import `src`, so that an edit takes effect at once."""
        source: str | Path = self.root / "src"
        for packages in self.env.glob("lib/python3*/site-packages"):
            if self.env.parent == self.root:
                # Relative, so that the folder may be moved with its environment.
                source = os.path.relpath(source, packages)
            (packages / "messagedb_agent_sources.pth").write_text(f"{source}\n", encoding="utf-8")

    def compile(self) -> None:
        """Byte code for the sources, whatever PYTHONDONTWRITEBYTECODE says.

        Sources that may be read-only get theirs in the environment; Python then looks there for
        everything else too.
        """
        inside = self.env.parent == self.root
        prefix = [] if inside else ["-X", f"pycache_prefix={self.env / 'bytecode'}"]
        folders = [self.root / "src"]
        if not inside:
            folders += self.env.glob("lib/python3*/site-packages")
        self.run_quietly(
            str(self.python), "-I", *prefix, "-m", "compileall", "-q", *map(str, folders)
        )

    def write_stamp(self, group: str) -> None:
        new = self.env / f".installed.{group}"
        shutil.copyfile(self.lock_file, new)
        new.replace(self.stamp(group))


def main(root: str, env: str, group: str) -> int:
    try:
        SetUp(Path(root), Path(env), group).ensure()
    except SetUpError as error:
        say(str(error))
    except OSError as error:
        say(f"cannot set up {env}: {error.strerror or error}: {error.filename or ''}".rstrip(": "))
    except KeyboardInterrupt:
        return 130
    else:
        return 0
    return 1


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
