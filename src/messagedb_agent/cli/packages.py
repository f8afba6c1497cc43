"""Installing what a model needs, in an environment that the wrappers made."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path


def install_models() -> bool:
    """
    Add the model SDKs to the private environment that this runs in.

    False when it is no such environment: whoever installed the package looks after it then.
    """
    root = Path(__file__).resolve().parents[3]
    bootstrap, environment = root / "scripts" / "bootstrap.py", Path(sys.prefix)
    made_by_wrapper = (environment / "installed.runtime").exists()
    if not bootstrap.exists() or not made_by_wrapper or sys.prefix == sys.base_prefix:
        return False
    import subprocess

    python = str(getattr(sys, "_base_executable", None) or sys.executable)
    command = [python, "-I", str(bootstrap), str(root), str(environment), "models"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False)  # noqa: S603 - our own script
    importlib.invalidate_caches()
    return done.returncode == 0
