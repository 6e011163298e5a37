# SPDX-License-Identifier: Apache-2.0
"""TLS: which servers are trusted, which error a client gets for the others, and the number of
attempts."""

import json
import socket
import threading
import time

import pytest

from tests.gateway.tls import Authority

from .agent import wait_until
from .rpc import RpcError
from .yaml_files import small_object

# The fault of the certificate, and a word of the client's error message.
REFUSED = {
    "expired": "expired",
    "not-yet-valid": "not yet valid",
    "other-name": "subject name",
    "unknown-ca": "issuer",
    "self-signed": "self-signed",
    "client-usage": "purpose",
    "key-usage": "purpose",
    "issuer-is-no-ca": "CA",
    "issuer-key-usage": "CA",
}
# An aborted handshake may be a transient fault, so it is retried.
BROKEN = {"tls-1.0": "tls", "tls-1.1": "tls", "plain-http": "ssl", "nothing": ""}


class Server:
    """Accepts, tries the handshake, and counts; no client gets any further."""

    def __init__(self, authority, kind):
        self.connections = 0
        self.handshakes = []
        self._kind = kind
        self._context = authority.context(["localhost"], kind) if kind not in (
            "plain-http", "nothing") else None
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.url = f"https://localhost:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            with connection:
                connection.settimeout(10)
                self._serve(connection)

    def _serve(self, connection):
        try:
            if self._kind == "plain-http":
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            elif self._context is not None:
                with self._context.wrap_socket(connection, server_side=True) as tls:
                    self.handshakes.append(tls.version())
                    assert not tls.recv(1), "a request came"
        except OSError as error:
            self.handshakes.append(type(error).__name__)

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture(scope="module")
def authority():
    return Authority()


@pytest.fixture
def server(authority):
    servers = []

    def make(kind):
        servers.append(Server(authority, kind))
        return servers[-1]

    yield make
    for each in servers:
        each.close()


def trusting(authority, tmp_path, **env):
    bundle = tmp_path / "ca.pem"
    bundle.write_text(authority.pem())
    return {"AWS_CA_BUNDLE": str(bundle), **env}


def refusal(agent, timeout_ms=2000):
    with pytest.raises(RpcError) as caught:
        agent.rpc("count", trigger="small", max_age_ms=0, timeout_ms=timeout_ms)
    return caught.value


SERVICES = {
    "DynamoDB": lambda url: {"AWS_ENDPOINT_URL_DYNAMODB": url},
    "STS": lambda url: {"AWS_ENDPOINT_URL_STS": url},
    "container": lambda url: {"AWS_ROLE_ARN": None, "AWS_WEB_IDENTITY_TOKEN_FILE": None,
                              "AWS_CONTAINER_CREDENTIALS_FULL_URI": url + "/v1/credentials"}}


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("kind", REFUSED)
def test_a_bad_certificate_is_refused_at_once_and_not_tried_again(
        start, server, authority, tmp_path, service, kind):
    bad = server(kind)
    agent = start(small_object(), env=trusting(authority, tmp_path, **SERVICES[service](bad.url)))
    begun = time.monotonic()
    error = refusal(agent, timeout_ms=20_000)
    assert time.monotonic() - begun < 10
    assert error.name == "AWS_UNAVAILABLE"
    assert "certificate" in error.answer["message"] and REFUSED[kind] in error.answer["message"]
    assert "localhost" in error.answer["message"]
    assert "AWS_CA_BUNDLE" in error.answer["message"]
    assert "refused" not in error.answer["message"]
    assert bad.connections <= 2  # the second one to see the issuer


def test_the_issuer_of_a_foreign_certificate_is_named(start, server):
    bad = server("good")  # of an authority that the system does not trust
    agent = start(small_object(), env={"AWS_ENDPOINT_URL_STS": bad.url,
                                       "SSL_CERT_FILE": "./corp-ca.pem"})
    message = refusal(agent, timeout_ms=20_000).answer["message"]
    assert f"its issuer is tally test CA; AWS_CA_BUNDLE" in message
    assert "SSL_CERT_FILE is not read" in message


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_handshake_is_tried_again_within_reason(start, server, authority, tmp_path, kind):
    bad = server(kind)
    agent = start(small_object(), env=trusting(authority, tmp_path,
                                               AWS_ENDPOINT_URL_DYNAMODB=bad.url))
    error = refusal(agent)
    assert error.name in ("AWS_UNAVAILABLE", "TIMEOUT")
    assert BROKEN[kind] in error.answer["message"].lower()
    assert 2 <= bad.connections <= 20
    assert not [version for version in bad.handshakes if version.startswith("TLS")]


