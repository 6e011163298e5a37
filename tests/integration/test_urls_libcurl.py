# SPDX-License-Identifier: Apache-2.0
"""URLs that tally's parser accepts must have the same meaning for libcurl, which connects."""

import ctypes
import ipaddress
import random

from .aws_leaves import ask

SEED = 20260102
URLS = 20_000

CURL = ctypes.CDLL("libcurl.so.4")
CURL.curl_url.restype = ctypes.c_void_p
CURL.curl_url_cleanup.argtypes = [ctypes.c_void_p]
CURL.curl_url_set.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
CURL.curl_url_get.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(ctypes.c_void_p),
                              ctypes.c_uint]
CURL.curl_free.argtypes = [ctypes.c_void_p]
URL, SCHEME, USER, PASSWORD, _OPTIONS, HOST, PORT, PATH, QUERY, FRAGMENT = range(10)
DEFAULT_PORT = 1

CREDENTIAL_HOSTS = {ipaddress.ip_address(host)
                    for host in ("169.254.170.2", "169.254.170.23", "fd00:ec2::23")}

SCHEMES = ("https://", "http://", "HTTP://", "https:/", "https:", "", "ftp://")
HOSTS = ("localhost", "LOCALHOST", "127.0.0.1", "127.1", "0x7f.1", "127.0.0.1.x", "[::1]", "[::",
         "[::ffff:127.0.0.1]", "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]",
         "[FD00:0ec2:0:0:0::23]", "[1:0:0:2:0:0:0:3]", "[::1%251]",
         "example.org", "a_b", "x.", "..", "", "10.0.0.1", "user@", "@", "0177.0.0.1", "１27.0.0.1")
PATHS = ("", "/", "//", "/a/b", "/.", "/..", "/a/../b", "/%2e%2e/b", "/.../x", "/a;b=c", "/%41%zz",
         "/a b", "\\x", "/\\..", "?q=1", "/?q", "#f", "/#", "/ä", "/a?b#c", "/a/.b/..c/")
PORTS = ("", ":80", ":443", ":8000", ":", ":0", ":65535", ":65536", ":080", ":8 0", ":+80", ":x")
NOISE = "/:@?#[]\\%. \t\n\r.-_a0ä\x01\x7f"


def libcurl(url):
    """{part: text or None}, or None where libcurl cannot read the URL."""
    handle = CURL.curl_url()
    try:
        if CURL.curl_url_set(handle, URL, url.encode(), 0) != 0:
            return None
        return {part: _part(handle, part)
                for part in (SCHEME, USER, PASSWORD, HOST, PORT, PATH, QUERY, FRAGMENT)}
    finally:
        CURL.curl_url_cleanup(handle)


def _part(handle, part):
    text = ctypes.c_void_p()
    if CURL.curl_url_get(handle, part, ctypes.byref(text), DEFAULT_PORT) != 0:
        return None
    value = ctypes.cast(text, ctypes.c_char_p).value.decode()
    CURL.curl_free(text)
    return value


def random_url(rng):
    url = "".join(rng.choice(parts) for parts in (SCHEMES[:3] if rng.random() < 0.9 else SCHEMES,
                                                  HOSTS, PORTS, PATHS))
    for _ in range(rng.choice((0, 0, 0, 1, 2))):
        at = rng.randint(0, len(url))
        url = url[:at] + rng.choice(NOISE) + url[at + rng.randint(0, 1):]
    return url


def is_trusted(host, others):
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return host == "localhost"
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback or address in others


def check(verb, others):
    rng = random.Random(SEED)
    urls = [random_url(rng) for _ in range(URLS)]
    accepted = 0
    for url, answer in zip(urls, ask([[verb, url] for url in urls])):
        if answer[0] != "ok":
            continue
        accepted += 1
        # As written, and as passed to libcurl.
        for form in (url, answer[1]):
            parts = libcurl(form)
            assert parts is not None, url
            default = {"https": "443", "http": "80"}[parts[SCHEME]]
            port = "" if parts[PORT] == default else f":{parts[PORT]}"
            assert answer[2] == parts[HOST].lower() + port, url
            assert answer[3] == parts[PATH], url
            assert parts[USER] is parts[PASSWORD] is parts[FRAGMENT] is None, url
            assert parts[QUERY] is None or verb == "credentials-url", url
            assert parts[SCHEME] == "https" or is_trusted(parts[HOST].lower(), others), url
    assert accepted > URLS / 100


def test_endpoint_urls_mean_the_same_to_libcurl():
    check("url", set())


def test_credential_urls_mean_the_same_to_libcurl():
    check("credentials-url", CREDENTIAL_HOSTS)
