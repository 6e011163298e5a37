# SPDX-License-Identifier: Apache-2.0
"""Invalid proxies, proxies that refuse, and proxies that must not see a request: no output contains
a password, loopback is accessed without a proxy, and an error names the proxy."""

import socket
import threading

import pytest

from .rpc import RpcError
from .yaml_files import small_object

AWS_NAMES = {"AWS_ENDPOINT_URL_STS": None, "AWS_ENDPOINT_URL_DYNAMODB": None}


class Refusing:
    """A proxy that answers each request with this status, and records all input."""

    def __init__(self, status):
        self.seen = bytearray()
        self._reply = f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5)
                try:
                    self.seen += connection.recv(65536)
                    connection.sendall(self._reply)
                except OSError:
                    pass

    def close(self):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(10)


@pytest.fixture(name="refusing")
def _refusing():
    proxies = []

    def make(status):
        proxies.append(Refusing(status))
        return proxies[-1]

    yield make
    for proxy in proxies:
        proxy.close()


def outputs(agent):
    """All output of the agent and the command so far."""
    for verb in (["count", "small", "--max-age", "0"], ["list"], ["whoami"], ["whoami", "small"],
                 ["explain", "small"], ["status"]):
        agent.cli("-t", "1s", *verb)
        agent.cli("-t", "1s", "-o", "json", *verb)
    return agent.seen.decode(errors="replace") + agent.log()


@pytest.mark.parametrize("url", [
    "http://svc:hunter#2@127.0.0.1:1",
    "http://svc:hunter/2@127.0.0.1:1",
    "http://svc:hunter%0A2@127.0.0.1:1",
    "http://svc:hunter2@127.0.0.1:1\n",
    '"http://svc:hunter2@127.0.0.1:1"',
    "http://svc:hun ter2@127.0.0.1:1",
    "htps://svc:hunter2@127.0.0.1:1",
    "http://svc:hunter2@127.0.0.1:99999",
    "http://svc:12#hunter@127.0.0.1:1",
])
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "http_proxy", "ALL_PROXY"])
def test_an_unusable_proxy_is_refused_at_start_by_name(pod, variable, url):
    agent = pod(small_object(), env={variable: url})
    code, err = agent.run("--config", agent.config, "--socket", agent.socket)
    assert code == 2
    assert f"{variable} is not the URL of a proxy" in err
    for piece in ("hunter", "hun ter", "svc"):
        assert piece not in err
    code, err = agent.run("--check", "--config", agent.config)
    assert "hun" not in err


@pytest.mark.parametrize("password, status", [
    ("hunter2", None), ("hunter%232", None), ("hunter@2", None), ("hunter%2F%C3%A42", None),
    ("hunter2", 407), ("hunter%232", 403), ("hunter@2", 502), ("hunter%2F%C3%A42", 407)])
def test_no_output_holds_the_password_of_a_proxy(start, refusing, password, status):
    port = refusing(status).port if status else 1
    agent = start(small_object(), env={
        **AWS_NAMES, "HTTPS_PROXY": f"http://svc:{password}@127.0.0.1:{port}"},
        options=["--log-level", "debug"])
    said = outputs(agent)
    assert f"the proxy 127.0.0.1:{port} (HTTPS_PROXY)" in said
    assert "hunter" not in said and "svc:" not in said


def failure_of(agent):
    with pytest.raises(RpcError) as caught:
        agent.rpc("count", trigger="small", max_age_ms=0, timeout_ms=2000)
    return caught.value.answer["message"]


@pytest.mark.parametrize("status, words", [
    (407, "requires a user and a password"), (403, "does not allow connections to https://sts."),
    (502, "did not connect to https://sts.")])
def test_a_proxy_that_refuses_is_named(start, refusing, status, words):
    port = refusing(status).port
    agent = start(small_object(), env={**AWS_NAMES, "HTTPS_PROXY": f"http://127.0.0.1:{port}"})
    message = failure_of(agent)
    assert f"the proxy 127.0.0.1:{port} (HTTPS_PROXY)" in message and words in message
    assert f"HTTP {status}" in message


def test_a_proxy_that_is_away_is_named(start):
    agent = start(small_object(), env={**AWS_NAMES, "ALL_PROXY": "socks5://127.0.0.1:1"})
    assert "the proxy 127.0.0.1:1 (ALL_PROXY) cannot be reached" in failure_of(agent)


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"])
def test_loopback_is_never_asked_through_a_proxy(start, refusing, variable):
    proxy = refusing(502)
    agent = start(small_object(), env={variable: f"http://127.0.0.1:{proxy.port}"})
    assert agent.rpc("count", trigger="small")["count"] == 7
    assert not proxy.seen


@pytest.mark.parametrize("bypass", ["*.amazonaws.com", ".amazonaws.com", "amazonaws.com", "*"])
def test_names_of_no_proxy_go_past_the_proxy(start, refusing, bypass):
    proxy = refusing(407)
    agent = start(small_object(), env={
        **AWS_NAMES, "AWS_REGION": "no-region-1", "HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}",
        "NO_PROXY": bypass})
    assert "https://sts.no-region-1.amazonaws.com cannot be reached" in failure_of(agent)
    assert not proxy.seen


def test_no_token_goes_over_plain_http(pod):
    agent = pod(small_object(), env={"AWS_ENDPOINT_URL_STS": "http://sts.example:8000"})
    code, err = agent.run("--config", agent.config, "--socket", agent.socket, "--allow-http")
    assert code == 2 and "AWS_ENDPOINT_URL_STS: tokens go over https" in err


def test_no_session_token_goes_over_plain_http(start, refusing):
    server = refusing(500)
    agent = start(small_object(), env={
        "AWS_ENDPOINT_URL_DYNAMODB": f"http://dynamodb.example:{server.port}",
        "http_proxy": f"http://127.0.0.1:{server.port}"}, options=["--allow-http"])
    assert "a session token is not sent over plain http to dynamodb.example" in failure_of(agent)
    assert not server.seen


@pytest.mark.parametrize("service", ["dynamodb", "sts"])
@pytest.mark.parametrize("fault, words", [
    ({"status": 503, "body": "upstream connect error or disconnect/reset before headers"},
     "HTTP 503: upstream connect error or disconnect/reset before headers"),
    ({"status": 502, "body": "<html><title>502 Bad Gateway</title><hr>nginx</html>"},
     "HTTP 502: 502 Bad Gateway"),
    ({"status": 200, "body": "<!DOCTYPE html><html><title>Sign in to CorpNet</title>"},
     "the reply is an HTML page, perhaps of a proxy or portal: Sign in to CorpNet"),
    ({"status": 407, "body": ""}, "a proxy on the way requires a user and a password (HTTP 407)"),
], ids=["envoy", "nginx", "portal", "407"])
def test_the_page_of_a_proxy_is_shown(start, world, service, fault, words):
    world.fault(service=service, **fault)
    assert words in failure_of(start(small_object()))


def test_the_error_of_another_service_is_not_shown(start, world):
    world.fault(action="Query", status=400, body='{"message":"a secret of another service"}')
    assert "secret" not in failure_of(start(small_object()))
