"""What needs no list: special-purpose addresses, local databases, registered domains."""

from __future__ import annotations

import hashlib
import sys
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmdb_writer import MARKER, mmdb

from alertstore.domain.indicators import normalise
from alertstore.domain.vocabulary import IndicatorType
from alertstore.enrich.geoip import GeoIP
from alertstore.enrich.registered_domain import RegisteredDomain
from alertstore.enrich.special_purpose import _BLOCKS, SpecialPurpose
from alertstore.errors import MissingExtraError, SourceError
from alertstore.testing import EnricherContract

CITY = {
    "country": {"iso_code": "NZ", "names": {"en": "New Zealand", "de": "Neuseeland"}},
    "continent": {"code": "OC"},
    "city": {"names": {"en": "Wellington"}},
    "traits": [True, 7],
}
NETWORK = {"autonomous_system_number": 64_496, "autonomous_system_organization": "Example Net"}


def said(enricher, kind, value):
    (answer,) = enricher.look_up([(kind, value)], 0)
    assert answer is None or answer.malice is None
    return None if answer is None else answer.extracted


@pytest.fixture
def city(tmp_path):
    path = tmp_path / "city.mmdb"
    path.write_bytes(mmdb({"192.0.2.0/24": CITY, "2001:db8::/32": CITY}))
    return path


@pytest.fixture
def asn(tmp_path):
    path = tmp_path / "asn.mmdb"
    path.write_bytes(mmdb({"192.0.2.0/25": NETWORK | {"country_code": "AU"}}, version=4, kind="Test-ASN"))
    return path


class TestSpecialPurpose(EnricherContract):
    known = (("ip", "10.1.2.3"), ("ip", "8.8.8.8"), ("ip", "fe80::1"))

    @pytest.fixture
    def enricher(self):
        return SpecialPurpose()

    @pytest.mark.parametrize(
        ("address", "network", "block", "is_global"),
        [
            ("10.1.2.3", "10.0.0.0/8", "Private-Use", False),
            ("0.0.0.0", "0.0.0.0/32", "This host on this network", False),
            ("0.0.0.1", "0.0.0.0/8", "This network", False),
            ("192.0.0.9", "192.0.0.9/32", "Port Control Protocol Anycast", True),
            ("255.255.255.255", "255.255.255.255/32", "Limited Broadcast", False),
            ("254.0.0.1", "240.0.0.0/4", "Reserved", False),
            ("239.1.1.1", "224.0.0.0/4", "Multicast", None),
            ("2001::1", "2001::/32", "TEREDO", None),
            ("2001:db8::1", "2001:db8::/32", "Documentation", False),
            ("fe80::1%eth0", "fe80::/10", "Link-Local Unicast", False),
        ],
    )
    def test_the_innermost_block_is_named(self, enricher, address, network, block, is_global):
        found = said(enricher, "ip", address)
        assert (found["network"], found["block"], found["is_global"]) == (network, block, is_global)
        assert found["reference"].startswith("RFC ")

    def test_other_addresses_are_global_and_in_no_block(self, enricher):
        assert said(enricher, "ip", "8.8.8.8") == said(enricher, "ip", "2606:4700::1111") == {"is_global": True}

    @given(address=st.sampled_from(list(_BLOCKS)).flatmap(lambda text: st.ip_addresses(network=text)) | st.ip_addresses())
    def test_what_is_in_a_block_is_what_ipaddress_says(self, address):
        canonical = ip_address(normalise("ip", str(address)))
        found = said(SpecialPurpose(), "ip", str(canonical))
        inside = [ip_network(text) for text in _BLOCKS if ip_network(text).version == canonical.version and canonical in ip_network(text)]
        assert found.get("network") == (str(max(inside, key=lambda one: one.prefixlen)) if inside else None)
        if canonical.is_loopback or canonical.is_link_local or canonical.is_unspecified or canonical in ip_network("10.0.0.0/8"):
            assert found["is_global"] is False
        assert canonical.is_multicast == (found.get("block") == "Multicast")


