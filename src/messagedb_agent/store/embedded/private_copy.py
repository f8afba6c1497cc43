"""Programs that can not be used where they are: a copy of them that can."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from messagedb_agent.errors import EmbeddedServerError
from messagedb_agent.store.embedded.account import Account
from messagedb_agent.store.embedded.binaries import VARIABLE, WHEELS, version_of
from messagedb_agent.store.embedded.home import VARIABLE as HOME_VARIABLE
from messagedb_agent.store.embedded.place import Place, make_refuge

# initdb has a shell run its siblings, with their path in double quotes.
ODD = frozenset('"$`\\\n')
LEFT_OUT = shutil.ignore_patterns("include", "*.a", "pgxs", "pkgconfig", "__pycache__")


def usable_binaries(binaries: Path, place: Place) -> Path:
    """
    The same programs, where the server's user can run them and they can run each other.

    Raises `EmbeddedServerError` when they are not from a wheel, or when there is no place for them.
    """
    account = place.account
    if not _is_odd(binaries) and (not account.is_other or _can_run(binaries, account)):
        return binaries
    # A virtual environment below root's home, which nobody else may enter: its permissions are
    # not ours to loosen. Or one in a folder whose name a shell takes apart.
    package = binaries.parent.parent
    if package.name not in {module for module, _ in WHEELS}:
        raise EmbeddedServerError(
            f"the user that runs PostgreSQL (uid {account.uid}) can not run the programs in "
            f"{binaries}; set {VARIABLE} to a folder with a plain name that everybody may read"
        )
    base = _base(place)
    copy = base / f"programs-{version_of(binaries)}"
    if not copy.exists():
        # Those of older wheels, and what a killed process left; no server runs from them now.
        for old in base.glob("programs-*"):
            shutil.rmtree(old)
        _copy_wheel(binaries.parent, copy, account)
    return copy / binaries.relative_to(package.parent)


def _base(place: Place) -> Path:
    if not _is_odd(place.root):
        return place.root
    if os.geteuid() == 0:
        return make_refuge(place.root)
    raise EmbeddedServerError(
        f'PostgreSQL can not be set up from a folder with one of " $ ` \\ in its name; '
        f"set {HOME_VARIABLE} to one without"
    )


def _is_odd(folder: Path) -> bool:
    return not ODD.isdisjoint(str(folder))


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
