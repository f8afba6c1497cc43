"""Programs that root can run but the server's user can not: give that user a copy."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from messagedb_agent.errors import EmbeddedServerError
from messagedb_agent.store.embedded.account import Account
from messagedb_agent.store.embedded.binaries import VARIABLE, WHEELS, version_of
from messagedb_agent.store.embedded.place import Place

LEFT_OUT = shutil.ignore_patterns("include", "*.a", "pgxs", "pkgconfig", "__pycache__")


def usable_binaries(binaries: Path, place: Place) -> Path:
    """The same programs, where the server's user can run them."""
    account = place.account
    if not account.is_other or _can_run(binaries, account):
        return binaries
    # A virtual environment below root's home, which nobody else may enter. Its permissions
    # are not ours to loosen.
    package = binaries.parent.parent
    if package.name not in {module for module, _ in WHEELS}:
        raise EmbeddedServerError(
            f"the user that runs PostgreSQL for root (uid {account.uid}) can not run the programs "
            f"in {binaries}; set {VARIABLE} to a folder that everybody may read"
        )
    copy = place.root / f"programs-{version_of(binaries)}"
    if not copy.exists():
        # Those of older wheels, and what a killed process left; no server runs from them now.
        for old in place.root.glob("programs-*"):
            shutil.rmtree(old)
        _copy_wheel(binaries.parent, copy, account)
    return copy / binaries.relative_to(package.parent)


def _can_run(binaries: Path, account: Account) -> bool:
    program = binaries / "postgres"
    return account.can_enter(binaries) and account.can_read(program.stat())


def _copy_wheel(installation: Path, copy: Path, account: Account) -> None:
    def link_or_copy(source: str, target: str) -> str:
        info = Path(source).stat()
        if account.can_read(info):
            try:
                os.link(source, target)
            except OSError:
                shutil.copy2(source, target)
        else:
            shutil.copy2(source, target)
            Path(target).chmod(stat.S_IMODE(info.st_mode) | 0o055)
        return target

    new = copy.with_name(f"{copy.name}.{os.urandom(4).hex()}.new")
    # auditwheel may put shared libraries into a sibling folder, and links to them relatively.
    package = installation.parent
    for source in (installation, *package.parent.glob(f"{package.name}.libs")):
        target = new / source.relative_to(package.parent)
        shutil.copytree(source, target, symlinks=True, copy_function=link_or_copy, ignore=LEFT_OUT)
    for folder, _, _ in os.walk(new):
        Path(folder).chmod(0o755)
    new.rename(copy)