@pytest.mark.parametrize("kind", ["good", "tls-1.2"])
def test_what_is_good_is_believed(start, world, tmp_path, kind):
    bundle = tmp_path / "ca.pem"
    bundle.write_text(world.ca())
    agent = start(small_object(), env={
        "AWS_CA_BUNDLE": str(bundle),
        "AWS_ENDPOINT_URL_STS": world.listen(service="sts", tls=kind),
        "AWS_ENDPOINT_URL_DYNAMODB": world.listen(service="dynamodb", tls=kind)})
    for _ in range(5):
        assert agent.rpc("count", trigger="small", max_age_ms=0)["count"] == 7
    assert world.connections("dynamodb") == 1  # one handshake for all


def test_no_clients_storm_a_server_that_nobody_believes(start, server, authority, tmp_path):
    bad = server("unknown-ca")
    agent = start(small_object(), env=trusting(authority, tmp_path,
                                               AWS_ENDPOINT_URL_DYNAMODB=bad.url))
    end = time.monotonic() + 3
    while time.monotonic() < end:
        refusal(agent, timeout_ms=500)
    assert bad.connections <= 8  # after 0.25, 0.5, 1, 2 s at most


def test_a_bundle_that_was_replaced_is_read_anew(start, world, tmp_path):
    """As cert-manager replaces it before an authority expires."""
    bundle = tmp_path / "ca.pem"
    bundle.write_text(Authority("the old one").pem())
    agent = start(small_object(), env={
        "AWS_CA_BUNDLE": str(bundle),
        "AWS_ENDPOINT_URL_DYNAMODB": world.listen(service="dynamodb", tls="good")})
    assert refusal(agent).name == "AWS_UNAVAILABLE"
    bundle.write_text(world.ca())

    def is_believed():
        try:
            return agent.rpc("count", trigger="small", max_age_ms=0)["count"] == 7
        except RpcError:
            return False

    wait_until(is_believed, 40)


@pytest.mark.parametrize("content, word", [
    (None, "cannot be read"), ("folder", "is not a regular file"), ("large", "is the limit")])
def test_a_bundle_that_cannot_be_one_is_named_at_the_start(pod, tmp_path, content, word):
    bundle = tmp_path / "ca.pem"
    if content == "folder":
        bundle.mkdir()
    elif content == "large":
        with open(bundle, "wb") as file:
            file.truncate(16 * 1024 * 1024 + 1)
    agent = pod(small_object(), env={"AWS_CA_BUNDLE": str(bundle)})
    code, err = agent.run("--config", agent.config, "--socket", agent.socket)
    assert code == 2
    assert "AWS_CA_BUNDLE" in err and str(bundle) in err and word in err


@pytest.mark.parametrize("content", ["", "no certificate", "-----BEGIN CERTIFICATE-----\nx\n"])
def test_a_bundle_without_a_certificate_believes_nobody(start, world, tmp_path, content):
    bundle = tmp_path / "ca.pem"
    bundle.write_text(content)
    agent = start(small_object(), env={
        "AWS_CA_BUNDLE": str(bundle),
        "AWS_ENDPOINT_URL_DYNAMODB": world.listen(service="dynamodb", tls="good")})
    error = refusal(agent)
    assert error.name == "AWS_UNAVAILABLE"
    assert "certificate" in error.answer["message"].lower()
    assert json.dumps(world.requests(service="dynamodb")) == "[]"


def test_a_machine_without_authorities_is_reported_at_the_start(pod):
    hide = 'mount --bind /dev/null /etc/ssl/certs/ca-certificates.crt && exec "$@"'
    agent = pod(small_object()).start(wrapper=["unshare", "-m", "sh", "-c", hide, "sh"])
    agent.wait_for_log("event=ca_bundle_missing")
    assert "install ca-certificates" in agent.log()


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE",
                                      "REQUESTS_CA_BUNDLE"])
def test_a_variable_that_names_no_authorities_here_is_reported_at_the_start(
        start, authority, tmp_path, variable):
    agent = start(small_object(), env={variable: str(tmp_path / "ca.pem")})
    agent.wait_for_log(f"event=ca_bundle_ignored variable={variable}")
    agent = start(small_object(), env={variable: "", **trusting(authority, tmp_path)})
    agent.rpc("ping")
    assert "ca_bundle_ignored" not in agent.log()


def test_nothing_is_said_of_authorities_that_are_there(start, authority, tmp_path):
    for env in ({}, trusting(authority, tmp_path)):
        agent = start(small_object(), env=env)
        agent.rpc("ping")
        assert "ca_bundle_missing" not in agent.log()