class TestGeoIP(EnricherContract):
    known = (("ip", "192.0.2.1"), ("ip", "2001:db8::1"))

    @pytest.fixture
    def enricher(self, city, asn):
        made = GeoIP([city, asn])
        yield made
        made.close()

    def test_it_says_what_the_databases_say_and_which_they_are(self, enricher, city, asn):
        versions = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (city, asn)]
        assert enricher.version() == ",".join(versions)
        built = "2023-11-14T22:13:20Z"
        assert said(enricher, "ip", "192.0.2.1") == {
            "network_bits": 24,
            "country": "NZ",
            "country_name": "New Zealand",
            "continent": "OC",
            "city": "Wellington",
            "asn": "AS64496",
            "organisation": "Example Net",
            "databases": [
                {"type": kind, "version": one, "built": built} for kind, one in zip(("Test-City", "Test-ASN"), versions, strict=True)
            ],
        }
        assert said(enricher, "ip", "192.0.2.200")["databases"] == [{"type": "Test-City", "version": versions[0], "built": built}]
        assert said(enricher, "ip", "2001:db8::1")["network_bits"] == 32
        assert said(enricher, "ip", "198.51.100.1") is None

    def test_flat_databases_are_read_too(self, tmp_path):
        path = tmp_path / "flat.mmdb"
        path.write_bytes(
            mmdb({"192.0.2.0/24": {"country": "NZ", "asn": "AS64496", "as_name": "x" * 500, "city": ""}, "198.51.100.0/24": {"x": 1}})
        )
        enricher = GeoIP([path])
        found = said(enricher, "ip", "192.0.2.1")
        assert (found["country"], found["asn"], len(found["organisation"]), "city" in found) == ("NZ", "AS64496", 200, False)
        assert said(enricher, "ip", "198.51.100.1") is None
        enricher.close()

    @pytest.mark.parametrize("content", [b"", b"x" * 1000, MARKER, mmdb({"192.0.2.0/24": CITY})[:-40]])
    def test_what_is_no_database_is_refused(self, tmp_path, content):
        path = tmp_path / "x.mmdb"
        path.write_bytes(content)
        with pytest.raises(SourceError, match="cannot be read as an MMDB database"):
            GeoIP([path])
        with pytest.raises(SourceError, match="cannot be read as an MMDB database"):
            GeoIP([tmp_path / "missing"])
        with pytest.raises(SourceError, match="no database"):
            GeoIP([])

    def test_damage_in_a_database_is_its_failure(self, tmp_path):
        path = tmp_path / "x.mmdb"
        whole = mmdb({"192.0.2.0/24": {"country": {"iso_code": "NZ"}}})
        path.write_bytes(whole.replace(b"iso_code", b"iso_\xff\xffde"))
        enricher = GeoIP([path])
        with pytest.raises(Exception, match=r".+"):
            enricher.look_up([("ip", "192.0.2.1")], 0)
        enricher.close()

    def test_the_missing_package_is_named(self, city, monkeypatch):
        monkeypatch.setitem(sys.modules, "maxminddb", None)
        with pytest.raises(MissingExtraError) as told:
            GeoIP([city])
        assert told.value.extra == "intel"


@pytest.fixture(scope="module")
def bundled():
    return RegisteredDomain()


class TestRegisteredDomain(EnricherContract):
    known = (("domain", "a.b.example.co.uk"), ("email", "a@mail.example.org"), ("url", "https://www.example.com/x"))

    @pytest.fixture
    def enricher(self, bundled):
        return bundled

    @pytest.mark.parametrize(
        ("kind", "value", "registered", "suffix"),
        [
            ("domain", "a.b.example.co.uk", "example.co.uk", "co.uk"),
            ("domain", "example.co.uk", "example.co.uk", "co.uk"),
            ("domain", "mia.github.io", "mia.github.io", "github.io"),
            ("domain", "dc01.corp.local", "corp.local", "local"),
            ("email", "a@mail.example.org", "example.org", "org"),
            ("url", "https://u:p@www.example.com:8443/x", "example.com", "com"),
        ],
    )
    def test_the_registered_domain(self, enricher, kind, value, registered, suffix):
        assert said(enricher, kind, value) == {"registered_domain": registered, "public_suffix": suffix}

    @pytest.mark.parametrize(("kind", "value"), [("domain", "co.uk"), ("domain", "host"), ("url", "http://192.0.2.1/"), ("domain", "a..b")])
    def test_where_there_is_none(self, enricher, kind, value):
        assert said(enricher, kind, value) is None

    def test_a_list_of_ones_own(self, tmp_path):
        path = tmp_path / "list.dat"
        path.write_bytes(b"// ===BEGIN ICANN DOMAINS===\ncom\nexample.com\n// ===END ICANN DOMAINS===\n")
        enricher = RegisteredDomain(path)
        assert said(enricher, "domain", "a.b.example.com")["registered_domain"] == "b.example.com"
        assert enricher.version() == hashlib.sha256(path.read_bytes()).hexdigest()
        path.write_bytes(b"com\n")
        with pytest.raises(SourceError, match="not the public suffix list"):
            RegisteredDomain(path)
        with pytest.raises(SourceError, match="cannot be opened"):
            RegisteredDomain(tmp_path / "missing")

    def test_the_missing_package_is_named(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "publicsuffixlist", None)
        with pytest.raises(MissingExtraError) as told:
            RegisteredDomain()
        assert told.value.extra == "intel"


def test_none_of_them_is_asked_about_what_it_cannot_know():
    assert SpecialPurpose.types == GeoIP.types == {IndicatorType.IP}
    assert RegisteredDomain.types == {IndicatorType.DOMAIN, IndicatorType.URL, IndicatorType.EMAIL}
