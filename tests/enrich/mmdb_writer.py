"""Writes small MMDB databases: a binary search tree over address bits, then the data section, then the metadata."""

from __future__ import annotations

from ipaddress import ip_network

MARKER = b"\xab\xcd\xefMaxMind.com"
TEXT, UINT16, UINT32, MAP, UINT64, ARRAY, BOOLEAN = 2, 5, 6, 7, 9, 11, 14


def head(kind, size):
    """The control bytes of a value: its type (extended ones in a byte of their own) and size."""
    first = (kind if kind < 8 else 0) << 5
    extended = b"" if kind < 8 else bytes([kind - 7])
    if size < 29:
        return bytes([first | size]) + extended
    if size < 285:
        return bytes([first | 29]) + extended + bytes([size - 29])
    return bytes([first | 30]) + extended + (size - 285).to_bytes(2)


def encoded(value):
    """A value of the data section; a whole number of a certain type as (type, number)."""
    if isinstance(value, tuple):
        kind, number = value
        body = number.to_bytes((number.bit_length() + 7) // 8)
        return head(kind, len(body)) + body
    if isinstance(value, bool):
        return head(BOOLEAN, int(value))
    if isinstance(value, str):
        return head(TEXT, len(value.encode())) + value.encode()
    if isinstance(value, int):
        return encoded((UINT32, value))
    if isinstance(value, dict):
        return head(MAP, len(value)) + b"".join(encoded(key) + encoded(one) for key, one in value.items())
    return head(ARRAY, len(value)) + b"".join(map(encoded, value))


def mmdb(networks, *, version=6, kind="Test-City", built=1_700_000_000):
    """A database of {network: value}; in one of IP version 6, IPv4 networks lie below ::/96."""
    tree, data, places = [[None, None]], b"", {}
    for text, value in networks.items():
        network = ip_network(text)
        whole = version == 6 and network.version == 4
        bits = f"{int(network.network_address):0{128 if whole else network.max_prefixlen}b}"[: network.prefixlen + 96 * whole]
        node = 0
        for bit in bits[:-1]:
            if tree[node][int(bit)] is None:
                tree[node][int(bit)] = len(tree)
                tree.append([None, None])
            node = tree[node][int(bit)]
        places[node, int(bits[-1])] = len(data)
        data += encoded(value)
    out = b""
    for number, node in enumerate(tree):
        for side, child in enumerate(node):
            place = places.get((number, side))
            record = len(tree) + 16 + place if place is not None else len(tree) if child is None else child
            out += record.to_bytes(3)
    about = {
        "node_count": len(tree),
        "record_size": (UINT16, 24),
        "ip_version": (UINT16, version),
        "database_type": kind,
        "languages": ["en"],
        "binary_format_major_version": (UINT16, 2),
        "binary_format_minor_version": (UINT16, 0),
        "build_epoch": (UINT64, built),
        "description": {"en": "made for a test"},
    }
    return out + bytes(16) + data + MARKER + encoded(about)
