"""
Which network addresses a model may reach.

Anything that is not plainly on the public internet is refused, since a URL from a model may
be a question to the cloud's metadata service, to the database, or to the office printer.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import TypeAlias

from messagedb_agent.errors import ToolError

Address: TypeAlias = IPv4Address | IPv6Address
AddressPolicy: TypeAlias = Callable[[Address], bool]
"""Whether an address may be connected to."""

_NAT64 = IPv6Network("64:ff9b::/96")


def is_public(address: Address) -> bool:
    """Whether an address, and any IPv4 address inside it, is on the public internet."""
    if isinstance(address, IPv6Address):
        inner = _embedded(address)
        if inner is not None:
            return is_public(inner)
        if address.teredo is not None or address.is_site_local:
            return False
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_unspecified
    )


def resolve(host: str, port: int, allowed: AddressPolicy) -> tuple[str, ...]:
    """
    The addresses of a host, as text, all of them allowed.

    Raises `ToolError` when the host can't be found, or when any of its addresses is not
    allowed: a name that has both kinds is an attempt to slip through.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ToolError(f"the host {host[:200]!r} can't be found") from error
    addresses = tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not addresses or not all(allowed(ip_address(address)) for address in addresses):
        raise ToolError(f"{host[:200]!r} is not on the public internet")
    return addresses


def _embedded(address: IPv6Address) -> IPv4Address | None:
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour
