"""What a value in a list stands for."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertstore.domain.indicators import normalise
from alertstore.domain.vocabulary import IndicatorType, Malice
from alertstore.enrich.spelling import LONGEST_NOTE, host_of, network, note, of_type, refang, suffix, told, verdict

MD5, SHA1, SHA256 = "d4" * 16, "d4" * 20, "d4" * 32
TOLD = {
    "192.0.2.1": ("exact", "ip:192.0.2.1"),
    "192[.]0[.]2(.)1": ("exact", "ip:192.0.2.1"),
    "192.0.2.1:8080": ("exact", "ip:192.0.2.1"),
    "[2001:DB8::1]:443": ("exact", "ip:2001:db8::1"),
    "2001:DB8:0::1": ("exact", "ip:2001:db8::1"),
    "::ffff:192.0.2.1": ("exact", "ip:192.0.2.1"),
    "192.0.2.0/24": ("network", "192.0.2.0/24"),
    "192.0.2.9/24": ("network", "192.0.2.0/24"),
    "192.0.2.1/32": ("exact", "ip:192.0.2.1"),
    "::ffff:192.0.2.0/120": ("network", "192.0.2.0/24"),
    "2001:db8::/32": ("network", "2001:db8::/32"),
    "Evil.Example.": ("exact", "domain:evil.example"),
    "evil[.]example": ("exact", "domain:evil.example"),
    "evil{dot}example": ("exact", "domain:evil.example"),
    "evil (dot) example": None,
    "evil[dot]example": ("exact", "domain:evil.example"),
    "*.evil.example": ("suffix", "evil.example"),
    ".evil.example": ("suffix", "evil.example"),
    "_dmarc.evil.example": ("exact", "domain:_dmarc.evil.example"),
    "münchen.example": ("exact", "domain:münchen.example"),
    "hxxps://evil[.]example/a?b=[.]": ("exact", "url:https://evil.example/a?b=."),
    "hXXp[://]evil.example/": ("exact", "url:http://evil.example/"),
    "meow://evil.example/": ("exact", "url:http://evil.example/"),
    "ftp://192.0.2.1/x": ("exact", "url:ftp://192.0.2.1/x"),
    "Bad[@]Evil[.]example": ("exact", "email:bad@evil.example"),
    "bad[at]evil.example": ("exact", "email:bad@evil.example"),
    MD5.upper(): ("exact", f"hash_md5:{MD5}"),
    SHA1: ("exact", f"hash_sha1:{SHA1}"),
    SHA256: ("exact", f"hash_sha256:{SHA256}"),
    "0" * 32: None,
    "d4" * 28: None,
    "": None,
    "localhost": None,
    "1.2.3": None,
    "192.0.2.256": None,
    "192.0.2.1:x": None,
    "evil example": None,
    "evil.example/path": None,
    "@evil.example": None,
    "a b@evil.example": None,
    "://evil.example": None,
    "a*b.example": None,
    "a..example": None,
    "x\ufffd.example": None,
}


@pytest.mark.parametrize("text", TOLD)
def test_a_bare_value_tells_its_type(text):
    assert told(f" {text}\n") == TOLD[text]


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        (IndicatorType.DOMAIN, "host-1", ("exact", "domain:host-1")),
        (IndicatorType.DOMAIN, "*.evil[.]example", ("suffix", "evil.example")),
        (IndicatorType.DOMAIN, "a b", None),
        (IndicatorType.DOMAIN, "192.0.2.1", None),
        (IndicatorType.IP, "192.0.2.0/24", ("network", "192.0.2.0/24")),
        (IndicatorType.IP, "evil.example", None),
        (IndicatorType.HASH_MD5, SHA1, None),
        (IndicatorType.HASH_SHA1, SHA1, ("exact", f"hash_sha1:{SHA1}")),
        (IndicatorType.ACCOUNT, "CORP\\mia", ("exact", "account:CORP\\mia")),
        (IndicatorType.ACCOUNT, "-", None),
        (IndicatorType.URL, "evil.example", None),
        (IndicatorType.EMAIL, "a[@]b", ("exact", "email:a@b")),
    ],
)
def test_a_value_of_a_known_type(kind, text, expected):
    assert of_type(kind, text) == expected


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("url", "http://evil.example/a", ("domain", "evil.example")),
        ("url", "HTTP://EVIL.example:80?x", ("domain", "evil.example")),
        ("url", "http://good.example@evil.example/", ("domain", "evil.example")),
        ("url", "http://a@b@evil.example#@good.example", ("domain", "evil.example")),
        ("url", "http://evil.example\\@good.example/", ("domain", "evil.example")),
        ("url", "http://192.0.2.1/", ("ip", "192.0.2.1")),
        ("url", "http://[2001:DB8::1]:8080/", ("ip", "2001:db8::1")),
        ("url", "http://[::ffff:192.0.2.1]/", ("ip", "192.0.2.1")),
        ("url", "http:///x", None),
        ("url", "http://evil.example:x/", None),
        ("email", "bad@evil.example", ("domain", "evil.example")),
        ("email", '"a@b"@evil.example', ("domain", "evil.example")),
        ("domain", "evil.example", None),
        ("account", "a@b", None),
    ],
)
def test_the_host_of_a_url_and_the_domain_of_an_address(kind, value, expected):
    assert host_of(kind, value) == expected


@given(st.ip_addresses())
def test_every_address_is_told_as_the_indicators_spell_it(address):
    assert told(str(address)) == ("exact", f"ip:{normalise('ip', str(address))}")


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6), st.data())
def test_a_network_holds_the_addresses_it_was_written_around(address, data):
    length = data.draw(st.integers(0, address.max_prefixlen - 1))
    found = network(f"{address}/{length}")
    canonical = ip_address(normalise("ip", str(address)))
    if canonical.version == address.version:
        assert found.match == "network"
        assert canonical in ip_network(found.value)


@given(st.text(max_size=60))
def test_nothing_raises_and_what_is_told_is_canonical(text):
    for found in (told(text), suffix(text), network(text), *(of_type(kind, text) for kind in IndicatorType)):
        if found is not None and found.match == "exact":
            kind, _, value = found.value.partition(":")
            assert normalise(kind, value) == value
    assert isinstance(refang(text), str)
    assert len(note(text, text) or "") <= LONGEST_NOTE
    for kind in IndicatorType:
        host_of(kind, text)


def test_a_note_is_one_line_of_what_was_said_once():
    assert note("c2\n server", "", "c2\n server", "\x1b[31m") == "c2 server; \ufffd[31m"
    assert note(" ") is None
    assert note("x" * 500) == "x" * (LONGEST_NOTE - 1) + "…"


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("Malicious", Malice.MALICIOUS),
        ("known-good", Malice.BENIGN),
        ("KNOWN BAD", Malice.MALICIOUS),
        ("anomalous-activity", Malice.SUSPICIOUS),
        ("unknown", Malice.PENDING),
        ("perhaps", None),
        ("", None),
    ],
)
def test_verdict_words(word, expected):
    assert verdict(word) == expected
