"""The URL parser: what it accepts, what it refuses, and that what comes out is what went in."""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from yarl import URL

from imagegate.egress import AllowEntry, CheckedUrl, EgressRules, Purpose, UrlRefused, check_url
from imagegate.egress.urls import check_redirect

RULES = EgressRules()
REFERENCE, CALLBACK = Purpose.REFERENCE, Purpose.CALLBACK
TARGET = "".join(chr(c) for c in range(0x21, 0x7F) if chr(c) not in "\\#")


def reason(text: str, purpose: Purpose = REFERENCE, rules: EgressRules = RULES) -> str:
    with pytest.raises(UrlRefused) as refused:
        check_url(text, purpose, rules)
    return refused.value.reason


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("https://example.com/input.png", "https://example.com/input.png"),
        ("HTTPS://EXAMPLE.com", "https://example.com/"),
        ("https://example.com:443/a", "https://example.com/a"),
        ("http://example.com:80?x=1#y", "http://example.com/?x=1"),
        ("https://example.com/a?", "https://example.com/a"),
        ("https://example.com/?a=%zz&b=1+2&&=#f?x", "https://example.com/?a=%zz&b=1+2&&="),
        ("https://my_bucket.s3.amazonaws.com/a//b/../c", "https://my_bucket.s3.amazonaws.com/a//b/../c"),
        ("https://bücher.example/ü", "https://xn--bcher-kva.example/%C3%BC"),
        ("https://faß.de/", "https://xn--fa-hia.de/"),
        ("https://例え。jp/", "https://xn--r8jz45g.jp/"),
        ("https://93.184.216.34/", "https://93.184.216.34/"),
        ("https://[2606:4700:0:0::1111]/", "https://[2606:4700::1111]/"),
    ],
)
def test_accepted(text: str, canonical: str) -> None:
    assert check_url(text, REFERENCE, RULES).text == canonical


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "scheme"),
        ("example.com/a.png", "scheme"),
        ("//example.com/", "scheme"),
        ("ftp://example.com/", "scheme"),
        ("file:///etc/passwd", "scheme"),
        ("data:image/png;base64," + "A" * 100_000, "scheme"),
        ("javascript:alert(1)", "scheme"),
        ("https:example.com", "host"),
        ("https:/example.com", "host"),
        ("https://", "host"),
        ("https:///a", "host"),
        ("https://:443/", "host"),
        ("https://example.com" + "/" * 8192, "too_long"),
        ("https://example.com/" + "é" * 4100, "too_long"),
        (" https://example.com/", "scheme"),
        ("https://example.com/a b", "bad_character"),
        ("https://example.com/a\n", "bad_character"),
        ("https://exam\tple.com/", "bad_character"),
        ("https://example.com/\x00", "bad_character"),
        ("https://example.com/\x85", "bad_character"),
        ("https://example.com/\u3000", "bad_character"),
        ("https://example.com/\ud800", "bad_character"),
        ("https://example.com\\@evil.example/", "bad_character"),
        ("https://user@example.com/", "userinfo"),
        ("https://user:pass@example.com/", "userinfo"),
        ("https://@example.com/", "userinfo"),
        ("https://ex%61mple.com/", "host"),
        ("https://example.com./", "host"),
        ("https://.example.com/", "host"),
        ("https://exa..mple.com/", "host"),
        ("https://exam,ple.com/", "host"),
        ("https://" + "a" * 64 + ".com/", "host"),
        ("https://" + "a." * 130 + "com/", "host"),
        ("https://xn--ü.com/", "host"),
        ("https://\u200b.com/", "host"),
        ("https://a.b.1/", "host"),
        ("https://a.0x7f/", "host"),
        ("https://1.2.3/", "host"),
        ("https://1.2.3.4.5/", "host"),
        ("https://01.2.3.4/", "host"),
        ("https://256.2.3.4/", "host"),
        ("https://0x7f000001/", "host"),
        ("https://[::1/", "host"),
        ("https://[v1.x]/", "host"),
        ("https://[fe80::1%25eth0]/", "host"),
        ("https://::1/", "port"),
        ("https://localhost/", "internal_name"),
        ("https://LocalHost/", "internal_name"),
        ("https://a.localhost/", "internal_name"),
        ("https://intranet/", "internal_name"),
        ("https://printer.local/", "internal_name"),
        ("https://metadata.google.internal/", "internal_name"),
        ("https://nas.home.arpa/", "internal_name"),
        ("https://127.0.0.1/", "address"),
        ("https://[::ffff:127.0.0.1]/", "address"),
        ("https://[::1]/", "address"),
        ("https://169.254.169.254/", "address"),
        ("https://example.com:22/", "port"),
        ("https://example.com:80/", "port"),
        ("http://example.com:443/", "port"),
        ("https://example.com:/", "port"),
        ("https://example.com:0443/", "port"),
        ("https://example.com:٤٤٣/", "port"),
        ("https://example.com:65536/", "port"),
        ("https://example.com:443:443/", "port"),
    ],
)
def test_refused(text: str, why: str) -> None:
    assert reason(text) == why


