"""The file that names servers: what it may say, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from messagedb_agent.errors import ConfigurationError
from messagedb_agent.tools.mcp import read_servers
from messagedb_agent.tools.mcp.naming import exposed_name
from messagedb_agent.tools.mcp.transport import child_environment


def write(folder: Path, **servers: Any) -> Path:
    file = folder / "mcp.json"
    file.write_text(json.dumps({"mcpServers": servers, "theme": "dark"}), encoding="utf-8")
    return file


def test_variables_are_filled_in_and_the_defaults_are_careful(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        files={"command": "${RUNNER:-npx}", "args": ["-y", "files"], "env": {"KEY": "${KEY}"}},
        web={"type": "http", "url": "https://example.org/mcp"},
        off={"command": "x", "disabled": True},
    )

    servers = read_servers(file, {"KEY": "sesame-open"})

    assert list(servers) == ["files", "web"]
    files = servers["files"]
    assert (files.command, files.args, files.env) == (
        "npx",
        ("-y", "files"),
        {"KEY": "sesame-open"},
    )
    assert (files.permission, files.recovery) == ("ask", "fail")
    assert files.censored("token sesame-open is wrong") == "token … is wrong"


@pytest.mark.parametrize(
    ("server", "complaint"),
    [
        ({"command": "x", "permision": "allow"}, "unknown field `permision`"),
        ({"command": "x", "permission": "always"}, "permission"),
        ({"command": "x", "recovery": "probe"}, "recovery"),
        ({"command": "x", "type": "sse"}, "type"),
        ({"command": "x", "url": "http://x"}, "either a command or a url is needed"),
        ({}, "either a command or a url is needed"),
        ({"command": "x", "type": "http"}, "the type http does not go with"),
        ({"url": "ftp://x"}, "has to begin with http:// or https://"),
        ({"command": "x", "timeout": 0}, "more than 0 seconds"),
        ({"command": "${UNSET} ${ALSO}"}, "UNSET is not set; the variable ALSO is not set"),
    ],
)
def test_what_could_be_misread_is_refused(
    tmp_path: Path, server: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_servers(write(tmp_path, some=server), {})

    assert complaint in str(refused.value)


@pytest.mark.parametrize("name", ["a__b", "a_", "_a", "a b", "", "x" * 25])
def test_the_name_of_a_server_ends_where_one_can_see_it(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="a name is letters, digits"):
        read_servers(write(tmp_path, **{name: {"command": "x"}}), {})


def test_names_for_models_are_short_and_never_the_same() -> None:
    names = [exposed_name("s", tool) for tool in ("a.b", "a_b", "a/b", "t" * 80, "t" * 81, "")]

    assert len(set(names)) == len(names)
    assert max(map(len, names)) <= 64
    assert names[1] == "s__a_b"


def test_a_child_gets_what_is_harmless_and_what_was_given() -> None:
    environ = {"LANG": "C", "DB_PASSWORD": "x", "OPENAI_API_KEY": "x"}

    assert child_environment(environ, {"MINE": "y"}) == {"LANG": "C", "MINE": "y"}
