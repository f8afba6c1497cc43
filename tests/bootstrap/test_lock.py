"""uv.lock is for everybody, and the pip lists say the same as it does."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest

from tests.bootstrap.conftest import ROOT

LOCK: dict[str, Any] = tomllib.loads((ROOT / "uv.lock").read_text())
PACKAGES: dict[str, dict[str, Any]] = {package["name"]: package for package in LOCK["package"]}
OURS = PACKAGES["messagedb-agent"]


def reachable(first: list[dict[str, Any]]) -> set[str]:
    """Names that these dependencies need, extras included, on whatever platform."""
    found: set[str] = set()
    seen: set[tuple[str, str]] = set()
    waiting = list(first)
    while waiting:
        wanted = waiting.pop()
        package = PACKAGES[wanted["name"]]
        found.add(wanted["name"])
        for extra in ("", *wanted.get("extra", ())):
            if (wanted["name"], extra) not in seen:
                seen.add((wanted["name"], extra))
                optional = package.get("optional-dependencies", {})
                waiting += optional.get(extra, ()) if extra else package.get("dependencies", ())
    return found


@pytest.mark.parametrize("name", PACKAGES)
def test_every_package_comes_from_the_public_index(name: str) -> None:
    package = PACKAGES[name]
    if package is OURS:
        assert package["source"] == {"editable": "."}
        return
    files = [*package.get("wheels", ()), *filter(None, [package.get("sdist")])]

    assert package["source"] == {"registry": "https://pypi.org/simple"}
    assert files
    assert all(file["url"].startswith("https://files.pythonhosted.org/") for file in files)
    assert all(file["hash"].startswith("sha256:") for file in files)


def test_the_lock_holds_no_other_address() -> None:
    hosts = set(re.findall(r"\b([a-z+]+://[^/\"]*)", (ROOT / "uv.lock").read_text()))

    assert hosts == {"https://pypi.org", "https://files.pythonhosted.org"}


def test_the_lock_was_made_from_these_dependencies() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    declared = {
        *project["project"]["dependencies"],
        *(need for extra in project["project"]["optional-dependencies"].values() for need in extra),
    }
    locked = OURS["metadata"]["requires-dist"]

    def name_of(need: str) -> str:
        return re.split(r"[^A-Za-z0-9.-]", need)[0]

    assert {need["name"] for need in locked} == {name_of(need) for need in declared}
    assert {need["name"] for need in OURS["metadata"]["requires-dev"]["dev"]} == {
        name_of(need) for need in project["dependency-groups"]["dev"]
    }


@pytest.mark.parametrize(
    ("group", "extras"), [("runtime", ["cli"]), ("models", ["cli", "models"]), ("dev", ["all"])]
)
def test_pip_gets_what_uv_gets(group: str, extras: list[str]) -> None:
    """When this fails, scripts/lock.sh was forgotten."""
    text = (ROOT / "scripts" / f"requirements-{group}.txt").read_text()
    listed = dict(re.findall(r"^([^\s#=]+)==(\S+)", text, re.MULTILINE))
    wanted = reachable(
        [
            *OURS["dependencies"],
            *(need for extra in extras for need in OURS["optional-dependencies"][extra]),
            *(OURS["dev-dependencies"]["dev"] if group == "dev" else ()),
        ]
    )

    assert listed == {name: PACKAGES[name]["version"] for name in wanted}