def test_callbacks_have_narrower_terms() -> None:
    assert check_url("https://example.com/hook", CALLBACK, RULES).port == 443
    assert reason("http://example.com/hook", CALLBACK) == "scheme"
    longest = "https://example.com/".ljust(2048, "x")
    assert check_url(longest, CALLBACK, RULES).text == longest
    assert reason(longest + "x", CALLBACK) == "too_long"
    assert check_url(longest + "x", REFERENCE, RULES).text == longest + "x"
    assert check_url("http://example.com/fox.png", REFERENCE, RULES).port == 80


def test_extra_ports_and_allow_entries_open_ports() -> None:
    extra = EgressRules(extra_ports=(8443,))
    assert check_url("https://example.com:8443/", CALLBACK, extra).port == 8443
    assert reason("https://127.0.0.1:8443/", CALLBACK, extra) == "address"
    assert reason("https://localhost:8443/", CALLBACK, extra) == "internal_name"
    allow = EgressRules(allow=(AllowEntry("127.0.0.1/32", 8443),))
    for host in ("127.0.0.1", "hook.test", "localhost", "hook.internal"):
        assert check_url(f"https://{host}:8443/", CALLBACK, allow).host == host
        assert check_url(f"http://{host}:8443/", REFERENCE, allow).host == host
    assert reason("https://127.0.0.1/", REFERENCE, allow) == "address"
    assert reason("https://localhost/", REFERENCE, allow) == "internal_name"
    assert reason("https://127.0.0.2:8443/", REFERENCE, allow) == "address"
    assert reason("https://127.0.0.1:8444/", REFERENCE, allow) == "port"


def test_the_origin_is_fit_for_logs() -> None:
    url = check_url("https://example.com:443/secret/path?token=1", REFERENCE, RULES)
    assert url.origin == "https://example.com"


@pytest.mark.parametrize(
    ("location", "text"),
    [
        ("https://b.example/y?z=%zz", "https://b.example/y?z=%zz"),
        ("//b.example/y", "https://b.example/y"),
        ("/y?", "https://a.example/y"),
        ("y", "https://a.example/p/y"),
        ("?q=1", "https://a.example/p/x?q=1"),
        ("../y", "https://a.example/y"),
        ("http://b.example/", "http://b.example/"),
    ],
)
def test_redirects(location: str, text: str) -> None:
    base = check_url("https://a.example/p/x?old=1", REFERENCE, RULES)
    assert check_redirect(location, base, RULES).text == text


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "//127.0.0.1/",
        "//a@b.example/",
        "/\t/127.0.0.1/",
        "y\tz",
        "\x01y",
        "\\\\127.0.0.1\\",
        "https:x",
    ],
)
def test_redirects_refused(location: str) -> None:
    base = check_url("https://a.example/p/x", REFERENCE, RULES)
    with pytest.raises(UrlRefused):
        check_redirect(location, base, RULES)


def well_formed(url: CheckedUrl) -> None:
    assert re.fullmatch(r"[\x21-\x5b\x5d-\x7e]+", url.text)
    assert "@" not in url.origin
    assert url.scheme in {"http", "https"}
    assert (url.scheme, url.port) in {("http", 80), ("https", 443)}
    assert url.target.startswith("/")
    if re.fullmatch(r"[a-z0-9._-]+", url.host) and not url.host.replace(".", "").isdigit():
        assert url.host.rpartition(".")[2][0].isalpha()
    else:
        assert str(ip_address(url.host)) == url.host


@given(
    st.text(st.characters(codec="utf-8"), max_size=60),
    st.sampled_from(["", "https://", "http://a.example", "https://a"]),
)
@settings(max_examples=300)
def test_any_text(text: str, prefix: str) -> None:
    try:
        url = check_url(prefix + text, REFERENCE, RULES)
    except UrlRefused:
        return
    well_formed(url)
    assert check_url(url.text, REFERENCE, RULES) == url


@given(st.text("ab.0127xX:@[]%\\/?#\t۱①。-_é", max_size=25))
@settings(max_examples=500)
def test_any_authority_means_the_same_to_other_parsers(text: str) -> None:
    try:
        url = check_url(f"https://{text}/", REFERENCE, RULES)
    except UrlRefused:
        return
    well_formed(url)
    assert (urlsplit(url.text).hostname, urlsplit(url.text).port or 443) == (url.host, url.port)
    wire = URL(url.text, encoded=True)
    assert (wire.raw_host, wire.port, wire.raw_path_qs, wire.user) == (url.host, url.port, url.target, None)


@given(st.text(TARGET, max_size=200))
def test_path_and_query_are_kept_to_the_byte(target: str) -> None:
    assume(target[-1:] != "?" or target.count("?") > 1)
    assert check_url(f"https://a.example/{target}", REFERENCE, RULES).target == f"/{target}"


@given(
    st.text(TARGET + "é漢", max_size=50),
    st.sampled_from("\x00\x1f \x7f\x80\xa0\u2028\u3000\\\t\r\n"),
    st.integers(0, 50),
)
def test_one_bad_character_anywhere_is_too_many(text: str, bad: str, place: int) -> None:
    assert reason(f"https://a.example/{text[:place]}{bad}{text[place:]}") == "bad_character"


@given(st.text(TARGET.replace("/", "").replace("?", ""), max_size=20))
def test_no_userinfo_ever(text: str) -> None:
    assert reason(f"https://{text}@a.example/") == "userinfo"
