"""The policy file: which tool calls may run, by tool and by arguments."""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec

from messagedb_agent.engine.approvals import PolicyRule
from messagedb_agent.errors import ConfigurationError
from messagedb_agent.events.first_look import looked_at


@looked_at
class _PolicyFile(msgspec.Struct, forbid_unknown_fields=True):
    rule: list[PolicyRule] = []


def read_policy(file: str) -> tuple[PolicyRule, ...]:
    """
    The rules of a TOML file with one `[[rule]]` table for each.

    Raises `ConfigurationError` for anything that could be misread: nobody should believe in
    a rule that does not hold.
    """
    try:
        content = tomllib.loads(Path(file).read_text(encoding="utf-8"))
        return tuple(msgspec.convert(content, _PolicyFile).rule)
    except OSError as error:
        raise ConfigurationError(f"can not read the policy {file}: {error.strerror}") from error
    except (ValueError, msgspec.ValidationError) as error:
        raise ConfigurationError(f"the policy {file} is wrong: {error}") from error
