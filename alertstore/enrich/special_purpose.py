"""Addresses that belong to nobody's host: the special-purpose address registries (RFC 6890) and multicast."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, NamedTuple

from alertstore.domain.enrichment import Answer
from alertstore.domain.vocabulary import IndicatorType

if TYPE_CHECKING:
    from collections.abc import Sequence

_EDITION = "1"  # of the table below


class Block(NamedTuple):
    """A block of the registries. `is_global`: whether its addresses are reachable from anywhere; None where the registry leaves it open."""

    name: str
    reference: str
    is_global: bool | None


_BLOCKS = {
    "0.0.0.0/8": Block("This network", "RFC 791", is_global=False),
    "0.0.0.0/32": Block("This host on this network", "RFC 1122", is_global=False),
    "10.0.0.0/8": Block("Private-Use", "RFC 1918", is_global=False),
    "100.64.0.0/10": Block("Shared Address Space", "RFC 6598", is_global=False),
    "127.0.0.0/8": Block("Loopback", "RFC 1122", is_global=False),
    "169.254.0.0/16": Block("Link Local", "RFC 3927", is_global=False),
    "172.16.0.0/12": Block("Private-Use", "RFC 1918", is_global=False),
    "192.0.0.0/24": Block("IETF Protocol Assignments", "RFC 6890", is_global=False),
    "192.0.0.0/29": Block("IPv4 Service Continuity Prefix", "RFC 7335", is_global=False),
    "192.0.0.8/32": Block("IPv4 dummy address", "RFC 7600", is_global=False),
    "192.0.0.9/32": Block("Port Control Protocol Anycast", "RFC 7723", is_global=True),
    "192.0.0.10/32": Block("Traversal Using Relays around NAT Anycast", "RFC 8155", is_global=True),
    "192.0.0.170/31": Block("NAT64/DNS64 Discovery", "RFC 8880", is_global=False),
    "192.0.2.0/24": Block("Documentation (TEST-NET-1)", "RFC 5737", is_global=False),
    "192.31.196.0/24": Block("AS112-v4", "RFC 7535", is_global=True),
    "192.52.193.0/24": Block("AMT", "RFC 7450", is_global=True),
    "192.88.99.0/24": Block("Deprecated (6to4 Relay Anycast)", "RFC 7526", is_global=None),
    "192.168.0.0/16": Block("Private-Use", "RFC 1918", is_global=False),
    "192.175.48.0/24": Block("Direct Delegation AS112 Service", "RFC 7534", is_global=True),
    "198.18.0.0/15": Block("Benchmarking", "RFC 2544", is_global=False),
    "198.51.100.0/24": Block("Documentation (TEST-NET-2)", "RFC 5737", is_global=False),
    "203.0.113.0/24": Block("Documentation (TEST-NET-3)", "RFC 5737", is_global=False),
    "224.0.0.0/4": Block("Multicast", "RFC 5771", is_global=None),
    "240.0.0.0/4": Block("Reserved", "RFC 1112", is_global=False),
    "255.255.255.255/32": Block("Limited Broadcast", "RFC 8190", is_global=False),
    "::/128": Block("Unspecified Address", "RFC 4291", is_global=False),
    "::1/128": Block("Loopback Address", "RFC 4291", is_global=False),
    "64:ff9b::/96": Block("IPv4-IPv6 Translation", "RFC 6052", is_global=True),
    "64:ff9b:1::/48": Block("IPv4-IPv6 Translation", "RFC 8215", is_global=False),
    "100::/64": Block("Discard-Only Address Block", "RFC 6666", is_global=False),
    "100:0:0:1::/64": Block("Dummy IPv6 Prefix", "RFC 9780", is_global=False),
    "2001::/23": Block("IETF Protocol Assignments", "RFC 2928", is_global=False),
    "2001::/32": Block("TEREDO", "RFC 4380", is_global=None),
    "2001:1::1/128": Block("Port Control Protocol Anycast", "RFC 7723", is_global=True),
    "2001:1::2/128": Block("Traversal Using Relays around NAT Anycast", "RFC 8155", is_global=True),
    "2001:1::3/128": Block("DNS-SD Service Registration Protocol Anycast", "RFC 9665", is_global=True),
    "2001:2::/48": Block("Benchmarking", "RFC 5180", is_global=False),
    "2001:3::/32": Block("AMT", "RFC 7450", is_global=True),
    "2001:4:112::/48": Block("AS112-v6", "RFC 7535", is_global=True),
    "2001:10::/28": Block("Deprecated (previously ORCHID)", "RFC 4843", is_global=None),
    "2001:20::/28": Block("ORCHIDv2", "RFC 7343", is_global=True),
    "2001:30::/28": Block("Drone Remote ID Protocol Entity Tags Prefix", "RFC 9374", is_global=True),
    "2001:db8::/32": Block("Documentation", "RFC 3849", is_global=False),
    "2002::/16": Block("6to4", "RFC 3056", is_global=None),
    "2620:4f:8000::/48": Block("Direct Delegation AS112 Service", "RFC 7534", is_global=True),
    "3fff::/20": Block("Documentation", "RFC 9637", is_global=False),
    "5f00::/16": Block("Segment Routing (SRv6) SIDs", "RFC 9602", is_global=False),
    "fc00::/7": Block("Unique-Local", "RFC 4193", is_global=False),
    "fe80::/10": Block("Link-Local Unicast", "RFC 4291", is_global=False),
    "ff00::/8": Block("Multicast", "RFC 4291", is_global=None),
}
# Narrowest first: of blocks within blocks the innermost counts.
_NARROWEST_FIRST = sorted(((ip_network(text), text, block) for text, block in _BLOCKS.items()), key=lambda one: -one[0].prefixlen)


class SpecialPurpose:
    """Names the block that an address is in. It gives no verdict: that an address is private argues for nothing."""

    name = "special-purpose"
    types: frozenset[str] = frozenset({IndicatorType.IP})

    def version(self) -> str:
        """The edition of the table."""
        return _EDITION

    def look_up(self, indicators: Sequence[tuple[str, str]], now: int) -> list[Answer | None]:  # noqa: ARG002 - the protocol's
        """Block, reference and reachability; of an address in no block only that it is global."""
        return [self._one(value) for _, value in indicators]

    def _one(self, value: str) -> Answer:
        address = ip_address(value)
        for network, text, block in _NARROWEST_FIRST:
            if address.version == network.version and address in network:
                return Answer(extracted={"network": text, "block": block.name, "reference": block.reference, "is_global": block.is_global})
        return Answer(extracted={"is_global": True})
