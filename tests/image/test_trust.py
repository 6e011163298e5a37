# SPDX-License-Identifier: Apache-2.0
"""What the small flavour's TLS accepts and refuses: TLS 1.2 with ECDHE and AEAD, SHA-2, RSA with at
least 2048 bits."""

import subprocess
import threading
import time

import pytest

from tests.integration.rpc import RpcError
from tests.integration.yaml_files import scaled_object, trigger

from .certificates import Certificate
from .conftest import recount
from .servers import COUNT, TLS1_0, TLS1_1, TLS1_2, TLS1_3, listen

GOOD = {"ec256": ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
                  "ECDHE-ECDSA-CHACHA20-POLY1305"],
        "rsa2048": ["ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384",
                    "ECDHE-RSA-CHACHA20-POLY1305"]}
BAD = {"ec256": ["ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES128-CCM"],
       "rsa2048": ["AES128-SHA", "AES256-SHA256", "AES128-GCM-SHA256", "AES256-GCM-SHA384",
                   "ECDHE-RSA-AES128-SHA", "ECDHE-RSA-AES256-SHA384", "DHE-RSA-AES128-GCM-SHA256"]}


def pairs(suites):
    return [(key, suite) for key, names in suites.items() for suite in names]


def check_refused(agent, server, reason):
    """Within the deadline of one request, with a reason, and without an HTTP request on the wire."""
    with pytest.raises(RpcError, match=reason) as refused:
        recount(agent, timeout_ms=2000)
    assert refused.value.name in ("AWS_UNAVAILABLE", "TIMEOUT")
    assert server.requests == 0


@pytest.mark.parametrize("key,suite", pairs(GOOD))
def test_each_suite_with_ecdhe_and_aead_is_taken(serve, start, root, key, suite):
    server = serve(Certificate("localhost", root, key), ciphers=suite, **TLS1_2)
    assert recount(start(server.url, root.pem())) == COUNT
    assert server.sessions == [("TLSv1.2", suite)]


@pytest.mark.parametrize("key,suite", pairs(BAD))
def test_any_other_suite_is_refused(serve, start, root, key, suite):
    server = serve(Certificate("localhost", root, key), ciphers=suite, **TLS1_2)
    check_refused(start(server.url, root.pem()), server, "TLS 1.2 with ECDHE and AEAD is offered")


@pytest.mark.parametrize("version", [TLS1_0, TLS1_1, TLS1_3], ids=["1.0", "1.1", "1.3"])
def test_any_other_version_is_refused(serve, start, root, version):
    server = serve(Certificate("localhost", root, "rsa2048"), **version)
    check_refused(start(server.url, root.pem()), server, "TLS 1.2 with ECDHE and AEAD")


@pytest.mark.parametrize("key", ["ec256", "ec384", "rsa2048", "rsa3072"])
@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
def test_usual_keys_and_signatures_are_taken(serve, start, key, digest):
    root = Certificate("root", key=key, ca=True)
    middle = Certificate("middle", root, key, digest, ca=True)
    server = serve(Certificate("localhost", middle, key, digest))
    assert recount(start(server.url, root.pem())) == COUNT


def test_a_signature_with_sha_1_is_refused(serve, start):
    root = Certificate("root", key="rsa2048", ca=True)
    server = serve(Certificate("localhost", root, "rsa2048", digest="sha1"))
    check_refused(start(server.url, root.pem()), server, "certificate")


def test_a_middle_certificate_with_sha_1_is_refused(serve, start):
    root = Certificate("root", key="rsa2048", ca=True)
    middle = Certificate("middle", root, "rsa2048", digest="sha1", ca=True)
    server = serve(Certificate("localhost", middle, "rsa2048"))
    check_refused(start(server.url, root.pem()), server, "certificate")


def test_rsa_with_1024_bits_is_refused(serve, start, root):
    server = serve(Certificate("localhost", root, "rsa1024"))
    check_refused(start(server.url, root.pem()), server, "key is too short")


def test_a_middle_certificate_with_1024_bits_is_refused(serve, start, root):
    middle = Certificate("middle", root, "rsa1024", ca=True)
    server = serve(Certificate("localhost", middle))
    check_refused(start(server.url, root.pem()), server, "key is too short")


def test_a_key_exchange_signed_with_sha_1_is_refused(start, root, tmp_path):
    """openssl s_server, because Python cannot select a server's signature algorithm."""
    path = Certificate("localhost", root, "rsa2048").write(str(tmp_path))
    listener, port = listen()
    listener.close()
    child = subprocess.Popen(
        ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", path, "-key", path,
         "-tls1_2", "-cipher", "ALL:@SECLEVEL=0", "-sigalgs", "RSA+SHA1", "-quiet"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(0.3)
        agent = start(f"https://localhost:{port}", root.pem())
        with pytest.raises(RpcError, match="TLS 1.2 with ECDHE and AEAD"):
            recount(agent, timeout_ms=2000)
    finally:
        child.kill()
        child.wait()


def test_an_issuer_that_is_no_ca_is_refused(serve, start, root):
    middle = Certificate("middle", root)
    server = serve(Certificate("localhost", middle))
    check_refused(start(server.url, root.pem()), server, "certificate")


def test_connections_do_not_share_what_they_verify(serve, slow, start, root):
    """Concurrent handshakes with valid and invalid servers over a slow network: each connection has
    its own X.509 engine; with a shared one, an invalid server could be accepted, or a valid one
    refused."""
    good = slow(serve(Certificate("localhost", root), kept=False), 0.02)
    bad = slow(serve(Certificate("elsewhere.test", root), kept=False), 0.02)
    names = {f"{kind}{number}": server.url
             for kind, server in (("good", good), ("bad", bad)) for number in range(4)}
    agent = start(good.url, root.pem(), documents=[
        scaled_object(name, trigger(awsEndpoint=url)) for name, url in names.items()])
    outcomes = {}

    def ask(name):
        try:
            answer = agent.rpc("count", trigger=name, max_age_ms=0, timeout_ms=5000)
            outcomes[name] = (answer["count"], answer["quality"])
        except RpcError as error:
            outcomes[name] = str(error)

    threads = [threading.Thread(target=ask, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name, outcome in outcomes.items():
        if name.startswith("good"):
            assert outcome == (COUNT, "exact")
        else:
            assert "subject name" in outcome
    assert len(outcomes) == 8
