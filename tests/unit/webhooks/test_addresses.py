"""Facts about where webhooks may be."""

import re

import pytest

from evalhaven.domain.errors import InvalidRequestError
from evalhaven.webhooks.addresses import AddressRules, parse_networks

CLOSED = (
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",  # noqa: S104 - to be refused
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd00:ec2::254",
    "fec0::1",
    "ff02::1",
    "2001:db8::1",
    "2001::1",
    "100::1",
    # What is within them is closed.
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0a00:0001",
    "::127.0.0.1",
    "2002:7f00:1::1",
    "2002:a9fe:a9fe::1",
    "64:ff9b::10.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "localhost",
    "",
)
OPEN = ("1.1.1.1", "93.184.215.14", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1")


@pytest.mark.parametrize("address", CLOSED)
def test_an_address_that_is_not_public_is_not_connected_to(address: str) -> None:
    assert not AddressRules().may_connect(address)


@pytest.mark.parametrize("address", OPEN)
def test_a_public_address_is_connected_to_with_tls_only(address: str) -> None:
    assert AddressRules().may_connect(address)
    assert not AddressRules().may_connect_plainly(address)


def test_an_allowed_network_is_open_in_every_form_and_no_other_is() -> None:
    rules = AddressRules(parse_networks("10.1.0.0/16, ::1,fd00::/8"))
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "::1", "fd00::7"):
        assert rules.may_connect(address), address
        assert rules.may_connect_plainly(address), address
    for address in ("10.2.0.1", "::ffff:10.2.0.1", "127.0.0.1", "2002:0a02:1::1"):
        assert not rules.may_connect(address), address


def test_networks_that_are_none_are_named() -> None:
    with pytest.raises(ValueError, match=r"10\.1\.0\.1/16 has host bits set"):
        parse_networks("127.0.0.0/8, 10.1.0.1/16")
    assert parse_networks(" , ") == ()


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("http://example.org/hook", "must begin with https://"),
        ("ftp://example.org/hook", "must be an https URL"),
        ("https:///hook", "must be an https URL"),
        ("https://example.org:99999/", "must be an https URL"),
        ("https://example.org:0/", "must be an https URL"),
        ("https://[::1/", "must be an https URL"),
        ("https://example.org/" + "x" * 2048, "must be an https URL"),
        ("https://user:secret@example.org/", "must have no user name"),
        ("https://example.org/#a", "must have no user name"),
        ("https://example.org/a b", "plain ASCII"),
        ("https://example.org/ä", "plain ASCII"),
        ("https://example.org/a\r\nhost: b", "plain ASCII"),
        ("https://exam ple.org/", "plain ASCII"),
        ("https://exam\nple.org/", "plain ASCII"),
        ("https://\ud800.example.org/", "plain ASCII"),
        ("https://127.0.0.1/hook", "names 127.0.0.1, which is not a public address"),
        ("https://[::ffff:10.0.0.1]/hook", "is not a public address"),
        ("https://169.254.169.254/latest/meta-data", "EVALHAVEN_WEBHOOK_ALLOW_PRIVATE"),
    ],
)
def test_a_url_that_cannot_be_told_is_refused_with_its_cure(url: str, complaint: str) -> None:
    with pytest.raises(InvalidRequestError, match=re.escape(complaint)) as caught:
        AddressRules().check_url(url)
    assert caught.value.param == "url"


def test_urls_that_can_be_told_are_accepted() -> None:
    AddressRules().check_url("https://example.org/hook?token=x")
    AddressRules().check_url("HTTPS://example.org:8443")
    rules = AddressRules(parse_networks("127.0.0.0/8"))
    rules.check_url("http://127.0.0.1:9000/hook")
    # What its name means is found out with each connection.
    rules.check_url("http://localhost:9000/hook")
    with pytest.raises(InvalidRequestError, match="in no private network that is allowed"):
        rules.check_url("http://10.0.0.1/hook")
