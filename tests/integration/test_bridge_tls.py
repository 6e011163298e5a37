# SPDX-License-Identifier: Apache-2.0
"""tally-bridge behind TLS: versions, ALPN, client certificates, certificates that change."""

import os
import resource
import socket
import ssl

import grpc
import pytest

from tests.image.certificates import Certificate

from .agent import wait_until
from .external_scaler import object_ref, refusal
from .yaml_files import small_object


def test_grpc_and_pages_over_tls(start, bridge, shop):
    one = bridge(start(small_object()), *shop.options(), tls=shop.context())
    assert shop.scaler(one).is_active(object_ref("small")) is True
    stream = shop.scaler(one).stream(object_ref("small"))
    assert next(stream) is True
    stream.cancel()
    assert one.json("/v1/count/small")[1]["count"] == 7
    assert one.get("/metrics")[0] == 200
    assert "tls=on" in one.log()


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_the_protocol_is_agreed_by_alpn(start, bridge, shop, version):
    one = bridge(start(small_object()), *shop.options(), tls=shop.context())
    highest = getattr(ssl.TLSVersion, version)
    for offered, chosen in ((["h2", "http/1.1"], "h2"), (["http/1.1", "h2"], "h2"),
                            (["http/1.1"], "http/1.1"), ([], None)):
        context = shop.context(protocols=offered, maximum_version=highest,
                               minimum_version=highest)
        with socket.create_connection((one.host, one.port), timeout=10) as raw:
            with context.wrap_socket(raw, server_hostname="localhost") as tls:
                assert tls.selected_alpn_protocol() == chosen
                assert tls.version() == version.replace("_", ".")
                if chosen != "h2":
                    tls.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                    assert tls.recv(1000).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_what_is_no_tls_is_closed(start, bridge, shop):
    one = bridge(start(small_object()), *shop.options())
    for data in (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                 b"\x00" * 100):
        assert b"200" not in one.exchange(data)
    old = shop.context(minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1)
    old.set_ciphers("ALL:@SECLEVEL=0")
    with socket.create_connection((one.host, one.port), timeout=10) as raw:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            old.wrap_socket(raw, server_hostname="localhost")
    one.tls = shop.context()
    assert one.get("/healthz")[0] == 200
    assert "event=tls_failed" in one.log()


def test_clients_need_a_certificate(start, bridge, shop):
    good, foreign = shop.client(), shop.client(shop.authority)
    one = bridge(start(small_object()), *shop.options("--client-ca", shop.client_ca),
                 tls=shop.context(good))
    assert shop.scaler(one, good).is_active(object_ref("small")) is True
    assert one.json("/v1/count/small")[1]["count"] == 7
    for client in ((None, None), foreign):
        code, _ = refusal(shop.scaler(one, client).is_active, object_ref("small"))
        assert code == grpc.StatusCode.UNAVAILABLE
    for context in (shop.context(), shop.context(foreign)):
        one.tls = context
        with pytest.raises((ssl.SSLError, ConnectionError)):
            one.get("/healthz")
    assert "tls=mutual" in one.log()


def test_a_new_certificate_is_taken(start, bridge, shop):
    one = bridge(start(small_object()), *shop.options(), tls=shop.context())

    def serial():
        with one.raw() as connection:
            return connection.getpeercert()["serialNumber"]

    first = serial()
    assert serial() == first
    shop.renew()
    second = serial()
    assert second != first
    with open(shop.certificate, "w", encoding="ascii") as file:
        file.write("half a file")
    assert serial() == second  # until there is a whole one
    assert "event=certificate_unreadable" in one.log()
    shop.renew()
    assert serial() != second


def test_a_certificate_that_cannot_be_read_is_read_later(start, bridge, shop):
    one = bridge(start(small_object()), *shop.options(), tls=shop.context())

    def highest():
        return max(map(int, os.listdir(f"/proc/{one.child.pid}/fd")))

    def serial():
        with one.raw() as connection:
            return connection.getpeercert()["serialNumber"]

    used = highest() + 1
    first = serial()
    wait_until(lambda: highest() < used)
    resource.prlimit(one.child.pid, resource.RLIMIT_NOFILE, (used + 1, 4096))
    shop.renew()
    assert serial() == first  # the connection took the last descriptor
    assert "event=certificate_unreadable" in one.log()
    resource.prlimit(one.child.pid, resource.RLIMIT_NOFILE, (4096, 4096))
    assert serial() != first


def test_the_key_must_belong_to_the_certificate(start, bridge, shop, tmp_path):
    other = Certificate("localhost", shop.authority).write(str(tmp_path))
    one = bridge(start(small_object()), *shop.options(), tls=shop.context())
    code, _, error = one.run("--tls-cert", shop.certificate, "--tls-key", other)
    assert code == 2 and other in error
